"""Versions in the store and the champion, through kills and races."""

import json
import shutil
import subprocess
import threading

import pytest
from coralline_core.errors import CorallineError
from coralline_core.store import FileStore
from coralline_publisher.champion import Champion
from coralline_publisher.step import execute


def champion_of(store):
    return Champion.load(store)[0]


def objects(store, prefix="models/"):
    return {key: store.get(key).data for key in store.list(prefix)}


def test_a_first_model_is_published_whole(make, store):
    made = make()
    report = made.publish()
    assert report.published
    champion = champion_of(store)
    assert (champion.version, champion.previous, champion.n) == (report.version, None, 40)
    stored = objects(store)
    folder = made.published / "model"
    files = [path for path in folder.rglob("*") if path.is_file()]
    keys = {f"models/{report.version}/{path.relative_to(folder)}": path for path in files}
    assert stored == {key: path.read_bytes() for key, path in keys.items()}
    assert not any("tensorboard" in key or "gradcam" in key for key in stored)


def test_sha256sum_finds_every_file_right_and_a_changed_one_wrong(make):
    made = make()
    (made.folder / "model" / "saved_model" / "variables").mkdir(parents=True)
    (made.folder / "model" / "saved_model" / "variables" / "data").write_bytes(b"v")
    made.publish()
    folder = made.published / "model"
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    checked = subprocess.run(check, cwd=folder, capture_output=True, text=True, check=True)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert checked.stdout.count(": OK") == len(files) - 1
    (folder / "model.keras").write_bytes(b"other")
    assert subprocess.run(check, cwd=folder, capture_output=True, check=False).returncode == 1


def test_publishing_the_same_model_again_changes_nothing(make, store):
    first = make("first").publish()
    before = objects(store, "")
    again = make("again").publish()
    assert again.published
    assert again.version == first.version
    assert objects(store, "") == before


def test_the_same_training_again_makes_no_second_version(make, store):
    first = make("first").publish()
    before = objects(store, "")
    made = make("again")
    (made.folder / "model" / "model.keras").write_bytes(b"the same weights, saved a day later")
    again = made.publish()
    assert again.published
    assert again.version == first.version
    assert "this very model" in again.decision
    assert objects(store, "") == before


def test_another_compilation_of_the_same_model_is_a_version(make, store):
    first = make("first").publish()
    made = make("again")
    (made.folder / "compiled" / "model_int8_edgetpu.tflite").write_bytes(b"another target")
    assert made.publish().version != first.version
    assert champion_of(store).previous == first.version


def test_a_run_that_breaks_leaves_what_was_published_before(make):
    made = make()
    made.publish()
    before = (made.published / "report.html").read_bytes()
    (made.folder / "converted" / "model_int8.tflite").unlink()
    with pytest.raises(CorallineError):
        made.publish()
    assert (made.published / "report.html").read_bytes() == before


def test_a_model_that_is_kept_back_stays_out_of_the_store(make, store):
    first = make("good").publish()
    before = objects(store, "models/")
    made = make("bad", wrong=range(6), weights=b"new")
    report = made.publish()
    assert not report.published
    assert report.version is None
    assert report.champion == first.version == champion_of(store).version
    assert objects(store, "models/") == before
    assert (made.published / "model" / "SHA256SUMS").is_file()


def test_a_better_model_takes_the_place(make, store):
    first = make("first", wrong=range(6)).publish()
    second = make("second", wrong=range(2), weights=b"new").publish()
    assert second.published
    assert second.champion == first.version
    assert (second.comparison.gained, second.comparison.lost) == (4, 0)
    assert champion_of(store).previous == first.version
    assert f"models/{first.version}/SHA256SUMS" in objects(store)


class Killed(BaseException):
    pass


class DyingStore(FileStore):
    """Dies at its nth write, before or after the object is there."""

    def __init__(self, root, writes, after):
        super().__init__(root)
        self.writes, self.after = writes, after

    def put(self, key, data):
        self._count(lambda: FileStore.put(self, key, data))

    def put_if(self, key, data, etag):
        return self._count(lambda: FileStore.put_if(self, key, data, etag))

    def _count(self, write):
        self.writes -= 1
        if self.writes < 0 and not self.after:
            raise Killed
        result = write()
        if self.writes < 0:
            raise Killed
        return result


@pytest.mark.parametrize("after", [False, True])
def test_wherever_it_is_killed_the_champion_is_complete(make, store, after):
    old = make("old", wrong=range(4)).publish()
    made = make("new", weights=b"new")
    deaths = 0
    while True:
        try:
            report = made.publish(DyingStore(store.root, deaths % 20, after))
            break
        except Killed:
            deaths += 1
        version = champion_of(store).version
        stored = objects(store, f"models/{version}/")
        names = stored[f"models/{version}/SHA256SUMS"].decode().split()[1::2]
        assert {f"models/{version}/{name}" for name in names} < stored.keys()
    assert deaths > 5
    assert report.published
    assert champion_of(store).version == report.version != old.version
    assert len({key.split("/")[1] for key in objects(store)}) == 2


class RacedStore(FileStore):
    """Lets a rival publish, in a thread of its own, just before the first compare-and-swap."""

    def __init__(self, root, rival):
        super().__init__(root)
        self.rival = threading.Thread(target=rival)

    def put_if(self, key, data, etag):
        if self.rival.ident is None:
            self.rival.start()
            self.rival.join()
        return super().put_if(key, data, etag)


