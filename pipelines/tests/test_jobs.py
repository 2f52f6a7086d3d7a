"""A run as Kubernetes Jobs: what they are, and that the steps understand them."""

import importlib
import inspect
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from coralline.cluster.jobs.manifests import manifests, name_run
from coralline.cluster.reviewer import reviewer
from coralline.images import COMPONENTS
from coralline.project import STEPS, Project, load_project
from coralline_core.errors import CorallineError
from coralline_reviewer.settings import ReviewSettings
from hypothesis import example, given
from hypothesis import strategies as st
from kubernetes.client import models

K8S = Path(__file__).parents[2] / "k8s"
FULL = """
store: {uri: s3://bucket/prefix, endpoint: http://store:8333, region: eu-west-1}
kubernetes:
  images: images.json
  namespace: teams-own
  service_account: reader
  secret: store
  environment: {HTTPS_PROXY: "http://proxy:3128"}
  pull_secrets: [registry]
  node_selector: {disk: fast}
  tolerations: [{key: gpu, operator: Exists}]
  retries: 4
  steps:
    train:
      {cpu: "2", cpu_limit: "4", memory: 6Gi, accelerator: nvidia.com/gpu, shm: 1Gi, timeout: 2h,
       node_selector: {gpu: "yes"}}
"""


@pytest.fixture
def load(project_file, tmp_path):
    """Loads a project whose images are built."""
    components = [*COMPONENTS.values(), "reviewer"]
    images = {component: f"registry/{component}@sha256:0" for component in components}
    (tmp_path / "images.json").write_text(json.dumps(images))

    def load(more="store: gs://bucket/prefix\nkubernetes: {images: images.json}\n"):
        return load_project(project_file(more), reach=False)

    return load


@pytest.fixture
def jobs(load):
    """The Jobs by step."""

    def jobs(*more):
        made = manifests(load(*more), "r1")[1:]
        return {job["metadata"]["labels"]["coralline/step"]: job for job in made}

    return jobs


@pytest.fixture
def pods(jobs):
    """The pods by step, with their one container."""

    def pods(*more):
        specs = {step: job["spec"]["template"]["spec"] for step, job in jobs(*more).items()}
        return {step: (spec, *spec["containers"]) for step, spec in specs.items()}

    return pods


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    """No credentials of any cloud."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "STORAGE_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)


def flags(command):
    """What follows each of a command's flags."""
    return dict(zip(command[3::2], command[4::2], strict=True))


def unknown(value, kind, at):
    """Where an object has keys that the API's model of its kind does not."""
    if found := re.fullmatch(r"list\[(.*)\]", kind):
        return [one for item in value for one in unknown(item, found[1], at)]
    if not (model := getattr(models, kind, None)):
        return []
    known = {model.attribute_map[name]: kind for name, kind in model.openapi_types.items()}
    return [f"{at}.{key}" for key in value if key not in known] + [
        one
        for key, inner in value.items()
        if key in known
        for one in unknown(inner, known[key], f"{at}.{key}")
    ]


@pytest.mark.parametrize("more", [(), (FULL,)])
def test_the_api_knows_every_key(load, more):
    for one in manifests(load(*more), "r1"):
        assert unknown(one, f"V1{one['kind']}", one["kind"]) == []


def test_every_step_is_given_what_it_takes(pods):
    for step, (_, container) in pods().items():
        command = container["command"]
        assert command[:2] == ["python", "-m"]
        execute = importlib.import_module(f"{command[2]}.step").execute
        names = [name.replace("_", "-") for name in inspect.signature(execute.work).parameters]
        assert execute.name == step
        given = ["settings", "store", "run", *names[3:]]
        assert sorted(flags(command)) == sorted(f"--{name}" for name in given)


def test_a_step_takes_what_steps_before_it_made(pods):
    made = set()
    for step, (_, container) in pods().items():
        artifacts = {value for value in flags(container["command"]).values() if "/" in value}
        artifacts -= {"gs://bucket/prefix", f"/etc/coralline/{step}.json"}
        own = {artifact for artifact in artifacts if artifact.startswith(f"{step}/")}
        assert artifacts - own <= made
        assert f"{step}/report" in own
        made |= own
    assert "publish/published" in made


