"""The pipeline as KFP compiles it."""

import pytest
import yaml
from coralline.images import COMPONENTS
from coralline.pipeline import train_pipeline
from coralline.project import load_project
from kfp import compiler


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    path = tmp_path_factory.mktemp("pipeline") / "pipeline.yaml"
    images = {step: f"coralline/{name}:1" for step, name in COMPONENTS.items()}
    compiler.Compiler().compile(train_pipeline("coralline-train", images), str(path))
    return yaml.safe_load(path.read_text())


@pytest.fixture
def containers(compiled):
    executors = compiled["deploymentSpec"]["executors"]
    return {name.removeprefix("exec-"): one["container"] for name, one in executors.items()}


def test_each_step_has_an_image_of_its_own(containers):
    assert {name: one["image"] for name, one in containers.items()} == {
        "crawl": "coralline/crawler:1",
        "curate": "coralline/curator:1",
        "crop": "coralline/cropper:1",
        "train": "coralline/trainer:1",
        "convert": "coralline/converter:1",
        "compile-model": "coralline/edgetpu-compiler:1",
        "publish": "coralline/publisher:1",
    }


def test_nothing_is_installed_when_a_step_starts(containers):
    for container in containers.values():
        assert "pip" not in " ".join(container["command"] + container["args"]).split()


def test_what_looks_at_the_web_or_into_the_store_is_never_cached(compiled):
    tasks = compiled["root"]["dag"]["tasks"]
    cached = {name for name, task in tasks.items() if task["cachingOptions"].get("enableCache")}
    assert cached == {"train", "convert", "compile-model"}


def test_a_project_gives_the_pipeline_its_arguments(compiled, project_file):
    arguments = load_project(project_file()).arguments()
    assert compiled["root"]["inputDefinitions"]["parameters"].keys() == arguments.keys()
    kinds = compiled["root"]["inputDefinitions"]["parameters"]
    assert {kinds[name]["parameterType"] for name in arguments if name != "store"} == {"STRUCT"}


def test_steps_that_need_each_other_follow_each_other(compiled):
    tasks = compiled["root"]["dag"]["tasks"]
    needs = {name: set(task.get("dependentTasks", [])) for name, task in tasks.items()}
    assert needs["crawl"] == set()
    assert needs["train"] == {"crop"}
    assert needs["compile-model"] == {"convert"}
    assert needs["publish"] == {*tasks} - {"publish"}
