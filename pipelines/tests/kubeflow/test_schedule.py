"""A project's schedule: replaced, paused, resumed and deleted, and never there twice."""

import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest
from coralline.cluster.kubeflow.schedules import (
    delete,
    find_schedules,
    pause,
    resume,
    schedule,
    trigger_of,
)
from coralline.cluster.kubeflow.submit import submit
from coralline.project import load_project
from coralline_core.errors import CorallineError
from kubeflow_stub import LOST

NIGHTLY = trigger_of("0 0 3 * * *", None)
AWAY = (datetime.now(UTC).hour + 12) % 24  # an hour that is not now, whenever that is
FAR = trigger_of(f"0 0 {AWAY} * * *", None)
OFTEN = trigger_of(None, "12h")


def test_a_schedule_runs_the_project_as_it_is_now(stub, client, project):
    made = schedule(client, project, NIGHTLY)
    (one,) = stub.recurring.values()
    (version,) = stub.versions.values()
    assert (
        one
        | {
            "display_name": "coralline-glasses",
            "mode": "ENABLE",
            "no_catchup": True,
            "max_concurrency": "1",
            "service_account": "coralline",
            "trigger": {"cron_schedule": {"cron": "0 0 3 * * *"}},
            "runtime_config": {"parameters": {}, "pipeline_root": "s3://coralline/runs"},
            "pipeline_version_reference": {
                "pipeline_id": version["pipeline_id"],
                "pipeline_version_id": version["pipeline_version_id"],
            },
        }
        == one
    )
    assert (made.enabled, made.words) == (True, "At 03:00 every day")
    assert made.version == version["pipeline_version_id"]
    now = datetime.now(UTC)
    assert [(time.hour, time.minute, time.second) for time in made.next] == [(3, 0, 0)] * 3
    assert now < made.next[0] <= now + timedelta(days=1)


def test_another_takes_its_place_and_at_no_instant_are_there_two(stub, client, project):
    first = schedule(client, project, NIGHTLY)
    second = schedule(client, project, OFTEN)
    (one,) = stub.recurring.values()
    assert one["recurring_run_id"] == second.id != first.id
    assert (one["mode"], one["trigger"]) == (
        "ENABLE",
        {"periodic_schedule": {"interval_second": "43200"}},
    )
    assert stub.most_enabled == 1


def test_runs_that_a_schedule_has_started_outlive_it(stub, client, project):
    """Kubernetes would else delete them with what owns them."""
    schedule(client, project, NIGHTLY)
    schedule(client, project, OFTEN)
    delete(client, project)
    assert [policy for _, policy in stub.deleted] == ["ORPHAN", "ORPHAN"]


def test_the_same_again_changes_nothing(stub, client, project):
    first = schedule(client, project, NIGHTLY)
    again = schedule(client, project, NIGHTLY)
    assert (again.id, stub.deleted) == (first.id, [])


def test_the_same_on_a_server_that_puts_its_own_account(stub, client, glasses):
    project = load_project(glasses(replaced={"  service_account: coralline\n": ""}), reach=False)
    first = schedule(client, project, NIGHTLY)
    assert stub.recurring[first.id]["service_account"] == "pipeline-runner"
    assert schedule(client, project, NIGHTLY).id == first.id


def test_an_account_that_is_no_longer_wanted_is_given_up(stub, client, project, glasses):
    first = schedule(client, project, NIGHTLY)
    without = load_project(glasses(replaced={"  service_account: coralline\n": ""}), reach=False)
    second = schedule(client, without, NIGHTLY)
    assert list(stub.recurring) == [second.id] != [first.id]
    assert stub.recurring[second.id]["service_account"] == "pipeline-runner"


def test_a_changed_project_is_scheduled_anew(stub, client, project, glasses):
    first = schedule(client, project, NIGHTLY)
    changed = load_project(glasses(replaced={"8Gi": "9Gi"}), reach=False)
    second = schedule(client, changed, NIGHTLY)
    assert first.version != second.version
    assert list(stub.recurring) == [second.id]


def test_a_paused_schedule_goes_on_when_it_is_set_again(stub, client, project):
    first = schedule(client, project, NIGHTLY)
    assert pause(client, project).enabled is False
    assert pause(client, project).next == ()
    assert schedule(client, project, NIGHTLY).id == first.id
    assert stub.recurring[first.id]["mode"] == "ENABLE"


