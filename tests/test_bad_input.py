"""What a user may get wrong: each is one clear line and exit code 2, and costs nothing."""

import io
import re

import numpy as np
import pytest
from coralline_core.model import ModelSpec
from coralline_demo import faces
from coralline_demo.catalogue import entries
from PIL import Image

GOOD = {"name": "cats", "labels": {"cat": {"queries": ["cat"]}, "dog": {"queries": ["dog"]}}}


def one_line(done):
    """What the command said on stderr, which must be one line, with exit code 2."""
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert "Traceback" not in line
    return line


def body(name):
    return next(entry.body() for entry in entries().values() if entry.path.endswith(name))


@pytest.fixture(scope="module")
def anywhere(workplace):
    return workplace(GOOD)


def test_a_query_that_finds_nothing(workplace, glasses):
    place = workplace(glasses(labels={"glasses": {"queries": ["giraffe"]}}))
    line = one_line(place.run())
    where = re.escape("labels.glasses.queries: the query 'giraffe' finds nothing with openverse. ")
    assert re.fullmatch(rf"project.yaml:\d+: {where}Change the query, or add a source.", line)
    assert not place.store.exists()
    assert not place.latest.exists()


@pytest.fixture
def pictures(workplace):
    """A workplace with a folder of pictures, and what makes one of them."""
    source = {"type": "directory", "path": "pictures"}
    place = workplace({**GOOD, "crawl": {"sources": [source], "min_per_label": 2}})
    (place.folder / "pictures").mkdir()

    def put(name, data):
        path = place.folder / "pictures" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)

    return place, put


def encoded(image, kind="JPEG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(seed, mode="RGB", side=64):
    shape = (side, side, len(mode)) if len(mode) > 1 else (side, side)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8), mode)


def test_a_label_with_one_image(pictures):
    place, put = pictures
    put("cat/1.jpg", encoded(noise(1)))
    for number in range(2, 5):
        put(f"dog/{number}.jpg", encoded(noise(number)))
    line = one_line(place.run())
    assert line.startswith(
        "project.yaml:7: labels.cat: too few images: 'cat' has 1 image; wanted are 2 of each"
    )
    assert not place.latest.exists()


def test_a_label_with_one_image_that_is_enough_for_the_crawl(pictures):
    place, put = pictures
    text = place.file.read_text().replace("min_per_label: 2", "min_per_label: 1")
    place.file.write_text(text)
    put("cat/1.jpg", encoded(noise(1)))
    for number in range(2, 9):
        put(f"dog/{number}.jpg", encoded(noise(number)))
    assert one_line(place.run()).startswith(
        "project.yaml: curate: cat has one image, which cannot be split without a leak"
    )


def test_images_that_are_none(pictures):
    place, put = pictures
    for label, seed in (("cat", 1), ("dog", 2)):
        put(f"{label}/page.jpg", body("moved.jpg"))
        put(f"{label}/half.jpg", encoded(noise(seed))[:900])
        put(f"{label}/bomb.png", body("poster.png"))
        put(f"{label}/pixel.png", body("spacer.png"))
    line = one_line(place.run())
    assert re.search(r"'cat' has 0 images \(", line)
    for reason in ("not-an-image", "truncated", "too-many-pixels", "too-small"):
        assert f"1 {reason}" in line


def test_a_folder_without_the_label(pictures):
    place, put = pictures
    put("dog/1.jpg", encoded(noise(1)))
    line = one_line(place.run())
    assert line.startswith("project.yaml:7: labels.cat: there is no image of it in directory ")
    assert not place.store.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("crawll: {}", "unknown key. Did you mean `crawl`?"),
        ("labels: {cat: {}, dog: {queries: [dog]}}", "labels.cat.queries: is missing"),
        ("crawl: {sources: [altavista]}", "there is no source 'altavista'"),
        ("crop: {margin: wide}", "crop.margin: is `wide`, and must be a number"),
        ("name: [", "not YAML"),
        ("store: /proc/here", "the store cannot be written"),
        ("store: ftp://host", "no store for ftp://"),
    ],
)
def test_a_project_file_that_is_wrong(workplace, change, said):
    place = workplace(GOOD)
    lines = [line for line in place.file.read_text().splitlines() if line.startswith(" ")]
    place.file.write_text("\n".join(["name: cats", "labels:", *lines, change]) + "\n")
    if change.startswith(("labels", "name")):
        place.file.write_text(f"{'name: cats' if change[0] == 'l' else ''}\n{change}\n")
    before = place.snapshot()
    for command in ("run", "check"):
        line = one_line(place.command(command, "project.yaml"))
        assert re.match(r"project.yaml:\d+: ", line)
        assert said in line
    assert place.snapshot() == before


def test_a_required_compiler_that_is_not_there_is_missed_before_the_crawl(workplace):
    place = workplace({**GOOD, "compile": {"targets": [{"name": "edgetpu", "required": True}]}})
    before = place.snapshot()
    line = one_line(place.run())
    assert re.match(r"project.yaml:\d+: compile.targets.0: edgetpu_compiler is not installed", line)
    assert place.snapshot() == before


def test_no_project_file(anywhere):
    before = anywhere.snapshot()
    for command in ("run", "check"):
        line = one_line(anywhere.command(command, "nowhere.yaml"))
        assert line == "nowhere.yaml: no such project file. Write one with `coralline init NAME`."
    assert anywhere.snapshot() == before


def test_a_model_folder_that_is_not_whole(anywhere, tmp_path):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(faces.jpeg(faces.photo(0)))
    for folder in (tmp_path / "nowhere", tmp_path):
        line = one_line(anywhere.command("predict", folder, photo))
        assert line == f"{folder}: model.json is missing. Name the `model` folder of a run."
    ModelSpec(
        labels=("a", "b"), input_shape=(96, 96, 3), architecture="none", crop={}, dataset="none"
    ).save(tmp_path)
    (tmp_path / "labels.txt").unlink()
    line = one_line(anywhere.command("predict", tmp_path, photo))
    assert line == f"{tmp_path}: labels.txt is missing. Name the `model` folder of a run."
