"""What is found of what runs by itself: Dagster's instance, settings, clock, alerts, backups, ledgers."""

from __future__ import annotations

import os
import socket
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickData, TickStatus
from dagster._daemon.types import DaemonHeartbeat
from dagster._utils.error import SerializableErrorInfo

from sopilot_assets.capture.clearing import taken_note
from sopilot_assets.capture.scan import scan_capture
from sopilot_assets.capture.taken import write_taken
from sopilot_assets.defs.instance import local_instance
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.alerts.lasting import settle_lasting
from sopilot_assets.upkeep.alerts.noting import raise_alert
from sopilot_assets.upkeep.backup.history import BACKUP_COLUMNS, backups_ledger
from sopilot_assets.upkeep.conditions import home as home_files
from sopilot_assets.upkeep.conditions import instance, lateness, machine, messages, recordings, tasks
from sopilot_assets.upkeep.conditions.condition import Condition, ConditionSeverity, Fine
from sopilot_assets.upkeep.conditions.questions import Question
from sopilot_assets.upkeep.conditions.situation import Situation
from sopilot_assets.upkeep.doctor import doctor_row, examine_home
from sopilot_assets.upkeep.setting_up import prepare_home
from sopilot_assets_tests.upkeep.made_up_days import add_task, record, score

NOW_S = time.time()
HOUR = 3600.0


@pytest.fixture
def ready(home: Home) -> Home:
    prepare_home(home)
    return home


def ask(
    question: Question, home: Home, *, after_s: float = 0.0, **environment: str
) -> list[Condition | Fine]:
    """What is told ``after_s`` seconds from now; whatever is wrong has its next action."""
    answer = question(Situation(home, datetime.fromtimestamp(NOW_S + after_s, UTC), environment))
    assert all(one.action for one in answer.conditions)
    return list(answer.told)


def only(question: Question, home: Home, *, after_s: float = 0.0, **environment: str) -> Condition | Fine:
    (told,) = ask(question, home, after_s=after_s, **environment)
    return told


def state(told: Condition | Fine) -> str:
    return str(doctor_row(told)["state"])


def problems(home: Home) -> list[Condition]:
    told = examine_home(home, now=datetime.fromtimestamp(NOW_S, UTC), environment={})
    conditions = [one for one in told if isinstance(one, Condition)]
    return [one for one in conditions if one.severity is ConditionSeverity.PROBLEM]


def set_up(home: Home, text: str) -> None:
    (local_path(home.root) / "settings.yaml").write_text(text, "utf-8")


def at(after_s: float) -> str:
    return datetime.fromtimestamp(NOW_S + after_s, UTC).isoformat()


def beat(home: Home, *, ago_s: float, error: str | None = None) -> None:
    errors = [SerializableErrorInfo(error, [], None)] if error else []
    with local_instance(home) as made:
        made.add_daemon_heartbeat(DaemonHeartbeat(NOW_S - ago_s, "SENSOR", "1", errors=errors))


def tick(home: Home, status: TickStatus, *, ago_s: float, error: str | None = None) -> None:
    info = SerializableErrorInfo(error, [], None) if error else None
    data = TickData("o", "capture_sensor", InstigatorType.SENSOR, status, NOW_S - ago_s, error=info)
    with local_instance(home) as made:
        made.create_tick(data)


def test_a_daemon_that_never_ran_is_silent_or_cannot_load_the_code_is_told(ready: Home) -> None:
    assert only(instance.daemon, ready).what.startswith("was never started here")
    beat(ready, ago_s=20)
    assert state(only(instance.daemon, ready)) == "ok"
    assert only(instance.daemon, ready, after_s=HOUR).what.startswith("said nothing for 60 minutes")
    ahead = only(instance.daemon, ready, after_s=-HOUR).what
    assert ahead.startswith("gave its last sign of life 60 minutes in the future: the clock went back")
    beat(ready, ago_s=20, error="ImportError: no module named x\n  at line 3")
    finding = only(instance.daemon, ready)
    assert (state(finding), finding.what) == ("problem", "SENSOR: ImportError: no module named x")


