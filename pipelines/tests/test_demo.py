"""`coralline demo`: what can be done with what it leaves behind."""

import shlex

import pytest
from coralline import cli, runs
from coralline.project import load_project
from coralline.runs import Run
from coralline_core.store import FileStore


@pytest.fixture
def demo(tmp_path, monkeypatch, capsys):
    """The command in tmp_path, without what a run does; its folder, and what it printed."""
    summary = {
        "test": {"int8": {"accuracy": 0.95, "n": 100, "interval": [0.9, 0.98]}},
        "decision": "published",
        "gates": [],
    }

    def run_here(project, project_text, runs, show, place):
        folder = tmp_path / runs / "a run"
        folder.mkdir(parents=True)
        (folder / "project.yaml").write_text(project_text)
        return Run(folder, summary)

    def demo(*options):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(runs, "run_here", run_here)
        monkeypatch.setattr("sys.argv", ["coralline", "demo", *options])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
        return capsys.readouterr().out

    return demo


@pytest.mark.parametrize("options", [[], ["--store", "my: \\1 store"]])
def test_the_line_that_it_ends_with_opens_the_crops_that_it_made(demo, tmp_path, options):
    last = demo(*options).splitlines()[-1]
    name, *command = shlex.split(last)
    assert (name, command[:2]) == ("review", ["coralline", "review"])
    (project,) = command[2:]
    used = tmp_path / (options[1] if options else "store")
    assert load_project(tmp_path / project).open_store().uri == FileStore(used).uri
