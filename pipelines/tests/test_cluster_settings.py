"""What the `kubernetes:` section takes, and how what Kubernetes would refuse is said."""

import re

import pytest
from coralline.cluster.settings import DEFAULTS, KubernetesSettings
from coralline.project import find_problems
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tolerations: [{value: yes}]", "tolerations.0: `operator: Equal` needs a `key`; `Exists` "
         "tolerates all taints"),
        ("tolerations: [{operator: Exists, value: x}]", "tolerations.0: `value` goes with "
         "`operator: Equal` only; leave either out"),
        ("environment: {HTTPS-PROXY: x}", "environment.HTTPS-PROXY: `HTTPS-PROXY` is no "
         "environment variable's name: letters, digits and underscores, and no digit first"),
        ("secret_keys: [1ST_KEY]", "secret_keys.0: `1ST_KEY` is no environment variable's name"),
        ("node_selector: {a/b/c: x}", "node_selector.a/b/c: `a/b/c` is no label's name: 63 "),
        ("node_selector: {pool: two words}", "node_selector.pool: `two words` is no label's value"),
        ("node_selector: {pool: " + "x" * 64 + "}", "node_selector.pool: `x"),
        ("steps: {crop: {node_selector: {-pool: x}}}", "steps.crop.node_selector.-pool: `-pool` "),
        ("steps: {train: {accelerator_count: 2}}", "steps.train: `accelerator_count` needs "
         "`accelerator`, the device's name"),
        ("steps: {train: {cpu: 1.5, cpu_limit: 1200m}}", "steps.train: `cpu` is 1.5, more than "
         "`cpu_limit`, 1200m"),
        ("steps: {train: {timeout: 31d}}", "steps.train.timeout: is `31d`, and may be 30d at most"),
        ("backoff: 721h", "backoff: is `721h`, and may be 30d at most"),
    ],
)  # fmt: skip
def test_what_kubernetes_would_refuse_is_said_with_its_line(project_file, line, said):
    path = project_file(f"kubernetes:\n  {line}\n")
    (problem,) = map(str, find_problems(path))
    where, _, what = problem.partition(": kubernetes.")
    assert re.fullmatch(rf"{re.escape(str(path))}:\d+", where)
    assert path.read_text().splitlines()[int(where.rpartition(":")[2]) - 1].strip() == line
    assert what.startswith(said)


def test_what_kubernetes_takes_is_taken():
    KubernetesSettings.model_validate(
        {
            "tolerations": [
                {"operator": "Exists"},
                {"key": "a"},
                {"key": "a", "value": "b", "effect": "NoExecute"},
            ],
            "environment": {"_x1": "", "HTTPS_PROXY": "any text"},
            "node_selector": {"cloud.google.com/gke-spot": "true", "pool": "", "a.b_c": "x" * 63},
            "steps": {"train": {"cpu": "1", "cpu_limit": "1000m", "timeout": "30d"}},
            "backoff": "2592000s",
        }
    )


cores = st.one_of(
    st.integers(1, 5000).map(lambda milli: f"{milli}m"),
    st.integers(1, 5000).map(lambda milli: f"{milli / 1000:.3f}"),
)


def _milli(text):
    return int(text[:-1]) if text.endswith("m") else round(float(text) * 1000)


@given(step=st.sampled_from(sorted(DEFAULTS)), limit=cores)
def test_a_limit_below_what_a_step_gets_by_default_lowers_it(step, limit):
    section = KubernetesSettings.model_validate({"steps": {step: {"cpu_limit": limit}}})
    given, default = section.resources(step), DEFAULTS[step]
    assert _milli(given.cpu) == min(_milli(limit), _milli(default.cpu))
    assert (given.cpu_limit, given.memory) == (limit, default.memory)
