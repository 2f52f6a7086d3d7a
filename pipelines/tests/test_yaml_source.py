import pytest
from coralline.yaml_source import YamlSource
from coralline_core.errors import CorallineError


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "project.yaml"
        path.write_text(text)
        return YamlSource.read(path)

    return read


def test_keys_know_their_lines(read):
    source = read("name: a\ncrawl:\n  sources:\n    - google\n    - type: urls\n      path: x\n")
    assert source.content["crawl"]["sources"][1] == {"type": "urls", "path": "x"}
    assert source.lines[("crawl",)] == 2
    assert source.lines[("crawl", "sources", 0)] == 4
    assert source.lines[("crawl", "sources", 1, "path")] == 6


def test_a_missing_key_is_placed_at_what_should_hold_it(read):
    source = read("name: a\ncrawl:\n  sources: []\n")
    assert source.where(("crawl", "labels")) == f"{source.path}:2: crawl.labels"
    assert source.where(("labels",)) == f"{source.path}:1: labels"


def test_parts_that_the_file_lacks_are_left_out(read):
    source = read("crawl:\n  sources:\n    - type: urls\n      pth: x\n")
    key = source.known(("crawl", "sources", 0, "urls", "pth"))
    assert key == ("crawl", "sources", 0, "pth")
    assert source.where(key).endswith(":4: crawl.sources.0.pth")


def test_a_key_that_stands_twice_is_found(read):
    source = read("name: a\ncrop:\n  mode: face\n  mode: whole\nname: b\n")
    assert source.repeated == (("crop", "mode"), ("name",))


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("name: [", 1, "not YAML"),
        ("name: a\n\tcrop: b", 2, "not YAML"),
        ("name: 'a\n", 1, "not YAML"),
    ],
)
def test_what_is_not_yaml_is_an_error_with_a_line(read, tmp_path, text, line, what):
    with pytest.raises(CorallineError, match=what) as caught:
        read(text)
    assert caught.value.where.startswith(f"{tmp_path / 'project.yaml'}:")
    assert int(caught.value.where.rpartition(":")[2]) in (line, line + 1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a\n", "just words", "# nothing\n"])
def test_what_holds_no_keys_is_an_error(read, text):
    with pytest.raises(CorallineError, match="no keys"):
        read(text)


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(CorallineError, match="no such project file") as caught:
        YamlSource.read(tmp_path / "none.yaml")
    assert "coralline init" in str(caught.value)


def test_a_folder_or_bytes_are_an_error(tmp_path):
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    for path, what in (tmp_path, "cannot be read: Is a"), (tmp_path / "bytes.yaml", "not a text"):
        with pytest.raises(CorallineError, match=what):
            YamlSource.read(path)


def test_scalars_are_text_or_null(read):
    source = read("no: yes\n1: 0o7\n~: ~\n2026-99-01: x\nbase: &b {x: 1}\nmore: {<<: *b}\n")
    assert source.content == {
        "no": "yes",
        "1": "0o7",
        "~": None,
        "2026-99-01": "x",
        "base": {"x": "1"},
        "more": {"x": "1"},
    }
    assert source.lines[("1",)] == 2


def test_what_stands_below_a_repeated_key_has_the_lines_of_the_last(read):
    source = read("a:\n  x: 1\n  y: 2\na:\n  x: 3\n")
    assert source.repeated == (("a",),)
    assert source.lines == {("a",): 4, ("a", "x"): 5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: &b\n  c: *b\n", r"yaml:3: nested too deep"),
        ("a: 1\nb: !!python/object:os.system x\n", r"yaml:2: not YAML: could not determine"),
        ("a: 1\nb: '\0'\n", r"yaml:2: not YAML: the character 0x0"),
        ("a: 1\n---\nb: 2\n", r"yaml:2: not YAML: expected a single document"),
        ("a: *b\n", r"yaml:1: not YAML: found undefined alias"),
        ("? [a]\n: 1\n", r"yaml:1: not YAML: .*unhashable"),
    ],
)
def test_odd_yaml_is_an_error_of_one_line(read, text, message):
    with pytest.raises(CorallineError, match=message) as caught:
        read(text)
    assert "\n" not in str(caught.value)
