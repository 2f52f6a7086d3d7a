"""`coralline correct`: what a person says of images, as the command and as what it writes."""

import json
from datetime import UTC, datetime

import pytest
from coralline.correct import correct
from coralline.project import load_project
from coralline.statements import take_back
from coralline_core.corrections import FOLDER, Correction, CropOf, corrected, record
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


@pytest.fixture
def said(project, photos, finish):
    """Two statements, as their ids."""
    ids = []
    for photo, options in ((photos[0], ["--label", "a"]), (photos[1], ["--none", "--why", "no"])):
        digits = photo["sha256"]
        code, printed, _ = finish("correct", project, digits, "--who", "Ada", "--json", *options)
        assert code == 0
        ids.append(json.loads(printed)["key"].rpartition("-")[2].partition(".")[0])
    return ids


def test_what_was_said_is_listed_the_newest_last(project, photos, said, finish):
    code, printed, errors = finish("correct", project, "--list")
    assert (code, errors) == (0, [])
    first, second = printed.splitlines()
    assert first.startswith(f"{said[0]}  20")
    assert first.endswith(f"  Ada  a: {photos[0]['sha256'][:12]}")
    assert second.endswith(f"  Ada  none of the labels: {photos[1]['sha256'][:12]}  (no)")
    listed = json.loads(finish("correct", project, "--list", "--json")[1])["statements"]
    assert [one["id"] for one in listed] == said
    assert listed[0]["correction"]["images"] == [photos[0]["sha256"]]


def test_nothing_said_is_nothing_listed(project, finish):
    assert finish("correct", project, "--list") == (0, "nothing was said\n", [])


@pytest.mark.parametrize("named", ["id", "beginning", "name", "key"])
def test_what_is_taken_back_counts_no_more(project, album, photos, said, finish, named):
    key = list(album.store.list(FOLDER))[1]
    name = key.removeprefix(FOLDER).removesuffix(".json")
    which = {"id": said[1], "beginning": said[1][:6], "name": name, "key": key}[named]
    code, printed, errors = finish("correct", project, "--take-back", which, "--who", "Bob")
    assert (code, errors) == (0, [])
    assert "taken back: the next run's dataset has it as before" in printed
    assert corrected(album.store) == {photos[0]["sha256"]: "a"}
    assert said[1] not in finish("correct", project, "--list")[1]
    code, _, (error,) = finish("correct", project, "--take-back", which)
    assert code == 2
    assert f"nothing that was said and counts begins with '{which}'. See what there is" in error


@pytest.mark.parametrize(
    ("which", "says"),
    [
        ("", "nothing that was said and counts begins with ''"),
        ("zz", "nothing that was said and counts begins with 'zz'"),
        ("20", "2 statements begin with 20: 20"),
        ("corrections/2", "2 statements begin with corrections/2: 20"),
    ],
)
def test_what_is_not_one_statement_is_not_taken_back(project, album, said, which, says):
    with pytest.raises(CorallineError, match=says):
        take_back(album.store, which, None, None)
    assert len(list(album.store.list(FOLDER))) == 2


def test_crops_that_were_labelled_by_themselves_are_told(project, album, photos):
    """One of two was labelled twice, with another margin."""
    first, second = photos[0]["sha256"], photos[1]["sha256"]
    for box in ((10, 10, 20, 20), (9, 9, 22, 22), (60, 60, 20, 20)):
        of = CropOf(photo=first, box=box)
        record(album.store, Correction(images=(), crops=(of,), label="b", at=datetime.now(UTC)))
    done = correct(load_project(project), [first, second], "a")
    assert done.stay == {first: 2}
    assert f"2 crops of {first[:12]} were labelled by themselves and stay as they are" in str(done)
    assert correct(load_project(project), [first], None).stay == {}  # then nothing is cut of it


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


@pytest.mark.parametrize(
    "options",
    [[], ["--label", "a"], ["--list", "--take-back", "x"], ["abcdef01", "--label", "a", "--list"]],
)
def test_one_thing_is_done_at_a_time(project, finish, options):
    code, _, errors = finish("correct", project, *options)
    assert code == 2
    assert "images, --list or --take-back" in "\n".join(errors)


def test_the_help_has_an_example(finish):
    code, printed, _ = finish("correct", "--help")
    assert code == 0
    assert "Example: coralline correct glasses.yaml" in printed
