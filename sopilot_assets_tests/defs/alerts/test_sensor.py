"""The sensor that watches, tick by tick, on a real instance with runs that really fail."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.definitions.sensor_definition import SensorType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.test_utils import create_run_for_test
from dagster._utils.error import SerializableErrorInfo

from sopilot_assets.capture.clearing import taken_note
from sopilot_assets.capture.scan import scan_capture
from sopilot_assets.capture.taken import write_taken
from sopilot_assets.defs.alerts.sensor import CAPTURE_SENSOR, alerts_sensor
from sopilot_assets.defs.resources import ClockResource, HomeResource
from sopilot_assets.errors import ConfigError, StoreError, StudyError
from sopilot_assets.processes.held_file import take
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.alerts import open_alerts
from sopilot_assets.upkeep.conditions.dagster_files import read_dagster
from sopilot_assets.upkeep.erasing.plan import ErasurePlan, save_plan
from sopilot_assets_tests.upkeep.alerts.receivers import WebhookReceiver, webhook_receiver

STARTING = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTING])
SECRETS = {"HOOK_URL": "", "HOOK_TOKEN": "t0ken-that-nobody-sees"}
SETTINGS = """
alerts:
  installation: line 1
  webhook: {url_env: HOOK_URL, token_env: HOOK_TOKEN}
disk: {warn_gib: 0, pause_gib: 0, resume_gib: 0}
"""


@dg.op
def breaks() -> None:
    """Fails as a step of ours does."""
    raise StoreError("disk: there is no space left. Free some.")


@dg.op
def misses_a_file() -> None:
    """Fails as a step of ours does for which the system's error is only the cause."""
    try:
        open("nowhere/spring.yaml").close()  # noqa: PTH123 - to fail
    except FileNotFoundError as error:
        raise StudyError("spring.yaml: there is no such study. Make it.") from error


@dg.op
def works() -> None:
    """Goes through."""


@dg.job(name="work")
def breaking_job() -> None:
    breaks()


@dg.job(name="study")
def study_job() -> None:
    misses_a_file()


@dg.job(name="work")
def working_job() -> None:
    works()


@dg.asset
def thing() -> None:
    """Something to check."""


@dg.asset_check(asset=thing, name="is_fine")
def is_fine() -> dg.AssetCheckResult:
    """Its evaluations are reported by the tests."""
    return dg.AssetCheckResult(passed=True)


CHECKED = dg.Definitions(assets=[thing], asset_checks=[is_fine])


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as one:
        yield one


@pytest.fixture
def hook(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebhookReceiver]:
    """A webhook that the home's settings name."""
    local_path(home.root).mkdir()
    (local_path(home.root) / "settings.yaml").write_text(SETTINGS, "utf-8")
    with webhook_receiver() as receiver:
        monkeypatch.setenv("HOOK_URL", receiver.url)
        monkeypatch.setenv("HOOK_TOKEN", SECRETS["HOOK_TOKEN"])
        yield receiver


def tick(
    home: Home,
    instance: dg.DagsterInstance,
    cursor: str | None = None,
    *,
    after_s: float = 0,
    definitions: dg.Definitions | None = None,
) -> dg.SensorResult:
    """One tick; runs of the tests were made just now."""
    now = datetime.now(UTC) + timedelta(seconds=after_s)
    context = dg.build_sensor_context(
        instance=instance,
        cursor=cursor,
        resources={
            "home": HomeResource(root=str(home.root)),
            "clock": ClockResource(fixed=now.isoformat()),
        },
        definitions=definitions,
    )
    result = alerts_sensor(context)
    assert isinstance(result, dg.SensorResult)
    return result


def run(job: dg.JobDefinition, instance: dg.DagsterInstance, **tags: str) -> dg.ExecuteInProcessResult:
    return job.execute_in_process(instance=instance, raise_on_error=False, tags=tags)


def check(instance: dg.DagsterInstance, *, passed: bool, severity: str = "ERROR") -> None:
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=thing.key,
            check_name="is_fine",
            passed=passed,
            metadata={},
            severity=dg.AssetCheckSeverity[severity],
            description="look at the thing",
        )
    )


def told(hook: WebhookReceiver) -> list[tuple[str, str]]:
    return [(body["event"], body["subject"]) for _, body in hook.posts]