@pytest.mark.parametrize(
    ("status", "minutes", "stuck"),
    [
        (dg.DagsterRunStatus.NOT_STARTED, 9, False),
        (dg.DagsterRunStatus.STARTING, 11, True),
        (dg.DagsterRunStatus.STARTED, 300, False),
        (dg.DagsterRunStatus.STARTED, 400, True),
        (dg.DagsterRunStatus.SUCCESS, 9999, False),
    ],
)
def test_a_run_that_starts_or_runs_for_too_long_is_stuck(
    ready: Home, status: dg.DagsterRunStatus, minutes: int, *, stuck: bool
) -> None:
    with local_instance(ready) as made:
        made.create_run_for_job(nothing, status=status)
    begun_s = time.time() - NOW_S  # Dagster itself writes when
    finding = only(instance.queue, ready, after_s=begun_s + minutes * 60)
    assert (state(finding) == "problem") == stuck
    assert not stuck or "of nothing is" in finding.what


def test_a_run_whose_launch_was_refused_is_to_be_deleted(ready: Home) -> None:
    with local_instance(ready) as made:
        made.create_run_for_job(nothing, status=dg.DagsterRunStatus.NOT_STARTED)
    finding = only(instance.queue, ready, after_s=time.time() - NOW_S + HOUR)
    assert finding.action.endswith("nobody starts it any more: delete it in Runs")


@dg.job
def nothing() -> None:
    """A job without steps."""


def test_a_sensor_that_failed_last_time_or_does_not_look_any_more_is_told(ready: Home) -> None:
    tick(ready, TickStatus.FAILURE, ago_s=90, error="LedgerError: cut short\nmore")
    finding = only(instance.sensors, ready)
    assert finding.what == "capture_sensor failed: LedgerError: cut short"
    tick(ready, TickStatus.SKIPPED, ago_s=60)
    assert state(only(instance.sensors, ready)) == "ok"
    assert state(only(instance.looks_at_capture, ready)) == "ok"
    late = only(instance.looks_at_capture, ready, after_s=HOUR)
    assert (state(late), "1.0 hours ago" in late.what) == ("problem", True)


def test_with_postgresql_it_says_that_it_does_not_look(ready: Home) -> None:
    path = local_path(ready.root) / "dagster" / "dagster.yaml"
    path.write_text("storage:\n  postgres:\n    postgres_url: {env: X}\n", "utf-8")
    assert "PostgreSQL" in only(instance.daemon, ready).what


def test_a_journal_that_is_never_emptied_is_told(ready: Home) -> None:
    journal = local_path(ready.root) / "dagster" / "history" / "runs.db-wal"
    journal.parent.mkdir(parents=True)
    with journal.open("wb") as stream:
        stream.truncate(300 << 20)
    assert "300 MiB" in only(instance.journals, ready).what


def test_what_cannot_be_read_or_has_just_gone_does_not_end_the_examination(ready: Home) -> None:
    history = local_path(ready.root) / "dagster" / "history"
    history.mkdir(parents=True)
    (history / "gone.db-wal").symlink_to(history / "nothing")
    assert state(only(instance.journals, ready)) == "ok"
    (history / "endless.db-wal").symlink_to(history / "endless.db-wal")
    assert [one.kind for one in problems(ready)] == ["journals"]


def test_settings_that_are_not_valid_are_a_problem_of_every_question_that_needs_them(ready: Home) -> None:
    set_up(ready, "disk: {pause_gib: 9, resume_gib: 4}\n")
    found = problems(ready)
    assert {"settings", "free space", "backup"} <= {one.kind for one in found}
    assert all("expected pause_gib" in one.what for one in found)


def test_paused_intake_is_a_problem_and_little_space_a_warning(ready: Home) -> None:
    set_up(ready, "disk: {warn_gib: 1000000, pause_gib: 0, resume_gib: 0}\n")
    assert state(only(machine.free_space, ready)) == "warning"
    set_up(ready, "disk: {warn_gib: 1000000, pause_gib: 1000000, resume_gib: 1000000}\n")
    finding = only(machine.free_space, ready)
    assert (state(finding), "paused" in finding.what) == ("problem", True)


def test_rows_from_the_future_say_that_the_clock_went_back(ready: Home) -> None:
    record(ready, "a", at=at(-10))
    assert state(only(machine.clock, ready)) == "ok"
    score(ready, ["a"], [90], at=at(2 * HOUR))
    assert "120 minutes in the future" in only(machine.clock, ready).what
    assert state(only(machine.clock, ready, after_s=3 * HOUR)) == "ok"


