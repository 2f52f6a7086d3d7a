import re

import pytest
from coralline.project import find_problems, load_project
from coralline.template import write_template
from coralline_core.errors import CorallineError
from coralline_crawler.settings import SOURCES


@pytest.mark.parametrize("name", ["helmets", "7", "a-b-3", "x" * 63])
def test_what_is_written_is_a_project(tmp_path, name):
    path = write_template(name, tmp_path)
    assert path == tmp_path / f"{name}.yaml"
    assert find_problems(path) == []
    assert load_project(path).name == name


def test_what_is_commented_out_is_the_default(tmp_path):
    path = write_template("helmets", tmp_path)
    (tmp_path / "urls.csv").touch()
    (tmp_path / "pictures").mkdir()
    before = load_project(path)
    whole = re.sub(r"(?m)^( *)# ( *)(- |\w+:)", r"\1\2\3", path.read_text())
    path.write_text(whole)
    assert find_problems(path) == []
    after = load_project(path)
    assert [one.type for one in after.crawl.sources] == [*SOURCES]
    assert after.crawl.contact == "you@example.org"
    crawl = after.crawl.model_copy(update={"sources": before.crawl.sources, "contact": None})
    assert after.model_copy(update={"crawl": crawl}) == before
    assert whole.count("\n  # ") == 0


def test_a_file_is_never_written_over(tmp_path):
    path = tmp_path / "helmets.yaml"
    path.write_text("mine")
    with pytest.raises(CorallineError, match=r"helmets\.yaml: the file is there already\. Choose"):
        write_template("helmets", tmp_path)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("name", ["", "Bad", "a b", "-a", "a/b", "..", "a.yaml", "x" * 64, "a\n"])
def test_a_bad_name_writes_nothing(tmp_path, name):
    with pytest.raises(CorallineError, match=r"not a name for a project\. Use lower-case"):
        write_template(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(CorallineError, match=r"no/helmets\.yaml: cannot be written: No such file"):
        write_template("helmets", tmp_path / "no")
