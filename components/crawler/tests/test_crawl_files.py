"""Candidates from lists and folders."""

import pytest
from coralline_core.errors import CorallineError


@pytest.fixture
def csv_file(tmp_path):
    path = tmp_path / "urls.csv"

    def write(data):
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return {"type": "urls", "path": str(path)}

    return write


def test_a_list_with_all_columns(site, photos, crawl, csv_file):
    one, two = photos(2)
    source = csv_file(
        "\ufeffgroup,label,url,licence,creator,page_url\r\n"
        f'g1,cat,{one},by,"Last, ""First""",https://page.test/1\r\n'
        "\r\n"
        f'"two\nlines",dog, {two} ,,,\r\n'
    )
    cat, dog = crawl(source).rows
    assert (cat["group"], cat["licence"]) == ("g1", "by")
    assert (cat["creator"], cat["page_url"]) == ('Last, "First"', "https://page.test/1")
    assert (dog["image_url"], dog["group"], dog["source"]) == (two, "two\nlines", "urls")
    assert (dog["creator"], dog["page_url"], dog["query"]) == (None, None, "")


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("", "line 1", "the header is ''"),
        ("label\ncat\n", "line 1", "the header is 'label'"),
        ("label,url,licens\n", "line 1", "the header is 'label,url,licens'"),
        ("cat,http://a/\n", "line 1", "the header is 'cat,http://a/'"),
        ("label,url\ncat,http://a/\nbird,http://b/\n", "line 3", "'bird' is not a label"),
        ("label,url\n\ncat\n", "line 3", "does not have the header's columns"),
        ("label,url\ncat,\n", "line 2", "does not have the header's columns"),
        ("label,url\ncat,http://a/,more\n", "line 2", "does not have the header's columns"),
        ('label,url,creator\ncat,http://a/,"b\nc"\n,http://d/,\n', "line 4", "does not have"),
        ('label,url\ncat,"http://a/"x\n', "urls.csv", "the list cannot be read"),
        (b"label,url\ncat,http://\xff/\n", "urls.csv", "the list cannot be read"),
    ],
)
def test_a_list_that_is_wrong_is_said_with_its_line(crawl, csv_file, text, where, what):
    with pytest.raises(CorallineError, match=what) as caught:
        crawl(csv_file(text))
    assert caught.value.where.endswith(where)


def test_a_list_that_is_not_there(crawl, tmp_path):
    with pytest.raises(CorallineError, match=r"the list cannot be read: .*No such file"):
        crawl({"type": "urls", "path": str(tmp_path / "none.csv")})


@pytest.fixture
def folder(tmp_path, photo):
    """A folder of two labels' photos, some of them further down, beside what is none."""
    root = tmp_path / "my photos"
    for name in ("cat/2.jpg", "cat/1é #.jpg", "cat/deep/er/3", "dog/1.jpg", "bird/1.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(photo(int.from_bytes(name.encode(), "big")))
    (root / "cat" / ".hidden").write_bytes(photo(9))
    (root / "dog" / "notes.txt").write_text("not a photo")
    return root


def test_a_folder(crawl, folder):
    crawled = crawl({"type": "directory", "path": str(folder)})
    names = ["cat/1é #.jpg", "cat/2.jpg", "cat/deep/er/3", "dog/1.jpg"]
    assert [row["image_url"] for row in crawled.rows] == [(folder / n).as_uri() for n in names]
    assert [row["label"] for row in crawled.rows] == ["cat"] * 3 + ["dog"]
    assert crawled.rows[2]["image"]["path"].endswith(".jpg")
    assert crawled.report.rejected == {"not-an-image": 1}
    assert crawled.report.labels["dog"].rejected == {"not-an-image": 1}


def test_a_folder_that_is_not_there(crawl, tmp_path):
    with pytest.raises(CorallineError, match="there is no such folder"):
        crawl({"type": "directory", "path": str(tmp_path / "none")})


def test_a_folder_without_a_label(crawl, folder):
    with pytest.raises(CorallineError, match="there is no image of it in directory") as caught:
        crawl(
            {"type": "directory", "path": str(folder)},
            labels={x: {"queries": [x]} for x in ("cat", "fish")},
        )
    assert caught.value.where == "labels.fish"


def test_limits_hold_for_files(crawl, folder, photo):
    (folder / "cat" / "2.jpg").write_bytes(photo(1, 400, 400))
    crawled = crawl({"type": "directory", "path": str(folder)}, max_bytes=4000, max_pixels=10_000)
    assert crawled.report.labels["cat"].rejected == {"too-large": 1}


def test_a_file_that_cannot_be_read_is_counted(crawl, folder):
    (folder / "cat" / "2.jpg").unlink()
    (folder / "cat" / "2.jpg").symlink_to("/proc/self/mem")  # reading it is an error, for root too
    crawled = crawl({"type": "directory", "path": str(folder)})
    assert crawled.report.rejected == {"missing-file": 1, "not-an-image": 1}


def test_a_broken_file_that_was_put_right_is_taken(crawl, folder, photo):
    # It was rejected for ever, as a URL is.
    broken = folder / "cat" / "2.jpg"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-20])
    source = {"type": "directory", "path": str(folder)}
    assert crawl(source).report.labels["cat"].rejected == {"truncated": 1}
    broken.write_bytes(whole)
    crawled = crawl(source)
    assert crawled.report.labels["cat"].rejected == {}
    assert crawled.report.fetched == 1
