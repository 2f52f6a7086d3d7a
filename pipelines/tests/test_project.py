"""The project file: what it becomes, and all that can be wrong with it."""

import json
import re

import pytest
import yaml
from coralline.project import STEPS, Project, find_problems, load_project
from coralline_converter.settings import ConvertSettings
from coralline_core.errors import CorallineError
from coralline_crawler.settings import CrawlSettings
from coralline_cropper.settings import CropSettings
from coralline_curator.settings import CurateSettings
from coralline_edgetpu_compiler.settings import CompileSettings
from coralline_publisher.settings import PublishSettings
from coralline_trainer.settings import TrainSettings
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

SETTINGS = {
    "crawl": CrawlSettings,
    "curate": CurateSettings,
    "crop": CropSettings,
    "train": TrainSettings,
    "convert": ConvertSettings,
    "compile_model": CompileSettings,
    "publish": PublishSettings,
}
MUCH = """
store: data
crawl:
  sources: [google, {type: urls, path: urls.csv}, {type: openverse, page_size: 10}]
  contact: me@example.org
  robots: no
  timeout: 2.5
curate: {near_duplicate_distance: 0, splits: {train: 0.5, validation: 0.25, test: 0.25}}
crop: {mode: boxes, boxes: boxes.csv, margin: 0}
train: {model: {name: small_mobilenet, size: 64}, augmentation: {flip: false}, epochs: 3}
convert: {min_agreement: 1}
compile:
  targets: [tflite-micro, {name: ethos-u65-256, max_sram_kib: 1.5, memory_mode: Sram_Only}]
publish: {min_accuracy: 0.5, seed: 7}
"""


@pytest.fixture
def problems(project_file):
    """The problems of a project file, each as `line: key: what. What to do.`"""

    def problems(*arguments, **keywords):
        path = project_file(*arguments, **keywords)
        return [str(one).removeprefix(f"{path}:") for one in find_problems(path)]

    return problems


@pytest.fixture
def much(project_file, tmp_path):
    """A project file in which hardly anything is as by default."""
    (tmp_path / "urls.csv").touch()
    (tmp_path / "boxes.csv").touch()
    return project_file(MUCH, labels='"no": {queries: [1, true]}\n  null: {queries: [2026-01-02]}')


def test_a_name_and_two_labels_are_enough(project_file, tmp_path):
    path = project_file()
    project = load_project(path)
    assert find_problems(path) == []
    assert list(project.labels) == ["a", "b"]
    assert project.crop.mode == "face"
    assert project.store.uri == str(tmp_path / "store")