def test_a_failed_run_is_told_at_once_with_the_error_and_its_end_too(
    home: Home, instance: dg.DagsterInstance, hook: WebhookReceiver
) -> None:
    failed = run(breaking_job, instance)
    cursor = tick(home, instance).cursor
    (_, body), *_ = hook.posts
    assert f"run {failed.run_id[:8]} of work failed: breaks: " in body["what"]
    assert "there is no space left. Free some." in body["what"]
    cursor = tick(home, instance, cursor).cursor
    run(breaking_job, instance)
    cursor = tick(home, instance, cursor).cursor
    assert open_alerts(home)[0].newest.count == 2
    run(working_job, instance)
    tick(home, instance, cursor)
    assert told(hook) == [("raised", "work"), ("resolved", "work")]


def test_an_alert_has_the_sentence_that_says_what_to_do_and_not_what_led_to_it(
    home: Home, instance: dg.DagsterInstance, hook: WebhookReceiver
) -> None:
    run(study_job, instance)
    tick(home, instance)
    (_, body), *_ = hook.posts
    assert body["what"].endswith("misses_a_file: spring.yaml: there is no such study. Make it.")


def test_the_alert_of_a_run_ends_when_somebody_deletes_the_run(
    home: Home, instance: dg.DagsterInstance, hook: WebhookReceiver
) -> None:
    failed = run(breaking_job, instance)
    cursor = tick(home, instance).cursor
    assert open_alerts(home)[0].newest.action.endswith("or delete the run, where it was a mistake")
    cursor = tick(home, instance, cursor, after_s=70).cursor
    assert len(open_alerts(home)) == 1
    instance.delete_run(failed.run_id)
    tick(home, instance, cursor, after_s=140)
    assert open_alerts(home) == []
    assert hook.posts[-1][1]["what"] == f"run {failed.run_id[:8]} of work was deleted"


def test_a_run_of_checks_alone_is_told_by_their_names(
    home: Home, instance: dg.DagsterInstance, hook: WebhookReceiver
) -> None:
    asked = frozenset({is_fine.check_key})
    made = create_run_for_test(instance, "__ASSET_JOB", asset_check_selection=asked)
    instance.report_run_failed(made)
    tick(home, instance)
    assert told(hook) == [("raised", "checks thing:is_fine")]


def test_one_partition_that_goes_through_says_nothing_about_another(
    home: Home, instance: dg.DagsterInstance, hook: WebhookReceiver
) -> None:
    run(breaking_job, instance, **{"dagster/partition": "a"})
    run(working_job, instance, **{"dagster/partition": "b"})
    tick(home, instance)
    assert told(hook) == [("raised", "work a")]


def test_a_lost_cursor_tells_nothing_twice(
    home: Home, instance: dg.DagsterInstance, hook: WebhookReceiver
) -> None:
    run(breaking_job, instance)
    run(working_job, instance)
    run(breaking_job, instance)
    for cursor in (None, "nonsense", None):
        tick(home, instance, cursor)
    assert told(hook) == [("raised", "work"), ("resolved", "work"), ("raised", "work")]


def test_a_run_that_goes_through_after_the_clock_went_back_ends_the_alert(
    home: Home, instance: dg.DagsterInstance, hook: WebhookReceiver
) -> None:
    cursor = tick(home, instance).cursor
    for job in (breaking_job, working_job):
        run(job, instance)
        cursor = tick(home, instance, cursor).cursor
    run(breaking_job, instance)
    cursor = tick(home, instance, cursor, after_s=3600).cursor  # the clock is ahead, and set right after that
    run(working_job, instance)
    tick(home, instance, cursor)
    assert told(hook) == [("raised", "work"), ("resolved", "work")] * 2


def test_a_run_that_is_started_again_is_a_warning_until_it_is_not(
    home: Home, instance: dg.DagsterInstance, hook: WebhookReceiver
) -> None:
    for retry in ("true", "false"):
        made = create_run_for_test(instance, "work", tags={"dagster/will_retry": retry})
        instance.report_run_failed(made)
    tick(home, instance)
    assert [(body["event"], body["severity"]) for _, body in hook.posts] == [
        ("raised", "warning"),
        ("repeated", "problem"),
    ]


