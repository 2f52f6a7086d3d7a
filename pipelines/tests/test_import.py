"""What people have already: folders and lists of images, their splits and their boxes."""

import csv
import io
import json
import signal
import socket
from pathlib import Path

import numpy as np
import pytest
from coralline.export import export
from coralline.imports import import_into
from coralline.project import load_project
from coralline_core.errors import CorallineError
from coralline_core.progress import Progress
from coralline_crawler.crawl import crawl
from coralline_crawler.settings import CrawlSettings
from coralline_cropper.crop import crop
from coralline_cropper.settings import CropSettings
from coralline_curator.curate import curate
from PIL import Image

SILENT = Progress.silent()
LABELS = "cat: {queries: [x]}\n  dog: {queries: [y]}"


def noise(seed):
    """A JPEG of 120 x 90 px that looks like no other."""
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((120, 90)).save(file, "JPEG", quality=95)
    return file.getvalue()


@pytest.fixture
def put(tmp_path):
    """Writes pictures below tmp_path, by the numbers of what they show."""

    def put(**numbers):
        for name, number in numbers.items():
            path = tmp_path / name.replace("__", "/")
            path = path.with_name(f"{path.name}.jpg")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(noise(number))

    return put


@pytest.fixture
def project(project_file, tmp_path):
    """A project whose crawl brings two pictures of a folder."""
    for label, number in (("cat", 900), ("dog", 901)):
        path = tmp_path / "crawled" / label / "crawled.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(noise(number))
    more = "crawl: {sources: [{type: directory, path: crawled}], min_per_label: 1}\n"
    return project_file(more, labels=LABELS)


@pytest.fixture
def take(project, tmp_path):
    def take(source):
        return import_into(load_project(project), project, tmp_path / source, SILENT)

    return take


@pytest.fixture
def run(project):
    """The dataset that a run curates now, and its rows."""

    def run():
        loaded = load_project(project)
        store = loaded.open_store()
        settings = CrawlSettings(labels=loaded.labels, **dict(loaded.crawl))
        images, _ = crawl(settings, store, SILENT)
        curated, _ = curate(loaded.curate, images, store, SILENT)
        images.save(store)
        curated.save(store)
        return store, curated, list(curated.iter_rows(store))

    return run


def test_a_folder_by_label_is_in_the_next_dataset(take, run, put):
    put(
        **{f"mine__cat__{n}": n for n in range(5)},
        **{f"mine__dog__ann__{n}": n + 10 for n in (0, 1)},
    )
    put(mine__dog__3=20)
    done = take("mine")
    assert (done.images.kept, done.splits, done.box_file) == (8, {}, None)
    _, curated, rows = run()
    assert {label: sum(by.values()) for label, by in curated.counts.items()} == {"cat": 6, "dog": 4}
    ann = {row["split"] for row in rows if "/ann/" in row["image_url"]}
    assert len(ann) == 1  # a folder within a label's is a group
    again = take("mine")
    assert (again.images.kept, again.images.known) == (0, 8)


def test_splits_that_somebody_made_are_kept(take, run, put):
    numbers = iter(range(100))
    for split, count in (("train", 6), ("val", 3), ("test", 7)):
        for label in ("cat", "dog"):
            put(**{f"mine__{split}__{label}__{n}": next(numbers) for n in range(count)})
    done = take("mine")
    assert done.splits == {"test": 14, "train": 12, "validation": 6}
    for row in run()[2]:
        split = next(
            (s for s in ("train", "val", "test") if f"/mine/{s}/" in row["image_url"]), None
        )
        assert split is None or row["split"].startswith(split)
    assert take("mine").splits == done.splits
    put(mine__train__cat__new=99)
    assert take("mine").splits == {"test": 14, "train": 13, "validation": 6}


def test_an_image_in_two_splits_is_a_test_image(take, run, put):
    put(
        **{
            f"mine__{split}__{label}__{n}": n + 10 * (label == "dog")
            for split in ("train", "test")
            for label in ("cat", "dog")
            for n in range(2)
        }
    )
    put(
        **{
            f"mine__train__{label}__x{n}": n + 50 + 10 * (label == "dog")
            for label in ("cat", "dog")
            for n in range(2)
        }
    )
    assert take("mine").splits == {"test": 4, "train": 4}
    _, _, rows = run()
    assert sum(row["split"] == "test" for row in rows) >= 4


