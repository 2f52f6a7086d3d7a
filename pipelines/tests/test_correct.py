"""`coralline correct`: what a person says of images, as the command and as what it writes."""

import json

import pytest
from coralline.correct import correct
from coralline.project import load_project
from coralline_core.corrections import FOLDER, corrected
from coralline_core.errors import CorallineError


@pytest.fixture
def photos(album):
    return [album.photo(n, "a" if n % 2 else "b") for n in range(12)]


@pytest.fixture
def images(album, photos):
    return album.images(photos)


@pytest.fixture
def project(project_file, images):
    return project_file()


def test_a_correction_is_written_down_under_the_whole_sha256(project, album, photos, finish):
    first, second = photos[0]["sha256"], photos[1]["sha256"]
    code, printed, errors = finish(
        "correct", project, first[:8], "--label", "a", "--why", "seen", "--who", "me", "--json"
    )
    assert (code, errors) == (0, [])
    said = json.loads(printed)
    assert list(album.store.list(FOLDER)) == [said["key"]]
    assert said["correction"]["images"] == [first]
    assert (said["correction"]["why"], said["correction"]["who"]) == ("seen", "me")

    code, printed, _ = finish("correct", project, second.upper(), "--none")
    assert code == 0
    assert f"{second[:12]}  none of the labels" in printed
    assert corrected(album.store) == {first: "a", second: None}


@pytest.mark.parametrize(
    ("digits", "label", "said"),
    [
        ("00000000", "a", "no image or crop of the newest datasets begins with 00000000"),
        ("abc", "a", "not a sha256"),
        ("no-digits", "a", "not a sha256"),
        (None, "c", r"the project has no label 'c'\. Its labels are a, b"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(project, album, photos, digits, label, said):
    images = [photos[0]["sha256"], digits or photos[1]["sha256"]]
    with pytest.raises(CorallineError, match=said):
        correct(load_project(project), images, label)
    assert list(album.store.list(FOLDER)) == []


def test_an_abbreviation_of_several_images_is_refused_and_they_are_named(project_file, album):
    alike = [album.photo(n) | {"sha256": f"abcdef01{n:056x}"} for n in range(2)]
    album.images(alike)
    with pytest.raises(
        CorallineError, match=r"2 images or crops begin with abcdef01: abcdef010*, abcdef010*1\."
    ):
        correct(load_project(project_file()), ["abcdef01"], "a")
    done = correct(load_project(project_file()), [alike[1]["sha256"]] * 2, "a")
    assert done.correction.images == (alike[1]["sha256"],)


def test_a_crop_is_corrected_by_itself_in_the_next_dataset(
    project_file, album, photos, finish, tmp_path
):
    for photo in photos:
        photo["split"] = ("train", "validation", "test")[photo["phash"] // 2 % 3]
    album.images(photos)
    curated = album.curated(photos)
    file = tmp_path / "boxes.csv"
    lines = [f"{p['sha256']},{x},10,{x + 20},30" for p in photos for x in (5, 40)]
    file.write_text("\n".join(["image,x1,y1,x2,y2", *lines]))
    settings = {"mode": "boxes", "boxes": file, "margin": 0, "min_size": 1}
    before = list(album.crops(curated, **settings).iter_rows(album.store))
    one, other = (row for row in before if row["source_sha256"] == photos[0]["sha256"])
    project = project_file()
    code, printed, errors = finish("correct", project, one["sha256"][:9], "--label", "a", "--json")
    assert (code, errors) == (0, [])
    assert json.loads(printed)["correction"]["crops"] == [
        {"photo": photos[0]["sha256"], "box": one["box"]}
    ]
    labels = {
        row["sha256"]: row["label"]
        for row in album.crops(curated, **settings).iter_rows(album.store)
    }
    expected = {row["sha256"]: row["label"] for row in before} | {one["sha256"]: "a"}
    assert labels == expected
    assert labels[other["sha256"]] == "b"
    code, printed, _ = finish("correct", project, one["sha256"], "--none")
    assert f"{photos[0]['sha256'][:12]}, crop at 5,10  none of the labels" in printed
    left = {row["sha256"] for row in album.crops(curated, **settings).iter_rows(album.store)}
    assert left == expected.keys() - {one["sha256"]}
    assert corrected(album.store) == {}


def test_a_damaged_manifest_is_named_and_no_older_dataset_is_meant(project, album, images):
    album.store.put(f"datasets/{images.id}.json", b"{")
    with pytest.raises(CorallineError, match=r"no manifest.*coralline verify --repair"):
        correct(load_project(project), ["abcdef01"], "a")


def test_a_store_without_images_is_said(project_file):
    with pytest.raises(CorallineError, match=r"there are no images yet\. Run the project first"):
        correct(load_project(project_file()), ["abcdef01"], "a")


@pytest.mark.parametrize("options", [[], ["--label", "a", "--none"]])
def test_one_of_label_and_none_is_needed(project, finish, options):
    code, _, errors = finish("correct", project, "abcdef01", *options)
    assert code == 2
    assert "either --label or --none" in "\n".join(errors)


def test_the_help_has_an_example(finish):
    code, printed, _ = finish("correct", "--help")
    assert code == 0
    assert "Example: coralline correct glasses.yaml" in printed