def test_nothing_is_lost_while_alerts_cannot_be_written(
    home: Home, instance: dg.DagsterInstance, hook: WebhookReceiver
) -> None:
    cursor = tick(home, instance).cursor
    run(breaking_job, instance)
    journal = local_path(home.alerts) / "alerts.jsonl"
    journal.mkdir()  # what cannot be opened for writing stands for a disk without space
    with pytest.raises(StoreError, match=r"alerts\.jsonl"):
        tick(home, instance, cursor)
    journal.rmdir()
    tick(home, instance, cursor)
    assert told(hook) == [("raised", "work")]


def test_what_was_noted_before_is_sent_although_the_watch_fails(
    home: Home, instance: dg.DagsterInstance, hook: WebhookReceiver
) -> None:
    hook.answers = [503]
    run(breaking_job, instance)
    cursor = tick(home, instance).cursor
    (local_path(home.alerts) / "watched_since").unlink()
    (local_path(home.alerts) / "watched_since").mkdir()
    with pytest.raises(OSError, match="watched_since"):
        tick(home, instance, cursor, after_s=120)
    assert len(hook.posts) == 2


def test_what_cannot_be_found_out_is_told_and_keeps_nothing_else_from_being_told(
    home: Home, instance: dg.DagsterInstance, hook: WebhookReceiver
) -> None:
    dropped = local_path(home.capture) / "stray" / "take.mp4"
    dropped.parent.mkdir(parents=True)
    dropped.touch()
    (candidate,) = scan_capture(home, task_ids=()).candidates
    write_taken(home, {candidate.identity: taken_note(candidate, at_s=0, key=None, problem="it is held")})
    damaged = local_path(home.ledgers) / "videos" / "cut.parquet"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"PAR1")
    tick(home, instance)
    raised = {(one.newest.kind, one.newest.subject): one.newest.what for one in open_alerts(home)}
    assert "cut.parquet: expected a whole Parquet file" in raised["overdue", "unanswered"]
    assert ("stuck files", "not removed") in raised
    damaged.unlink()
    tick(home, instance, after_s=120)
    assert ("resolved", "unanswered") in told(hook)
    assert [one.newest.kind for one in open_alerts(home)] == ["stuck files"]


def test_settings_that_cannot_be_read_are_noted_and_fail_the_tick(
    home: Home, instance: dg.DagsterInstance, hook: WebhookReceiver
) -> None:
    tick(home, instance)  # from when on the webhook is told
    path = local_path(home.root) / "settings.yaml"
    path.write_text(f"{SETTINGS}\nnonsense: 1\n", "utf-8")
    with pytest.raises(ConfigError, match="nonsense"):
        tick(home, instance)
    assert [one.newest.kind for one in open_alerts(home)] == ["settings"]
    path.write_text(SETTINGS, "utf-8")
    tick(home, instance)
    assert told(hook) == [("raised", "settings.yaml"), ("resolved", "settings.yaml")]


@pytest.mark.parametrize(("severity", "alerts"), [("ERROR", ["thing: is_fine"]), ("WARN", [])])
def test_a_check_that_fails_as_an_error_is_an_alert_until_it_passes(
    home: Home, instance: dg.DagsterInstance, hook: WebhookReceiver, severity: str, alerts: list[str]
) -> None:
    check(instance, passed=False, severity=severity)
    tick(home, instance, definitions=CHECKED)
    assert [one.newest.subject for one in open_alerts(home)] == alerts
    check(instance, passed=True)
    tick(home, instance, definitions=CHECKED)
    assert open_alerts(home) == []


def add_capture_ticks(instance: dg.DagsterInstance, ages: Mapping[timedelta, TickStatus]) -> None:
    """What is kept of a capture sensor that looked so long ago."""
    place = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "repository")
    stamps = {(datetime.now(UTC) - age).timestamp(): status for age, status in ages.items()}
    data = SensorInstigatorData(last_tick_timestamp=max(stamps), sensor_type=SensorType.STANDARD)
    state = InstigatorState(
        RemoteInstigatorOrigin(place, CAPTURE_SENSOR), InstigatorType.SENSOR, InstigatorStatus.RUNNING, data
    )
    instance.add_instigator_state(state)
    for stamp, status in stamps.items():
        ids = (state.instigator_origin_id, CAPTURE_SENSOR, InstigatorType.SENSOR)
        told: dict[str, object] = {
            TickStatus.FAILURE: {"error": SerializableErrorInfo("StoreError: it is cut short", [], None)},
            TickStatus.SUCCESS: {"run_ids": ["a run"]},
        }.get(status, {})
        instance.create_tick(TickData(*ids, status, stamp, selector_id=state.selector_id, **told))