@pytest.mark.parametrize(("rival_wrong", "published"), [((), False), (range(4), True)])
@pytest.mark.parametrize("champion", [False, True])
def test_a_lost_race_is_decided_again(make, store, champion, rival_wrong, published):
    old = make("old", wrong=range(6), weights=b"old").publish().version if champion else None
    rival = make("rival", wrong=rival_wrong, weights=b"rival")
    report = make("late", wrong=range(2)).publish(RacedStore(store.root, rival.publish))
    won = json.loads((rival.published / "summary.json").read_text())["version"]
    assert report.champion == won
    assert report.published is published
    assert champion_of(store).version == (report.version if published else won)
    assert champion_of(store).previous == (won if published else old)


def test_other_runs_that_never_stop_are_an_error(make, store):
    class Busy(FileStore):
        """Another run publishes just before every compare-and-swap."""

        def put_if(self, key, data, etag):
            rival = Champion.model_validate_json(data).model_copy(
                update={"version": f"after {etag}", "labels": ("other", "labels")}
            )
            self.put(key, rival.model_dump_json().encode())
            return super().put_if(key, data, etag)

    with pytest.raises(CorallineError, match="replaced the champion 10 times"):
        make().publish(Busy(store.root))


def test_a_failed_gate_of_another_step_keeps_the_model_back(make, store):
    made = make()
    failed = {"key": "compile.targets", "passed": False, "message": "3 ops on the CPU"}
    made.change("compile", gates=[failed])
    report = made.publish()
    assert not report.published
    assert "compile.targets: 3 ops on the CPU" in report.decision
    assert champion_of(store) is None
    assert [gate.key for gate in report.gates if not gate.passed] == ["compile.targets"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b'{"version": 3}', "champion.json: not a champion: version: "),
        (b"", "champion.json: not a champion: Invalid JSON"),
    ],
)
def test_a_broken_champion_file_keeps_the_model_back_and_in_the_run(make, store, content, what):
    store.put("champion.json", content)
    made = make()
    report = made.publish()
    (failed,) = (gate for gate in report.gates if not gate.passed)
    assert failed.key == "store"
    assert what in failed.message
    assert failed.message.endswith("delete it to begin with a first model")
    assert failed.message in report.decision
    assert (report.published, report.champion) == (False, None)
    assert objects(store, "models/") == {}
    assert store.get("champion.json").data == content
    names = {path.name for path in made.published.iterdir()}
    assert names == {"model", "summary.json", "report.html"}


@pytest.mark.parametrize("wrong", [(), (1,)])
def test_another_projects_champion_is_not_replaced(make, store, wrong):
    first = make("first").publish(name="caps")
    before = objects(store, "")
    made = make("second", wrong=wrong)
    report = made.publish()
    assert not report.published
    (failed,) = (gate for gate in report.gates if not gate.passed)
    assert failed.key == "store"
    assert "is of project caps, this is hats: give each project a store" in failed.message
    assert report.champion == first.version
    assert objects(store, "") == before
    summary = json.loads((made.published / "summary.json").read_text())
    assert summary["gates"][-1]["passed"] is False


def test_another_project_that_was_faster_is_not_replaced_either(make, store):
    rival = make("rival", weights=b"rival")
    report = make("late").publish(RacedStore(store.root, lambda: rival.publish(name="caps")))
    assert not report.published
    assert champion_of(store).name == "caps"


def test_a_broken_report_is_an_error_that_names_the_file(make):
    made = make()
    made.change("convert", agreement="much")
    with pytest.raises(CorallineError, match=r"convert\.json: agreement: "):
        made.publish()


def test_a_champion_without_its_predictions_is_an_error(make, store):
    version = make("old").publish().version
    (store.root / "models" / version / "predictions_int8.parquet").unlink()
    with pytest.raises(CorallineError, match=f"{version}/predictions_int8.parquet is missing"):
        make("new", weights=b"new").publish()


def test_a_champion_whose_predictions_cannot_be_read_is_an_error(make, store):
    version = make("old").publish().version
    store.put(f"models/{version}/predictions_int8.parquet", b"PAR1 and no more")
    with pytest.raises(CorallineError, match=f"{version}/predictions_int8.parquet: the pred"):
        make("new", weights=b"new").publish()


def test_a_folder_without_a_model_is_an_error_that_names_it(make):
    made = make()
    (made.folder / "converted" / "model_int8.tflite").unlink()
    with pytest.raises(CorallineError, match=r"converted: model_int8\.tflite is missing"):
        made.publish()


def test_nothing_was_compiled(make):
    made = make()
    shutil.rmtree(made.folder / "compiled")
    made.change("compile", targets=[], gates=[])
    assert made.publish().published


def test_the_step_reads_and_writes_its_files(make, store):
    made = make()
    report = made.folder / "publish.json"
    execute(
        {"name": "hats", "min_accuracy": 0.99},
        store.uri,
        **made.paths,
        published=made.published,
        report=report,
    )
    assert json.loads(report.read_text())["published"] is True
    assert {path.name for path in made.published.iterdir()} == {
        "model",
        "report.html",
        "summary.json",
    }
