from pathlib import Path

import pytest
from coralline.project import STEPS, find_problems
from coralline.reference import EXAMPLES, reference

COMMITTED = Path(__file__).parents[2] / "docs" / "project-file.md"


def test_the_committed_reference_is_up_to_date():
    assert COMMITTED.read_text() == reference(), "run `make docs`"


def test_every_step_and_every_type_of_a_union_has_a_section():
    headings = [line for line in reference().splitlines() if line.startswith("##")]
    assert {f"## `{step}`" for step in STEPS} < set(headings)
    assert {"### `labels.LABEL`", "### `train.model`", "#### `urls`", "#### `edgetpu`"} < {
        *headings
    }
    assert len(set(headings)) == len(headings)


@pytest.mark.parametrize(
    "row",
    [
        "| `max_per_query` | whole number, 1 to 100000 | `240` | Most results that a source is",
        "| `robots` | `true` or `false` | `true` | Obey",
        "| `timeout` | number, more than 0, 600 or less | `30` | Seconds",
        "| `mode` | `face`, `whole`, `boxes` | `face` |",
        "| `boxes` | path |  |",
        "| `name` | text | must be there | Lower-case",
        "| `licences` | list of text | `[]` |",
        "| `targets` | list of [`compile.targets`](#compiletargets) | `[edgetpu]` |",
        "| `labels` | mapping of [`labels.LABEL`](#labelslabel), 2 or more | must be there |",
    ],
)
def test_a_row_says_type_bounds_and_default_in_plain_words(row):
    assert f"\n{row}" in reference()


@pytest.mark.parametrize("section", EXAMPLES)
def test_examples_are_right(project_file, section):
    example = EXAMPLES[section]
    path = project_file(example)
    if section == "project":
        path.write_text(example)
    assert find_problems(path) == []
    assert f"```yaml\n{example}```" in reference()