def test_whoever_dies_in_between_leaves_one_or_none_and_the_next_call_mends_it(
    stub, client, project
):
    """Dies at each of its requests in turn, before it and after it."""
    for at, done in itertools.product(range(40), (False, True)):
        stub.recurring.clear()
        stub.fault = lambda *_: None
        schedule(client, project, NIGHTLY)
        stub.most_enabled, count = 0, itertools.count()

        def die(method, path, at=at, done=done, count=count):
            number = next(count)
            if number < at:
                return None
            if number == at and done:
                return LOST
            raise ConnectionAbortedError

        stub.fault = die
        died = True
        try:
            schedule(client, project, OFTEN)
            died = False
        except CorallineError:
            pass
        stub.fault = lambda *_: None
        enabled = [one for one in stub.recurring.values() if one["mode"] == "ENABLE"]
        assert len(enabled) <= 1
        mended = schedule(client, project, OFTEN)
        assert list(stub.recurring) == [mended.id]
        assert stub.recurring[mended.id]["mode"] == "ENABLE"
        assert stub.most_enabled == 1
        if not died:
            assert at > 5
            return
    pytest.fail("it never came to its end")


@pytest.mark.parametrize("fault", [503, LOST])
@pytest.mark.parametrize("at", ["recurringruns", ":enable"])
def test_an_answer_that_is_lost_makes_no_second_schedule(stub, client, project, fault, at):
    left = [fault]

    def once(method, path):
        return left.pop() if method == "POST" and path.endswith(at) and left else None

    stub.fault = once
    made = schedule(client, project, NIGHTLY)
    assert list(stub.recurring) == [made.id]
    assert left == []
    assert stub.most_enabled == 1


def test_a_delete_whose_answer_is_lost_is_done(stub, client, project):
    schedule(client, project, NIGHTLY)
    left = [LOST]
    stub.fault = lambda method, _: left.pop() if method == "DELETE" and left else None
    delete(client, project)
    assert (stub.recurring, left) == ({}, [])


def test_two_people_at_once_are_told(stub, client, project, glasses):
    other = load_project(glasses(replaced={"8Gi": "9Gi"}), reach=False)
    schedule(client, other, OFTEN)
    (theirs,) = stub.recurring.values()
    stub.recurring.clear()

    def meanwhile(method, path):
        if path.endswith(":enable"):
            stub.recurring[theirs["recurring_run_id"]] = theirs

    stub.fault = meanwhile
    with pytest.raises(CorallineError, match="somebody else has scheduled the project"):
        schedule(client, project, NIGHTLY)


def test_another_project_s_schedule_is_left_alone(stub, client, project, glasses):
    other = load_project(glasses(replaced={"name: glasses": "name: helmets"}), reach=False)
    helmets = schedule(client, other, NIGHTLY)
    schedule(client, project, OFTEN)
    delete(client, project)
    assert list(stub.recurring) == [helmets.id]


def test_pause_resume_list_and_delete(stub, client, project):
    assert find_schedules(client, project) == []
    made = schedule(client, project, NIGHTLY)
    assert pause(client, project).id == made.id
    (listed,) = find_schedules(client, project)
    assert (listed.enabled, listed.next) == (False, ())
    assert resume(client, project).enabled is True
    (listed,) = find_schedules(client, project)
    assert listed.enabled
    assert delete(client, project).id == made.id
    assert find_schedules(client, project) == []


@pytest.mark.parametrize("verb", [pause, resume, delete])
def test_what_is_not_there_cannot_be_changed(stub, client, project, verb):
    with pytest.raises(CorallineError, match="the project has no schedule"):
        verb(client, project)
    submit(client, project)  # then there is the experiment, and still no schedule
    with pytest.raises(CorallineError, match="the project has no schedule"):
        verb(client, project)


def test_one_that_somebody_has_set_with_five_fields_is_listed_as_it_is(stub, client, project):
    made = schedule(client, project, NIGHTLY)
    stub.recurring[made.id]["trigger"] = {"cron_schedule": {"cron": "0 3 * * *"}}
    (listed,) = find_schedules(client, project)
    assert listed.words == '"0 3 * * *", which somebody else has set'


def test_every_12_hours_says_when(stub, client, project):
    made = schedule(client, project, OFTEN)
    assert made.words == "Every 12 h"
    gaps = {later - sooner for sooner, later in itertools.pairwise(made.next)}
    assert gaps == {timedelta(hours=12)}
    assert made.next[0] > datetime.now(UTC)