def test_paths_lie_beside_the_project_file(much, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    project = load_project(much)
    assert project.store.uri == str(tmp_path / "data")
    assert project.crop.boxes == tmp_path / "boxes.csv"
    assert project.crawl.sources[1].path == tmp_path / "urls.csv"
    assert load_project(much, store="/tmp/other").store.uri == "/tmp/other"  # never written


def test_a_store_in_the_home_folder(project_file, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_project(project_file("store: ~/kept")).store.uri == str(tmp_path / "kept")


def test_text_needs_no_quotes(much):
    project = load_project(much)
    assert {name: label.queries for name, label in project.labels.items()} == {
        "no": ("1", "true"),
        "null": ("2026-01-02",),
    }
    assert project.crawl.robots is False
    assert project.crawl.timeout == 2.5


@pytest.mark.parametrize("file", ["much", "little"])
def test_arguments_are_each_step_s_settings_as_json_without_null(request, project_file, file):
    path = request.getfixturevalue("much") if file == "much" else project_file()
    project = load_project(path)
    text = json.dumps(project.arguments())
    assert "null" not in text.replace('"null"', "")
    arguments = json.loads(text)
    assert arguments.pop("store") == project.open_store().uri
    read = {step: SETTINGS[step].model_validate(said) for step, said in arguments.items()}
    assert read.keys() == SETTINGS.keys()
    assert read["crawl"].labels == project.labels
    assert read["crop"].size == project.train.model.size
    assert read["publish"].name == project.name
    for step in STEPS:
        section = getattr(project, step)
        passed = read["compile_model" if step == "compile" else step]
        assert {name: getattr(passed, name) for name, _ in section} == dict(section)


def test_all_is_said_at_once_from_the_first_line_to_the_last(problems):
    said = problems(
        "crawl:\n  sources: [gogle]\n  timeout: soon\npublish: {min_accuracy: 80}\nstore: /proc/x",
        name="Bad Name",
        labels="a:\n  b: {queries: []}",
    )
    starts = [
        "1: name: is `Bad Name`, and must fit `^[a-z",
        "3: labels.a: is empty, and must be a mapping. There are: queries.",
        "4: labels.b.queries: is empty, and must hold 1 or more. What to search for",
        "6: crawl.sources.0: there is no source 'gogle'; use openverse, google",
        "7: crawl.timeout: is `soon`, and must be a number",
        "8: publish.min_accuracy: is `80`, and must be 1 or less",
        "9: store: file:///proc/x: the store cannot be written: No such file",
    ]
    assert len(said) == len(starts)
    for one, start in zip(said, starts, strict=True):
        assert one.startswith(start)


def test_load_names_the_first_problem_and_counts_the_others(project_file):
    path = project_file("crop: {mod: face}\nzzz: 1\nstore:\n")
    with pytest.raises(CorallineError) as caught:
        load_project(path)
    more = f"2 more: coralline check {path}"
    assert str(caught.value) == f"{path}:5: crop.mod: unknown key. Did you mean `mode`? {more}"


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("a: {queries: [x]}", "2: labels: holds 1, and must hold 2 or more. What to tell apart"),
        ("a: {}\n  b: {queries: [x]}", "3: labels.a.queries: is missing. What to search for"),
        ("a: {querys: [x]}\n  b: {queries: [x]}", "3: labels.a.querys: unknown key. Did you mean"),
        ("a: {queries: ['']}\n  b: {queries: [x]}", "3: labels.a.queries.0: is empty, and must"),
        ("a: {queries: [' ']}\n  b: {queries: [x]}", "3: labels.a.queries.0: is blank, and must"),
        ("a: {queries: [~]}\n  b: {queries: [x]}", "3: labels.a.queries.0: is empty, and must"),
        ("a: {queries: x}\n  b: {queries: [x]}", "3: labels.a.queries: is `x`, and must be a list"),
        ("a: [x]\n  b: {queries: [x]}", "3: labels.a: is a list, and must be a mapping. There are"),
        ("a/b: {queries: [x]}\n  b: {queries: [x]}", "3: labels.a/b: the label 'a/b' may hold no"),
        ("- a", "2: labels: is a list, and must be a mapping. What to tell apart"),
    ],
)
def test_a_wrong_label_is_one_line(problems, labels, said):
    (one,) = problems(labels=labels)
    assert one.startswith(said)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("craw: {}", "craw: unknown key. Did you mean `crawl`?"),
        ("train: {model: {nam: x}}", "train.model.nam: unknown key. Did you mean `name`?"),
        ("5: x", "5: unknown key. There are: compile, convert"),
        ("crawl:", "crawl: is empty, and must be a mapping. There are: allow_private"),
        ("crawl: {sources: google}", "crawl.sources: is `google`, and must be a list. Write [goo"),
        ("crawl: {sources: [[google]]}", "crawl.sources.0: is a list, and must be a name, or a"),
        ("crawl: {sources: [{type: gogle}]}", "crawl.sources.0: there is no source 'gogle'; use"),
        ("crawl: {sources: [5]}", "crawl.sources.0: there is no source '5'; use"),
        (
            "crawl: {sources: [{type: openverse, pth: x}]}",
            "crawl.sources.0.pth: unknown key. There are: page_size, type, url.",
        ),
        (
            "crawl: {sources: [bing, {type: openverse, page_size: many}]}",
            "crawl.sources.1.page_size: is `many`, and must be a whole number",
        ),
        ("crawl: {sources: [urls]}", "crawl.sources.0.path: is missing. A file with the header"),
        (
            "crawl: {sources: [{type: urls, path: no.csv}]}",
            "crawl.sources.0.path: there is no file",
        ),
        (
            "crawl: {sources: [{type: directory, path: p.yaml}]}",
            "crawl.sources.0.path: there is no",
        ),
        ("crop: {mode: boxes}", "crop: `mode: boxes` needs `boxes:`, a CSV file"),
        ("crop: {mode: boxes, boxes: no.csv}", "crop.boxes: there is no file"),
        ("crop: {mode: ears}", "crop.mode: is `ears`, and must be 'face', 'whole' or 'boxes'"),
        ("crawl: {robots: maybe}", "crawl.robots: is `maybe`, and must be true or false"),
        ("crawl: {contact: [a]}", "crawl.contact: is a list, and must be text"),
        ("train: {epochs: 1.5}", "train.epochs: is `1.5`, and must be a whole number"),
        ("train: {model: {alpha: 2}}", "train.model.alpha: MobileNetV2 has no width 2.0"),
        ("curate: {splits: {train: 0.5}}", "curate.splits: train, validation and test are 0.8"),
        ("compile: {targets: [edgetp]}", "compile.targets.0: no target 'edgetp'; there are edge"),
        ("compile: {targets: [{x: 1}]}", "compile.targets.0: a target without a name; there are"),
        (
            "compile: {targets: [{name: ethos-u55-256, required: true}]}",
            "compile.targets.0.required: unknown key. There are: max_sram_kib, memory_mode",
        ),
        (
            "compile: {targets: [{name: tflite-micro, max_arena_kib: 0}]}",
            "compile.targets.0.max_arena_kib: is `0`, and must be more than 0",
        ),
        ("crop: {margin: 0, margin: 1}", "crop.margin: stands here twice. Keep one."),
        ("crop: {mode: face}\ncrop: {mode: face}", "crop: stands here twice. Keep one."),
        ("store: ftp://x", "store: ftp://x: no store for ftp://x. Use a folder, gs://bucket"),
        ("store: {uri: s3://x, endpoint: here}", "store.endpoint: is `here`, and must fit"),
        ("store: gs:x", "store: gs:x: no store for gs://"),
        ("store: http://[", "store: Invalid IPv6 URL"),
        ("store: p.yaml/x", "store: file:///"),
        ("store: ''", "store.uri: is empty, and must hold something"),
        ('store: "a\\0b"', "store: a store's name may hold printable characters only"),
        ("store: ~nobody-here/x", "store: Could not determine home directory"),
    ],
)
def test_a_wrong_section_is_one_line_and_nothing_is_written(problems, tmp_path, more, said):
    (one,) = problems(more)
    assert re.match(r"\d+: ", one)
    assert one.partition(": ")[2].startswith(said)
    assert len(one) < 400
    assert [path.name for path in tmp_path.iterdir()] == ["p.yaml"]