def test_the_settings_are_those_of_a_run_on_this_machine(load):
    project = load()
    arguments = project.arguments()
    settings, *jobs = manifests(project, "r1")
    written = {
        name.removesuffix(".json"): json.loads(text) for name, text in settings["data"].items()
    }
    assert written == {
        name.partition("_")[0]: arguments[name] for name in arguments.keys() - {"store"}
    }
    for job in jobs:
        (volume,) = [
            one for one in job["spec"]["template"]["spec"]["volumes"] if "configMap" in one
        ]
        assert volume["configMap"]["name"] == settings["metadata"]["name"]


def test_settings_that_change_have_another_name(load):
    first = manifests(load(), "r1")[0]["metadata"]["name"]
    assert manifests(load(), "r2")[0]["metadata"]["name"] == first
    more = "store: gs://bucket/prefix\nkubernetes: {images: images.json}\ntrain: {epochs: 3}\n"
    assert manifests(load(more), "r1")[0]["metadata"]["name"] != first


def test_what_the_project_file_says_of_the_cluster_is_in_the_pods(pods):
    spec, container = pods(FULL)["train"]
    assert container["image"] == "registry/trainer@sha256:0"
    assert flags(container["command"])["--store"] == (
        "s3://bucket/prefix?endpoint=http%3A%2F%2Fstore%3A8333&region=eu-west-1"
    )
    assert container["resources"] == {
        "requests": {"cpu": "2", "memory": "6Gi"},
        "limits": {"memory": "6Gi", "cpu": "4", "nvidia.com/gpu": "1"},
    }
    assert container["env"][0] == {"name": "HTTPS_PROXY", "value": "http://proxy:3128"}
    assert [one["valueFrom"]["secretKeyRef"] for one in container["env"][1:]] == [
        {"name": "store", "key": "AWS_ACCESS_KEY_ID"},
        {"name": "store", "key": "AWS_SECRET_ACCESS_KEY"},
    ]
    assert {"name": "shm", "mountPath": "/dev/shm"} in container["volumeMounts"]
    assert spec["serviceAccountName"] == "reader"
    assert spec["nodeSelector"] == {"disk": "fast", "gpu": "yes"}
    assert spec["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert spec["imagePullSecrets"] == [{"name": "registry"}]


def test_a_step_may_take_its_time_after_those_before_it(jobs):
    deadlines = {step: job["spec"]["activeDeadlineSeconds"] for step, job in jobs(FULL).items()}
    assert deadlines["train"] - deadlines["crop"] == 2 * 3600
    assert list(deadlines.values()) == sorted(deadlines.values())


def test_no_use_trying_again_what_a_person_must_put_right(jobs):
    for job in jobs(FULL).values():
        assert job["spec"]["backoffLimit"] == 4
        ignore, fail = job["spec"]["podFailurePolicy"]["rules"]
        assert ignore["action"] == "Ignore"
        assert (fail["action"], fail["onExitCodes"]["values"]) == (
            "FailJob",
            [CorallineError.exit_code],
        )


def test_earlier_steps_go_before_later_ones_and_a_page_after_them(pods, load):
    classes = yaml.safe_load_all((K8S / "base" / "priorities.yaml").read_text())
    values = {one["metadata"]["name"]: one["value"] for one in classes}
    ordered = [values.pop(spec["priorityClassName"]) for spec, _ in pods().values()]
    assert ordered == sorted(ordered, reverse=True)
    assert max(ordered) < 0  # no run takes the place of anything else
    page = reviewer(load())[1]["spec"]["template"]["spec"]["priorityClassName"]
    assert values.pop(page) < min(ordered)  # nor a page that of a step
    assert values == {}


@given(name=st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,62}\Z"))
@example(name="a" * 63)
@example(name="a" * 38 + "-" * 20)
def test_a_new_run_has_a_name_that_jobs_can_have(name):
    project = Project.model_validate(
        {"name": name, "labels": {"a": {"queries": ["x"]}, "b": {"queries": ["y"]}}}
    )
    run = name_run(project, datetime(2026, 11, 25, 17, 30, tzinfo=UTC))
    assert run.endswith("-20261125-173000")
    for step in STEPS:
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", f"{run}-{step}")


@pytest.mark.parametrize("run", ["", "Upper", "-a", "a-", "a_b", "a" * 56, "a\n"])
def test_a_name_that_jobs_cannot_have_is_refused(load, run):
    with pytest.raises(CorallineError, match="cannot be the name"):
        manifests(load(), run)


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ("", "store.uri"),
        ("store: gs://b/p\ncrawl: {sources: [{type: directory, path: .}]}", "crawl.sources.0.path"),
    ],
)
def test_a_project_that_needs_this_machine_is_refused(load, more, where):
    with pytest.raises(CorallineError) as caught:
        manifests(load(more), "r1")
    assert caught.value.where == where