def test_a_list_says_where_images_are_from(take, run, put, tmp_path):
    put(photos__a=1, photos__b=2, photos__dog__c=3)
    (tmp_path / "list.csv").write_text(
        "image,label,creator,licence,page_url,split\n"
        'photos/a.jpg,cat,"Ann, B",by 4.0,https://example.org/a,test\n'
        "photos/b.jpg,dog,,,,\n"
        f"{tmp_path}/photos/dog/c.jpg,,,,,\n"
    )
    done = take("list.csv")
    assert (done.images.kept, done.splits) == (3, {"test": 1})
    rows = {Path(row["image_url"]).name: row for row in run()[2]}
    told = {name: rows["a.jpg"][name] for name in ("creator", "licence", "page_url", "split")}
    assert told == {
        "creator": "Ann, B",
        "licence": "by 4.0",
        "page_url": "https://example.org/a",
        "split": "test",
    }
    assert rows["b.jpg"]["label"] == rows["c.jpg"]["label"] == "dog"
    assert rows["b.jpg"]["creator"] is None


def test_boxes_reach_the_cropper(take, run, put, project, tmp_path, finish):
    put(**{f"photos__{n}": n for n in range(8)})
    lines = [
        f"photos/{n}.jpg,{left},10,{left + 30.5},50,{'cat' if n % 2 else 'dog'}"
        for n in range(8)
        for left in (10, 60)
    ]
    lines[1] = lines[1].replace("dog", "cat")  # of another label than the photo's first
    (tmp_path / "boxes.csv").write_text("image,x1,y1,x2,y2,label\n" + "\n".join(lines) + "\n")
    code, printed, errors = finish("import", "p.yaml", "boxes.csv")
    assert code == 0, errors
    assert "boxes: 16 more in p-boxes.csv" in printed
    told = printed.partition("write into the project file:\n")[2]
    project.write_text(project.read_text() + told)
    loaded = load_project(project)
    store, curated, _ = run()
    settings = CropSettings(size=32, **dict(loaded.crop) | {"margin": 0, "min_size": 1})
    crops, _ = crop(settings, curated, store, SILENT)
    found = list(crops.iter_rows(store))
    assert len(found) == 16
    assert sorted({tuple(row["box"][:2]) for row in found}) == [(5, 10), (55, 10)]
    assert sum(row["label"] == "cat" for row in found) == 9
    before = loaded.crop.boxes.read_bytes()
    assert take("boxes.csv").boxes == 0
    assert loaded.crop.boxes.read_bytes() == before


def test_a_box_file_that_is_there_keeps_its_lines(take, put, project, tmp_path):
    put(photos__a=1)
    (tmp_path / "p-boxes.csv").write_text("image,x1,y1,x2,y2\nold.jpg,1,2,3,4.0\n")
    (tmp_path / "new.csv").write_text("image,x1,y1,x2,y2,label\nphotos/a.jpg,1,2,3,4,cat\n")
    assert take("new.csv").boxes == 1
    with (tmp_path / "p-boxes.csv").open(newline="") as file:
        header, old, new = csv.reader(file)
    assert header == ["image", "x1", "y1", "x2", "y2", "label"]
    assert old == ["old.jpg", "1", "2", "3", "4.0", ""]
    assert new[1:] == ["1", "2", "3", "4", "cat"]
    with pytest.raises(CorallineError, match="imported into itself"):
        take("p-boxes.csv")


def test_what_was_exported_can_be_imported_with_its_attribution(take, run, album, tmp_path):
    photos = [
        album.photo(n, label, split)
        for at, label in enumerate(("cat", "dog"))
        for n, split in ((at * 10, "train"), (at * 10 + 1, "test"))
    ]
    for photo in photos:
        photo["image"] = {**photo["image"], "bytes": noise(photo["phash"] + 500)}
    export(album.store, album.curated(photos), "folder", tmp_path / "out", SILENT)
    assert take("out").splits == {"test": 2, "train": 2}
    rows = {row["image_url"].partition("#sha256=")[0]: row for row in run()[2]}
    for photo in photos:
        row = rows[photo["image_url"]]
        for name in ("label", "creator", "licence", "page_url", "split"):
            assert row[name] == photo[name]


