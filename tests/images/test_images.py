"""What each image promises to whoever runs it: Docker, Kubernetes, Kubeflow's executor."""

import importlib.util
import json
import shlex
from pathlib import Path

import pytest
from kfp import dsl

pytestmark = pytest.mark.docker

IMAGES = {
    "crawler": "coralline_crawler",
    "curator": "coralline_curator",
    "cropper": "coralline_cropper",
    "trainer": "coralline_trainer",
    "converter": "coralline_converter",
    "edgetpu-compiler": "coralline_edgetpu_compiler",
    "publisher": "coralline_publisher",
    "reviewer": "coralline_reviewer",
    "demo": "coralline_demo",
}
"""The package that each image is for."""
TENSORFLOW = ("trainer", "converter")

every_image = pytest.mark.parametrize("image", IMAGES)


def measure():
    path = Path(__file__).parents[2] / "images" / "built.py"
    spec = importlib.util.spec_from_file_location("built", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.measure


def test_every_step_has_an_image(built):
    assert built.keys() == IMAGES.keys()


@every_image
def test_its_step_says_what_it_does_where_nothing_may_be_written(run, image):
    done = run(image, "python", "-m", IMAGES[image], "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")


IMPORT_ALL = """
import importlib, pkgutil, sys
for package in map(importlib.import_module, sys.argv[1:]):
    found = [m.name for m in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
    assert len(found) >= 3, package
    for name in found:
        if not name.endswith(".__main__"):
            importlib.import_module(name)
"""


@every_image
def test_every_module_finds_what_it_imports(run, image):
    packages = ("coralline_core", IMAGES[image])
    done = run(image, "python", "-c", IMPORT_ALL, *packages, options=["--tmpfs=/tmp"])
    assert done.returncode == 0, done.stderr


@every_image
def test_its_user_is_a_number_other_than_root(inspected, built, run, image):
    assert inspected(built[image])["Config"]["User"] == "1000:1000"
    assert run(image, "id", "-u").stdout == "1000\n"


@every_image
def test_no_entrypoint_comes_before_what_kubeflow_calls(inspected, built, image):
    assert not inspected(built[image])["Config"]["Entrypoint"]


@every_image
def test_labels_say_what_it_is(inspected, built, image):
    labels = inspected(built[image])["Config"]["Labels"]
    of = {key.removeprefix("org.opencontainers.image."): value for key, value in labels.items()}
    assert of["title"] == f"coralline-{image}"
    assert of["description"]
    assert of["version"] == importlib.metadata.version(f"coralline-{image}")
    assert of["base.name"].startswith("python:3.11-slim-bookworm")
    # Either would change every image with every commit.
    assert not {"revision", "created"} & of.keys()


@dsl.component(base_image="any", install_kfp_package=False)
def halve(number: int, report: dsl.Output[dsl.Artifact]) -> float:
    from pathlib import Path

    Path(report.path).write_text(f"half of {number}\n")
    return number / 2


@every_image
def test_kubeflows_executor_runs_a_component_in_it(run, image):
    place = "/tmp/report"
    artifact = {"name": "report", "uri": place, "type": {"schemaTitle": "system.Artifact"}}
    given = {
        "inputs": {"parameterValues": {"number": 3}},
        "outputs": {
            "artifacts": {"report": {"artifacts": [artifact]}},
            "outputFile": "/tmp/done.json",
        },
    }
    container = halve.component_spec.implementation.container
    command = [*container.command, *container.args]
    command[command.index("{{$}}")] = json.dumps(given)
    shown = f"{shlex.join(command)} >&2 && cat /tmp/report /tmp/done.json"
    done = run(image, "sh", "-c", shown, options=["--tmpfs=/tmp", "--workdir=/"])
    assert done.returncode == 0, done.stderr
    report, _, output = done.stdout.partition("\n")
    assert report == "half of 3"
    assert json.loads(output)["parameterValues"] == {"Output": 1.5}


@every_image
def test_it_is_no_larger_than_it_may_be(built, image):
    size = measure()(image, built[image])
    assert size.total <= size.limit * 1_000_000, size


@every_image
def test_it_holds_its_own_step_and_no_other(run, image):
    names = run(
        image, "sh", "-c", "ls /opt/coralline/source /opt/coralline/lib/python3*/site-packages"
    ).stdout.split()
    ours = {name for name in names if "coralline" in name and name.isidentifier()}
    assert ours == {"coralline_core", IMAGES[image]}
    assert ("tensorflow" in names) == (image in TENSORFLOW)
    assert not {"uv", "pytest", "hatchling", "kubernetes"} & {*names}


CHECK_COMPILED = """
import importlib, pathlib, sys
files = [*pathlib.Path("/opt/coralline").rglob("__pycache__/*.pyc")]
for file in files:
    assert file.read_bytes()[4] == 1, file  # by a hash, which is not to be checked
assert pathlib.Path(importlib.import_module(sys.argv[1]).__cached__) in files
"""


@every_image
def test_modules_are_compiled_without_the_time_of_their_source(run, image):
    done = run(image, "python", "-c", CHECK_COMPILED, IMAGES[image])
    assert done.returncode == 0, done.stderr