def test_the_command_prints_what_kubectl_takes(load, finish):
    load()
    code, printed, errors = finish("manifests", "p.yaml", "--run", "r1")
    assert (code, errors) == (0, [])
    assert [one["kind"] for one in yaml.safe_load_all(printed)] == ["ConfigMap"] + ["Job"] * 7
    assert "&id" not in printed  # kubectl reads anchors, people do not


def test_the_command_says_which_images_are_missing(load, finish, tmp_path):
    load()
    (tmp_path / "images.json").unlink()
    code, _, (line,) = finish("manifests", "p.yaml")
    assert code == 2
    assert "make images" in line


def test_the_command_says_which_image_has_no_name(load, finish, tmp_path):
    load()
    named = json.loads((tmp_path / "images.json").read_text())
    (tmp_path / "images.json").write_text(json.dumps({**named, "cropper": ""}))
    code, _, (line,) = finish("manifests", "p.yaml")
    assert code == 2
    assert "names no image of cropper" in line


REVIEWED = """
store: gs://bucket/prefix
kubernetes:
  images: images.json
  reviewer: {hosts: [review.example.org], who_header: X-Forwarded-Email, memory: 2Gi}
"""


@pytest.mark.parametrize("more", [(), (FULL,), (REVIEWED,)])
def test_the_api_knows_every_key_of_a_reviewer(load, more):
    made = reviewer(load(*more))
    assert [one["kind"] for one in made] == ["ConfigMap", "Deployment", "Service"]
    for one in made:
        assert unknown(one, f"V1{one['kind']}", one["kind"]) == []


def test_a_reviewer_has_the_projects_labels_and_a_run_may_do_no_more(load, pods):
    project = load(FULL)
    settings, deployment, service = reviewer(project)
    said = ReviewSettings.model_validate_json(settings["data"]["review.json"])
    assert said.labels == tuple(project.labels)
    spec = deployment["spec"]["template"]["spec"]
    _, step = pods(FULL)["curate"]
    (container,) = spec["containers"]
    for key in ("env", "securityContext"):
        assert container[key] == step[key]
    assert container["image"] == "registry/reviewer@sha256:0"
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert service["spec"]["ports"][0]["targetPort"] == container["ports"][0]["name"]


def test_a_reviewers_command_is_one_that_it_takes(load):
    """Its own parser says what is missing: a port that is taken, and no key of its settings."""
    spec = reviewer(load(REVIEWED))[1]["spec"]["template"]["spec"]
    command = spec["containers"][0]["command"]
    given = flags(command)
    assert given["--allow-host"] == "review.example.org"
    assert given["--who-header"] == "X-Forwarded-Email"
    done = subprocess.run([sys.executable, *command[1:]], capture_output=True, text=True)
    assert "/etc/coralline/review.json: No such file or directory" in done.stderr
    assert done.returncode == 2


def test_a_reviewers_name_is_one_for_a_service(load, project_file):
    for name in ("9lives", "a" * 63, "a" * 53 + "-" * 9 + "b"):
        project = load().model_copy(update={"name": name})
        for one in reviewer(project):
            assert re.fullmatch("[a-z]([a-z0-9-]{0,61}[a-z0-9])?", one["metadata"]["name"]) or (
                one["kind"] == "ConfigMap"
            )


def test_two_projects_have_two_reviewers(load):
    names = ["a" * 63, "a" * 62 + "b", "a" * 54, "a" * 54 + "-", "a", "a-"]
    made = [reviewer(load().model_copy(update={"name": name})) for name in names]
    assert len({service["metadata"]["name"] for _, _, service in made}) == len(names)


def test_a_page_is_reached_from_namespaces_that_are_named_for_it_alone(load):
    """The policy is of the reviewer's pods, and no other lets anything in to them."""
    labels = reviewer(load())[1]["spec"]["template"]["metadata"]["labels"]
    policy = yaml.safe_load((K8S / "reviewer" / "network.yaml").read_text())["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    (rule,) = policy["ingress"]
    assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"coralline/reviews": "yes"}}}]
    assert rule["ports"] == [{"protocol": "TCP", "port": 8080}]
    steps = {**labels, "app.kubernetes.io/component": "trainer"}
    assert not policy["podSelector"]["matchLabels"].items() <= steps.items()