def test_two_files_that_came_from_one_url_are_two_images(take, run, album, tmp_path):
    for label, count in (("cat", 4), ("dog", 3)):
        (tmp_path / "in" / label).mkdir(parents=True)
        for n in range(count):
            data = noise(ord(label[0]) * 10 + n)
            (tmp_path / "in" / label / f"{n}.jpg").write_bytes(data)
    lines = [f"cat/{n}.jpg,https://a.org/{n // 2}.jpg" for n in range(4)]
    (tmp_path / "in" / "metadata.csv").write_text("\n".join(["file_name,image_url", *lines]))
    assert take("in").images.kept == 7
    assert take("in").images.known == 7
    found = [row for row in run()[2] if row["source"] == "import"]
    urls = [row["image_url"] for row in found if row["label"] == "cat"]
    assert len(set(urls)) == 4
    assert {url.partition("#")[0] for url in urls} == {"https://a.org/0.jpg", "https://a.org/1.jpg"}


@pytest.mark.parametrize(
    ("lines", "where", "what"),
    [
        ("a,b\n1,2\n", "line 1", "the header is a,b"),
        ("image,x1,y1\na.jpg,1,2\n", "line 1", "the header is image,x1,y1"),
        ("image,label\nnone.jpg,cat\n", "line 2", "there is no file"),
        ("image,label\na.jpg,bird\n", "line 2", "'bird' is not a label of the project"),
        ("image,label\na.jpg\n", "line 2", "not as many fields as the header has"),
        ("image,label\na.jpg,cat\na.jpg,dog\n", "line 3", "a.jpg is cat in a line above, and dog"),
        ("image,label,split\na.jpg,cat,exam\n", "line 2", "no split is called 'exam'"),
        (
            "image,label,split\nhttps://a.org/a,cat,test\n",
            "line 2",
            "a split can be kept for files",
        ),
        ("image,x1,y1,x2,y2,label\na.jpg,9,1,2,3,cat\n", "line 2", "not a box: 9,1,2,3"),
        ("image,x1,y1,x2,y2,label\na.jpg,one,1,2,3,cat\n", "line 2", "not four numbers: one,1,2,3"),
    ],
)
def test_what_is_wrong_in_a_list_is_said_and_nothing_is_taken_in(
    take, put, project, tmp_path, lines, where, what
):
    put(a=1)
    (tmp_path / "list.csv").write_text(lines)
    with pytest.raises(CorallineError, match=what) as error:
        take("list.csv")
    assert error.value.where == f"{tmp_path / 'list.csv'}, {where}"
    assert list(load_project(project).open_store().list("")) == []


LAYOUTS = {
    "mine__bird__a": "'bird' is not a label of the project",
    "mine__cat": "pictures lie beside the labels' folders: 1, such as cat.jpg",
    "mine__train__a": "pictures lie beside the labels' folders: 1, such as a.jpg",
    "mine__other__cat__a": "'train' is a split, and beside it is 'other', which is none",
    "mine__cat__a": "'train' is a split, and beside it is 'cat', which is none",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_that_is_laid_out_otherwise_is_an_error(take, put, project, layout):
    if not layout.startswith("mine__bird"):
        put(mine__train__cat__b=2)
    put(**{layout: 1})
    with pytest.raises(CorallineError, match=LAYOUTS[layout]):
        take("mine")
    assert list(load_project(project).open_store().list("")) == []


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("name,creator\ncat/a.jpg,Ann\n", ", line 1", "the header is name,creator"),
        ("", ", line 1", "the header is empty"),
        ("file_name,creator\na.jpg,Ann\n", "", "no line names a file that is there; the first"),
        ("file_name,creator\ncat/a.jpg\n", ", line 2", "not as many fields"),
        ("file_name,creator\ncat/a.jpg,A,B\n", ", line 2", "not as many fields"),
    ],
)
def test_metadata_that_tells_of_no_picture_is_an_error(take, put, tmp_path, text, where, what):
    put(mine__cat__a=1)
    (tmp_path / "mine/metadata.csv").write_text(text)
    with pytest.raises(CorallineError, match=what) as error:
        take("mine")
    assert error.value.where == f"{tmp_path}/mine/metadata.csv{where}"