def test_a_store_is_made_by_a_run_not_by_a_check(project_file, tmp_path):
    assert find_problems(project_file("store: deep/store")) == []
    assert not (tmp_path / "deep").exists()


def test_the_schema_is_json_and_knows_every_section():
    schema = json.loads(json.dumps(Project.model_json_schema()))
    assert schema["properties"].keys() == {"name", "store", "labels", "kubernetes", *STEPS}
    assert schema["additionalProperties"] is False


words = st.sampled_from((*STEPS, "name", "labels", "queries", "sources", "type", "urls", "path"))
words |= st.sampled_from(("targets", "edgetpu", "store", "model", "5", "no", "a/b", "\0", ""))
anything = st.recursive(
    words | st.none() | st.integers() | st.floats() | st.booleans() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=20,
)


@given(content=st.dictionaries(words, anything))
@example(content={"labels": {"a": {"queries": "one\rother"}}})
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_a_file_says_each_problem_is_one_line_with_its_place(tmp_path, content):
    path = tmp_path / "any.yaml"
    path.write_text(yaml.safe_dump(content))
    problems = find_problems(path)
    assert problems  # it would need two labels with queries
    for problem in problems:
        assert problem.where.startswith(str(path))
        assert len(str(problem).splitlines()) == 1
    assert list(tmp_path.iterdir()) == [path]
