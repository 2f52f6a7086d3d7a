"""The `coralline` command, as a person or a program starts it."""

import json
import subprocess
import sys

import pytest
from coralline import predict as prediction
from coralline.cli import app, main
from typer.main import get_command


class Said:
    """What stands for a prediction."""

    def __init__(self, image):
        self.image = image

    def __str__(self):
        return f"{self.image}: seen"


COMMANDS = sorted(get_command(app).commands)


def test_help_names_every_command(finish):
    code, printed, errors = finish("--help")
    assert (code, errors) == (0, [])
    assert "Try it: coralline demo" in printed
    for command in COMMANDS:
        assert f"\n  {command} " in printed


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_s_help_has_an_example(finish, command):
    code, printed, errors = finish(command, "--help")
    assert (code, errors) == (0, [])
    assert f"Example: coralline {command}" in printed


def test_help_names_arguments_as_manuals_do(finish):
    _, printed, _ = finish("predict", "--help")
    assert "Usage: coralline predict [OPTIONS] MODEL_DIR IMAGE...\n" in printed
    assert "\n  IMAGE...   Photos.\n" in printed
    assert "faces" not in printed


def test_an_image_that_is_named_twice_is_said_once(monkeypatch, capsys):
    monkeypatch.setattr(prediction, "predict", lambda _, images: [Said(one) for one in images])
    monkeypatch.setattr(sys, "argv", ["coralline", "predict", "model", "a", "b", "a"])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().out == "a: seen\nb: seen\n"


@pytest.mark.parametrize("line", [["--help"], ["check", "p.yaml"], ["schema"], ["init", "new"]])
def test_what_is_heavy_is_imported_by_what_needs_it(project_file, tmp_path, line):
    project_file()
    heavy = {"tensorflow", "keras", "kfp", "cv2", "pyarrow", "aiohttp", "icrawler"}
    script = f"""
import sys
from coralline.cli import main
sys.argv = ["coralline", *{line}]
try:
    main()
except SystemExit as end:
    assert end.code in (0, None), end.code
print("", *sorted({heavy} & sys.modules.keys()), sep="\\nimported ")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "imported " not in done.stdout.removesuffix("\nimported \n")


@pytest.mark.parametrize("line", [["nope"], ["run"], ["run", "p.yaml", "--nope"], ["check"], []])
def test_a_wrong_line_exits_with_2(finish, line):
    code, _, errors = finish(*line)
    assert code == 2
    assert "Traceback" not in "\n".join(errors)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            ["run", "no.yaml"],
            "no.yaml: no such project file. Write one with `coralline init N",
        ),
        (["check", "no.yaml"], "no.yaml: no such project file. Write one with `coralline init"),
        (["run", "p.yaml"], "p.yaml:5: zzz: unknown key. There are: compile"),
        (["check", "p.yaml"], "p.yaml:5: zzz: unknown key. There are: compile"),
        (["init", "Bad Name"], "Bad Name: not a name for a project. Use lower-case letters"),
        (["init", "p"], "p.yaml: the file is there already. Choose another name"),
        (
            ["predict", "no", "no.jpg"],
            "no: model.json is missing. Name the `model` folder of",
        ),
        (["demo", "--store", "/proc/x"], "store: file:///proc/x: the store cannot be written"),
    ],
)
def test_what_a_person_can_put_right_is_one_line_and_2(finish, project_file, tmp_path, line, says):
    project_file("zzz: 1")
    code, printed, (error,) = finish(*line)
    assert (code, printed) == (2, "")
    assert says in error
    assert [path.name for path in tmp_path.iterdir()] == ["p.yaml"]


def test_check_says_that_all_is_well(finish, project_file):
    project_file()
    assert finish("check", "p.yaml") == (0, "p.yaml is well\n", [])
    assert finish("check", "p.yaml", "--json") == (0, "[]\n", [])


def test_check_is_a_line_a_problem_or_json(finish, project_file):
    project_file("zzz: 1\ncrop: {mod: face}")
    code, printed, lines = finish("check", "p.yaml")
    assert (code, printed, len(lines)) == (2, "", 2)
    code, printed, errors = finish("check", "p.yaml", "--json")
    assert (code, errors) == (2, [])
    problems = json.loads(printed)
    assert [problem["where"] for problem in problems] == ["p.yaml:5: zzz", "p.yaml:6: crop.mod"]
    assert problems[1]["what"] == "unknown key"
    assert problems[1]["fix"] == "Did you mean `mode`?"


def test_init_writes_what_check_accepts(finish):
    code, printed, errors = finish("init", "helmets")
    assert (code, errors) == (0, [])
    assert printed.startswith("wrote helmets.yaml; say what to look for")
    assert finish("check", "helmets.yaml")[0] == 0


def test_schema_is_json(finish):
    code, printed, errors = finish("schema")
    assert (code, errors) == (0, [])
    assert json.loads(printed)["title"] == "Project"


def test_a_folder_in_the_place_of_latest_is_said_before_anything_is_done(
    finish, project_file, tmp_path
):
    project_file()
    (tmp_path / "runs" / "latest").mkdir(parents=True)
    code, printed, errors = finish("run", "p.yaml")
    fix = "Move it away, or name another folder with --runs."
    said = f"runs/latest: not a link, and a run puts one to itself there. {fix}"
    assert (code, printed, errors) == (2, "", [said])
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["latest"]


def test_runs_that_cannot_be_written_are_named(finish, project_file):
    project_file()
    code, _, errors = finish("run", "p.yaml", "--runs", "p.yaml")
    assert (code, errors) == (2, ["p.yaml: File exists. Name another folder with --runs."])