def test_metadata_beside_the_splits_counts_as_that_beside_the_labels(take, run, put, tmp_path):
    put(mine__train__cat__a=1, mine__test__cat__b=2, mine__train__dog__c=3)
    (tmp_path / "mine/metadata.csv").write_text("file_name,creator\ntrain/cat/a.jpg,Ann\n")
    (tmp_path / "mine/test/metadata.csv").write_text("file_name,creator\ncat/b.jpg,Bob\n")
    take("mine")
    found = {Path(row["image_url"]).stem: row["creator"] for row in run()[2]}
    assert (found["a"], found["b"], found["c"]) == ("Ann", "Bob", None)


def test_links_are_followed_but_for_those_that_lead_nowhere_or_back(take, put, tmp_path):
    put(mine__cat__a=1, elsewhere__b=2, elsewhere__c=3, single=4)
    cats = tmp_path / "mine/cat"
    (cats / "group").symlink_to(tmp_path / "elsewhere")
    (cats / "d.jpg").symlink_to(tmp_path / "single.jpg")
    (tmp_path / "mine/dog").symlink_to(cats / "group")
    done = take("mine")
    assert (done.images.kept, done.images.rejected) == (6, {})
    link = cats / "e.jpg"
    for place, said in (("nowhere", "nowhere"), (tmp_path / "mine", "to a folder that it is in")):
        link.symlink_to(place)
        with pytest.raises(CorallineError, match=f"the link leads {said}") as error:
            take("mine")
        assert error.value.where == str(link)
        link.unlink()


@pytest.mark.parametrize(
    ("project_", "source", "said"),
    [
        ("p.yaml", "a.jpg", "a.jpg: it is one picture, and nothing says what it shows"),
        ("p.yaml", "nowhere", "nowhere: there is no such folder or file"),
        ("p.yaml", "a.zip", "a.zip: not CSV in UTF-8"),
        (".", "mine", ".: this is a store or a folder, and the project's labels are needed"),
        ("s3://b/p", "mine", "s3:/b/p: this is a store or a folder"),
    ],
)
def test_what_cannot_be_imported_is_one_line(
    put, project, tmp_path, finish, project_, source, said
):
    put(a=1)
    (tmp_path / "a.zip").write_bytes(b"PK\3\4\xff\xfe")
    code, _, errors = finish("import", project_, source)
    assert code == 2
    assert errors[-1].startswith(said)
    assert len(errors) <= 2  # the first says that it has begun


def test_what_an_interrupted_import_took_in_is_kept(put, project, tmp_path, coralline, finish):
    put(**{f"photos__{n}": n for n in range(30)})
    lines = [f"photos/{n}.jpg,{('cat', 'dog')[n % 2]}" for n in range(30)]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/31.jpg"
        (tmp_path / "list.csv").write_text("\n".join(["image,label", *lines, f"{url},cat"]))
        private = "crawl: {allow_private_addresses: true, sources"
        project.write_text(project.read_text().replace("crawl: {sources", private))
        process = coralline("import", "p.yaml", "list.csv")
        with silent.accept()[0]:
            said = [process.stderr.readline() for _ in range(2)]
            process.send_signal(signal.SIGINT)
            rest = process.communicate(timeout=60)[1].splitlines()
    assert process.returncode == 130
    assert "images" in said[1]
    assert rest == ["interrupted; run it again to go on"]
    (tmp_path / "list.csv").write_text("\n".join(["image,label", *lines]))
    code, printed, _ = finish("import", "p.yaml", "list.csv", "--json")
    images = json.loads(printed)["images"]
    assert code == 0
    assert images["known"] > 0
    assert images["kept"] + images["known"] == 30


def test_what_is_no_picture_is_counted_and_the_rest_taken_in(take, put, tmp_path, finish):
    put(mine__cat__a=1)
    (tmp_path / "mine/cat/b.jpg").write_bytes(b"no picture")
    (tmp_path / "others/cat").mkdir(parents=True)
    code, printed, _ = finish("import", "p.yaml", "mine", "--json")
    assert code == 0
    assert json.loads(printed)["images"]["rejected"] == {"not-an-image": 1}
    code, printed, _ = finish("import", "p.yaml", "mine", "--json")
    assert json.loads(printed)["images"]["rejected"] == {"not-an-image": 1}
    (tmp_path / "mine/cat/b.jpg").rename(tmp_path / "others/cat/c.jpg")
    code, _, errors = finish("import", "p.yaml", "others")
    assert code == 2
    assert "others: no image was taken in (1 not-an-image)" in errors[-1]