def test_every_12_hours_is_counted_from_its_last_run_as_a_pause_moves_them(stub, client, project):
    made = schedule(client, project, OFTEN)
    submit(client, project)  # by hand: it moves nothing
    of_hand = submit(client, project).run_id
    of_it = [submit(client, project).run_id for _ in range(2)]
    now = datetime.now(UTC).replace(microsecond=0)
    sooner, later = now - timedelta(hours=19), now - timedelta(hours=5)
    for run, at in ((of_hand, now), (of_it[0], sooner), (of_it[1], later)):
        stub.runs[run]["scheduled_at"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    for run in of_it:
        stub.runs[run]["recurring_run_id"] = made.id
    (listed,) = find_schedules(client, project)
    assert listed.next == tuple(later + timedelta(hours=12 * n) for n in (1, 2, 3))


@pytest.mark.parametrize(
    ("trigger", "paused", "due", "upcoming"),
    [
        (OFTEN, timedelta(hours=11), False, timedelta(hours=1)),
        (OFTEN, timedelta(hours=13), True, timedelta(hours=11)),  # counted from the missed time
        (OFTEN, timedelta(hours=30), True, timedelta(hours=12)),  # from now, as the run is
        (FAR, timedelta(seconds=1), False, None),
        (FAR, timedelta(days=3), True, None),
    ],
)
def test_a_time_that_was_missed_is_made_up_for_at_once_and_resume_says_so(
    stub, client, project, coralline_command, glasses, trigger, paused, due, upcoming
):
    now = datetime.now(UTC)
    made = schedule(client, project, trigger)
    pause(client, project)
    stub.recurring[made.id]["created_at"] = (now - paused).strftime("%Y-%m-%dT%H:%M:%SZ")
    (listed,) = find_schedules(client, project)
    assert listed.due is False  # while it is paused nothing starts
    resumed = resume(client, project)
    assert (resumed.due, len(resumed.next)) == (due, 3)
    if upcoming:
        assert abs(resumed.next[0] - now - upcoming) < timedelta(minutes=1)
    _, out, _ = coralline_command("schedule", "resume", glasses())
    assert ("; next: one at once, for a time that was missed, then " in out) is due


def test_the_command_reads_it_back(stub, coralline_command, glasses):
    path = glasses()
    code, out, error = coralline_command("schedule", path, "--cron", "0 0 3 * * *")
    assert (code, error) == (0, "")
    assert out.startswith("coralline-glasses: At 03:00 every day (UTC); next: ")
    assert out.count("03:00:00") == 3
    code, out, _ = coralline_command("schedule", "--every", "90m", path, "--json")
    (said,) = json.loads(out)
    assert (code, said["words"], said["trigger"]) == (0, "Every 90 m", "5400")
    code, out, _ = coralline_command("schedule", "list", path)
    assert out.startswith("coralline-glasses: Every 90 m (UTC); next: ")
    assert coralline_command("schedule", "pause", path)[1].endswith("; paused\n")
    assert "next:" in coralline_command("schedule", "resume", path)[1]
    assert coralline_command("schedule", "delete", path)[1] == "deleted coralline-glasses\n"
    assert coralline_command("schedule", "list", path)[1] == "no schedule\n"
    assert coralline_command("schedule", "list", path, "--json")[1] == "[]\n"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--cron", "0 3 * * *"], 'Put the second first: "0 0 3 * * *", at 03:00 every day.'),
        (["--cron", "banana"], "cron has six fields here"),
        (
            ["--every", "often"],
            "--every often: no span of time. Such as 90m, 12h or 1d; 30d at most.",
        ),
        (["--every", "31d"], "--every 31d: no span of time. Such as 90m, 12h or 1d; 30d at most."),
        ([], "either --cron or --every is needed"),
        (["--cron", "0 0 3 * * *", "--every", "1h"], "either --cron or --every is needed"),
    ],
)
def test_what_is_no_schedule_is_refused_before_anything_is_asked(
    stub, coralline_command, glasses, options, says
):
    code, out, error = coralline_command("schedule", glasses(), *options)
    assert (code, out) == (2, "")
    assert says in error
    assert stub.asked == []


def test_a_schedule_for_a_folder_is_refused(stub, coralline_command, glasses):
    path = glasses(replaced={"uri: s3://coralline/glasses": "uri: ./store", "  endpoint: ": "  #"})
    code, _, error = coralline_command("schedule", path, "--every", "1d")
    assert code == 2
    assert "the store is a folder of this machine, which pods cannot reach" in error
    assert stub.recurring == {}