def test_a_web_page_that_others_can_reach_is_a_problem(ready: Home) -> None:
    for address, wanted in (("127.0.0.1", "ok"), ("0.0.0.0", "problem")):
        with closing(socket.create_server((address, 0))) as server:
            set_up(ready, f"limits: {{web_ports: [{server.getsockname()[1]}]}}\n")
            finding = only(machine.web_pages, ready)
            assert state(finding) == wanted
            assert address in finding.what or wanted == "ok"


def test_failures_that_are_not_over_and_messages_that_nobody_got_are_told(ready: Home) -> None:
    assert state(only(messages.happened, ready)) == "ok"
    now = datetime.fromtimestamp(NOW_S, UTC)
    failed = Condition("run_failed", "rescore", ConditionSeverity.PROBLEM, "run 1 failed", "look")
    full = Condition("disk", "free space", ConditionSeverity.WARNING, "1 GiB free", "free some")
    raise_alert(ready, failed, now=now)
    raise_alert(ready, full, now=now)  # what the list of conditions answers itself is not told twice
    assert ask(messages.happened, ready) == [failed]
    set_up(ready, "alerts: {webhook: {url_env: HOOK}}\n")
    assert "2 messages were not delivered" in only(messages.delivered, ready, HOOK="http://127.0.0.1:9/").what


def test_backups_are_asked_for_when_none_is_set_up_made_or_new_enough(ready: Home) -> None:
    assert "no destination" in only(lateness.backup, ready).what
    set_up(ready, "backup: {destination: /elsewhere}\n")
    assert only(lateness.backup, ready, after_s=99 * HOUR).what == "never yet"
    lateness.begin_watch(ready, datetime.fromtimestamp(NOW_S, UTC))
    lateness.begin_watch(ready, datetime.fromtimestamp(NOW_S + 98 * HOUR, UTC))
    assert "never yet, for 99.0 hours" in only(lateness.backup, ready, after_s=99 * HOUR).what
    row = {**dict.fromkeys(BACKUP_COLUMNS), "backup": "b", "created_at": at(0), "sound": True}
    backups_ledger(ready).append([row], run_id="r", written_at=at(0))
    assert state(only(lateness.backup, ready)) == "ok"
    assert "49.0 hours ago; expected every 48" in only(lateness.backup, ready, after_s=49 * HOUR).what
    ahead = {**row, "backup": "of a clock that was a year ahead", "created_at": at(365 * 24 * HOUR)}
    backups_ledger(ready).append([ahead], run_id="r", written_at=at(365 * 24 * HOUR))
    assert "49.0 hours ago; expected every 48" in only(lateness.backup, ready, after_s=49 * HOUR).what


def test_a_ledger_file_that_was_cut_is_named(ready: Home) -> None:
    score(ready, ["a"], [90], at=at(0))
    assert only(home_files.ledgers, ready).what == "1 files, all whole"
    path = Path(scores_ledger(ready).files()[0])
    os.truncate(path, path.stat().st_size - 5)
    finding = only(home_files.ledgers, ready)
    assert (state(finding), path.name in finding.what) == ("problem", True)


def test_recordings_of_a_task_that_is_gone_are_a_problem(ready: Home) -> None:
    add_task(ready)
    record(ready, "a", at=at(0))
    assert ask(tasks.task_of_recordings, ready) == []
    (local_path(ready.tasks) / "tea.yaml").unlink()
    assert "tasks/tea.yaml is missing" in only(tasks.task_of_recordings, ready).what


def test_a_file_that_was_taken_and_cannot_be_removed_is_named_until_it_can(ready: Home) -> None:
    place = local_path(ready.capture) / "tea" / "trainee" / "line1"
    place.mkdir(parents=True)
    (place / "theirs.mp4").write_bytes(b"x")
    assert state(only(recordings.stuck_files, ready)) == "ok"
    (found,) = scan_capture(ready, task_ids={"tea"}).candidates
    note = taken_note(found, at_s=NOW_S, key=None, problem="Operation not permitted")
    write_taken(ready, {found.identity: note})
    told = only(recordings.stuck_files, ready)
    assert isinstance(told, Condition)
    assert "cannot be removed, e.g. tea/trainee/line1/theirs.mp4: Operation not permitted" in told.what
    assert [
        one.subject
        for one in settle_lasting(Situation(ready, datetime.fromtimestamp(NOW_S, UTC), {}), recordings.STUCK)
    ] == ["not removed"]
    assert state(only(recordings.capture_folder, ready)) == "ok"