def test_a_home_that_is_left_alone_is_told_what_is_overdue(
    home: Home, instance: dg.DagsterInstance, hook: WebhookReceiver
) -> None:
    tick(home, instance)
    assert told(hook) == []
    tick(home, instance, after_s=31 * 3600)
    assert told(hook) == [("raised", "daily report")]


def test_a_file_that_nobody_may_remove_and_an_erasure_that_was_begun_are_told(
    home: Home, instance: dg.DagsterInstance, hook: WebhookReceiver
) -> None:
    tick(home, instance)
    taken = local_path(home.capture) / "tea" / "trainee" / "line1" / "theirs.mp4"
    taken.parent.mkdir(parents=True)
    taken.write_bytes(b"x")
    (found,) = scan_capture(home, task_ids={"tea"}).candidates
    note = taken_note(found, at_s=0, key=None, problem="Operation not permitted")
    write_taken(home, {found.identity: note})
    save_plan(home, ErasurePlan("p014", "ann", "asked", "2026-03-02T08:00:00+00:00", ()))
    tick(home, instance, after_s=60)
    assert sorted(told(hook)) == [("raised", "begun"), ("raised", "not removed")]


@pytest.mark.parametrize("status", [TickStatus.SUCCESS, TickStatus.SKIPPED])
@pytest.mark.parametrize(("minutes", "late"), [(20, False), (40, True)])
def test_a_capture_folder_that_nobody_looks_at_is_a_problem(
    home: Home, hook: WebhookReceiver, minutes: int, late: bool, status: TickStatus
) -> None:
    with dg.instance_for_test() as instance:
        looks = {timedelta(minutes=minutes): status, timedelta(minutes=1): TickStatus.FAILURE}
        add_capture_ticks(instance, looks)
        tick(home, instance)
        shutil.copytree(instance.root_directory, local_path(home.root) / "dagster")
    assert told(hook) == ([("raised", "looks at the capture folder")] if late else [])
    (read,) = read_dagster(home).ticks
    assert read.failed
    assert read.at is not None
    assert datetime.now(UTC) - read.at >= timedelta(minutes=minutes)


def test_a_capture_folder_that_could_never_be_looked_at_is_a_problem(
    home: Home, hook: WebhookReceiver
) -> None:
    with dg.instance_for_test() as instance:
        add_capture_ticks(instance, {timedelta(minutes=1): TickStatus.FAILURE})
        tick(home, instance)
        tick(home, instance, after_s=3600)
    assert told(hook) == [("raised", "looks at the capture folder")]


def test_no_secret_reaches_the_tick(
    home: Home,
    instance: dg.DagsterInstance,
    hook: WebhookReceiver,
    capfd: pytest.CaptureFixture[str],
) -> None:
    hook.answers = [500]
    run(breaking_job, instance)
    result = tick(home, instance)
    files = [path.read_text("utf-8") for path in local_path(home.alerts).glob("*.jsonl")]
    everything = "\n".join([repr(result), *capfd.readouterr(), *files])
    assert "HTTP 500" in everything
    for secret in (hook.url, "S3CR3T", "hidden-too", SECRETS["HOOK_TOKEN"]):
        assert secret not in everything


def test_a_run_whose_process_died_before_it_began_is_failed_and_told(
    home: Home, instance: dg.DagsterInstance, hook: WebhookReceiver
) -> None:
    run = create_run_for_test(instance, "work", status=dg.DagsterRunStatus.STARTING)
    held = take(Path(instance.root_directory) / "running" / run.run_id)
    assert held is not None
    first = tick(home, instance)
    assert [one.run_id for one in instance.get_runs(STARTING)] == [run.run_id]
    os.close(held)
    tick(home, instance, first.cursor, after_s=20)
    assert instance.get_runs(STARTING) == []
    assert [(one.newest.kind, one.newest.subject) for one in open_alerts(home)] == [("run_failed", "work")]
