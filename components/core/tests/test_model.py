import re

import pytest
from coralline_core.errors import CorallineError
from coralline_core.model import LABELS, MODEL_JSON, ModelSpec

SPEC = ModelSpec(
    labels=("glasses", "no glasses", "été"),
    input_shape=(96, 96, 3),
    architecture="mobilenet_v2",
    crop={"margin": 0.2, "mode": "faces"},
    dataset="0123456789abcdef",
)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "run" / "model"
    SPEC.save(folder)
    return folder


def test_what_is_saved_is_loaded(folder):
    assert ModelSpec.load(folder) == SPEC
    assert (folder / LABELS).read_text("utf-8").splitlines() == list(SPEC.labels)


@pytest.mark.parametrize("name", [MODEL_JSON, LABELS])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(CorallineError, match=f"{name} is missing") as caught:
        ModelSpec.load(folder)
    assert caught.value.where == str(folder)


def test_labels_in_another_order_are_an_error(folder):
    (folder / LABELS).write_text("no glasses\nglasses\nété\n", "utf-8")
    with pytest.raises(CorallineError, match=r"labels\.txt says no glasses, glasses, été; model"):
        ModelSpec.load(folder)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_labels_may_end_as_an_editor_ends_them(folder, end):
    newline = "\r\n" if end == "\r\n" else "\n"
    (folder / LABELS).write_bytes((newline.join(SPEC.labels) + end).encode())
    assert ModelSpec.load(folder) == SPEC


def test_a_label_too_many_is_an_error(folder):
    (folder / LABELS).write_text("\n".join((*SPEC.labels, "more")) + "\n", "utf-8")
    with pytest.raises(CorallineError, match="more; model"):
        ModelSpec.load(folder)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"^not what was expected: Invalid JSON"),
        ("{", r"^not what was expected: Invalid JSON"),
        ("[]", r"^not what was expected: Input should be an object$"),
        ("{}", r"^labels: Field required$"),
    ],
)
def test_what_is_no_spec_is_named(folder, text, says):
    (folder / MODEL_JSON).write_text(text)
    with pytest.raises(CorallineError) as caught:
        ModelSpec.load(folder)
    assert caught.value.where == str(folder / MODEL_JSON)
    assert re.search(says, caught.value.what)
