"""The pipeline of a project as Kubeflow gets it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from coralline.cluster.kubeflow.compile import compile_project
from coralline.cluster.settings import Cores, KubernetesSettings, Memory
from coralline.project import load_project
from coralline_core.errors import CorallineError
from google.protobuf.json_format import ParseDict
from hypothesis import given, settings
from hypothesis import strategies as st
from kfp.dsl import pipeline_task
from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec, PlatformSpec
from pydantic import TypeAdapter

GOLDEN = Path(__file__).with_name("golden")
RENEW = (
    "see what has changed, and renew it: coralline compile {0}/glasses.yaml -o {0}/pipeline.yaml"
)


@pytest.fixture(scope="module")
def text():
    return compile_project(load_project(GOLDEN / "glasses.yaml", reach=False))


@pytest.fixture(scope="module")
def spec(text):
    return next(yaml.safe_load_all(text))


@pytest.fixture(scope="module")
def platform(text):
    _, platform = yaml.safe_load_all(text)
    return platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def test_the_committed_pipeline_is_what_is_compiled(text):
    assert text == (GOLDEN / "pipeline.yaml").read_text(), RENEW.format(GOLDEN)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_every_process_compiles_the_same_to_the_byte(tmp_path, text, seed):
    command = Path(sys.executable).with_name("coralline")
    out = tmp_path / "pipeline.yaml"
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    line = [command, "compile", GOLDEN / "glasses.yaml", "-o", out]
    subprocess.run(line, check=True, env=environment, cwd=tmp_path)
    assert out.read_text() == text


def test_it_is_what_kfp_s_own_messages_take(text, platform):
    spec, configuration = yaml.safe_load_all(text)
    parsed = ParseDict(spec, PipelineSpec())
    assert parsed.pipeline_info.name == "coralline-glasses"
    assert set(ParseDict(configuration, PlatformSpec()).platforms) == {"kubernetes"}
    for one in platform.values():
        ParseDict(one, KubernetesExecutorConfig())


def test_the_arguments_are_the_parameters_defaults(spec):
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    arguments = load_project(GOLDEN / "glasses.yaml", reach=False).arguments()
    assert {name: one["defaultValue"] for name, one in parameters.items()} == arguments


def test_only_what_depends_on_nothing_but_its_inputs_is_cached(spec):
    tasks = spec["root"]["dag"]["tasks"]
    cached = {name for name, task in tasks.items() if task["cachingOptions"].get("enableCache")}
    assert cached == {"train", "convert", "compile-model"}


def test_no_task_that_is_cached_depends_on_one_that_is_not_but_by_values(spec):
    """An artifact has another number in each run, so the cache would never be hit."""
    tasks = spec["root"]["dag"]["tasks"]
    cached = {name for name, task in tasks.items() if task["cachingOptions"].get("enableCache")}
    for name in cached:
        artifacts = tasks[name]["inputs"].get("artifacts", {}).values()
        producers = {one["taskOutputArtifact"]["producerTask"] for one in artifacts}
        assert producers <= cached


def test_there_is_no_pipeline_root_in_it(spec):
    """The back end does not look at it there: it is said with each run."""
    assert "defaultPipelineRoot" not in spec


def test_each_image_is_named_for_good(spec):
    executors = spec["deploymentSpec"]["executors"]
    images = json.loads((GOLDEN / "images.json").read_text())
    assert {one["container"]["image"] for one in executors.values()} == set(images.values())


def test_a_cpu_limit_never_is_the_request(spec):
    for one in spec["deploymentSpec"]["executors"].values():
        assert one["container"]["resources"]["resourceCpuRequest"]
    train = spec["deploymentSpec"]["executors"]["exec-train"]["container"]["resources"]
    assert (train["resourceCpuRequest"], train["resourceCpuLimit"]) == ("2", "4")


def test_what_is_lost_late_is_tried_again_too(spec):
    for task in spec["root"]["dag"]["tasks"].values():
        assert task["retryPolicy"]["maxRetryCount"] == 3
        assert task["retryPolicy"]["backoffDuration"] == "60s"
    longest = spec["root"]["dag"]["tasks"]["train"]["retryPolicy"]["backoffMaxDuration"]
    assert longest == f"{4 * 4 * 3600}s"  # the timeout, as often as it may be tried


def test_each_pod_gets_what_the_project_says(platform):
    train, crawl = platform["exec-train"], platform["exec-crawl"]
    assert train["activeDeadlineSeconds"] == "14400"
    assert crawl["activeDeadlineSeconds"] == "21600"
    assert train["nodeSelector"]["labels"] == {"pool": "gpu"}
    assert crawl["nodeSelector"]["labels"] == {"pool": "batch"}
    assert [mount["mountPath"] for mount in train["emptyDirMounts"]] == ["/dev/shm"]
    assert "emptyDirMounts" not in crawl
    for one in platform.values():
        assert one["imagePullPolicy"] == "IfNotPresent"
        assert [secret["secretName"] for secret in one["imagePullSecret"]] == ["registry"]
        assert [secret["secretName"] for secret in one["secretAsEnv"]] == ["store"]
        assert [toleration["key"] for toleration in one["tolerations"]] == [
            "batch",
            "nvidia.com/gpu",
        ]


def test_the_environment_reaches_every_task(spec):
    for one in spec["deploymentSpec"]["executors"].values():
        (variable,) = one["container"]["env"]
        assert variable == {"name": "HTTPS_PROXY", "value": "http://proxy.example.org:3128"}


@given(cores=st.from_regex(TypeAdapter(Cores).core_schema["pattern"], fullmatch=True))
@settings(max_examples=50)
def test_kfp_takes_what_the_project_file_takes_for_cores(cores):
    task = pipeline_task.PipelineTask
    assert task._validate_cpu_request_limit(None, cores) == cores


@given(memory=st.from_regex(TypeAdapter(Memory).core_schema["pattern"], fullmatch=True))
@settings(max_examples=50)
def test_kfp_takes_what_the_project_file_takes_for_memory(memory):
    task = pipeline_task.PipelineTask
    assert task._validate_memory_request_limit(None, memory) == memory


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("cpu", "1Gi"),
        ("cpu", "half"),
        ("memory", "4"),
        ("memory", "1.5Gi"),
        ("memory", "4k"),
        ("timeout", "90"),
    ],
)
def test_what_kubernetes_would_misread_is_an_error_of_the_project_file(key, said):
    with pytest.raises(ValueError, match="pattern"):
        KubernetesSettings.model_validate({"steps": {"train": {key: said}}})


@pytest.mark.parametrize(
    "image", ["coralline/trainer", "coralline/trainer:latest", "host:5000/coralline/trainer"]
)
def test_an_image_whose_name_moves_is_refused(glasses, tmp_path, image):
    path = glasses()
    images = json.loads((tmp_path / "images.json").read_text())
    (tmp_path / "images.json").write_text(json.dumps({**images, "trainer": image}))
    with pytest.raises(CorallineError, match="may be another image tomorrow") as raised:
        compile_project(load_project(path, reach=False))
    assert str(raised.value).startswith(f"the image of train: {image} may be")


def test_a_store_on_this_machine_is_refused(coralline_command, glasses, tmp_path):
    path = glasses(replaced={"uri: s3://coralline/glasses": "uri: ./store", "  endpoint: ": "  #"})
    code, out, error = coralline_command("compile", path)
    assert (code, out) == (2, "")
    assert error.startswith("store.uri: the store is a folder of this machine, which pods cannot")
    assert not (tmp_path / "store").exists()


def test_pictures_on_this_machine_are_refused(coralline_command, glasses, tmp_path):
    shutil.copytree(GOLDEN, tmp_path / "photos")
    (tmp_path / "photos" / "none").mkdir()
    (tmp_path / "photos" / "glasses").mkdir()
    sources = "crawl: {sources: [{type: directory, path: photos}]}\nkubernetes:"
    path = glasses(replaced={"kubernetes:": sources})
    code, out, error = coralline_command("compile", path)
    assert (code, out, len(error.splitlines())) == (2, "", 1)
    assert "photos lies on this machine, where pods cannot read it" in error


def test_images_that_nobody_built_are_one_line(coralline_command, glasses, tmp_path):
    path = glasses()
    (tmp_path / "images.json").unlink()
    code, _, error = coralline_command("compile", path)
    assert code == 2
    assert "images.json: no file that says the steps' images" in error
    assert "make images" in error
