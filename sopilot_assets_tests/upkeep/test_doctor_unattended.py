"""What doctor finds of what runs by itself: Dagster's instance, settings, clock, alerts, backups, ledgers."""

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

from sopilot_assets.defs.instance import local_instance
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.alerts.alert import Alert, AlertSeverity
from sopilot_assets.upkeep.alerts.noting import raise_alert
from sopilot_assets.upkeep.backup.history import BACKUP_COLUMNS, backups_ledger
from sopilot_assets.upkeep.doctor import (
    Finding,
    Patient,
    State,
    examine_home,
    instance,
    machine,
    recordings,
    unattended,
)
from sopilot_assets.upkeep.doctor.finding import Check
from sopilot_assets.upkeep.setting_up import prepare_home
from sopilot_assets_tests.upkeep.made_up_days import add_task, record, score

NOW_S = time.time()
HOUR = 3600.0


@pytest.fixture
def ready(home: Home) -> Home:
    prepare_home(home)
    return home


def ask(check: Check, home: Home, *, after_s: float = 0.0, **environment: str) -> list[Finding]:
    """What one check says ``after_s`` seconds from now; whatever is wrong has its next action."""
    found = list(check(Patient(home, NOW_S + after_s, environment)))
    assert all(finding.action for finding in found if finding.state is not State.OK)
    return found


def only(check: Check, home: Home, *, after_s: float = 0.0, **environment: str) -> Finding:
    (finding,) = ask(check, home, after_s=after_s, **environment)
    return finding


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
    assert only(instance.daemon, ready).what == "was never started here"
    beat(ready, ago_s=20)
    assert only(instance.daemon, ready).state is State.OK
    assert only(instance.daemon, ready, after_s=HOUR).what.startswith("said nothing for 60 minutes")
    beat(ready, ago_s=20, error="ImportError: no module named x\n  at line 3")
    finding = only(instance.daemon, ready)
    assert (finding.state, finding.what) == (State.PROBLEM, "SENSOR: ImportError: no module named x")


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
    assert (finding.state is State.PROBLEM) == stuck
    assert not stuck or "of nothing is" in finding.what


@dg.job
def nothing() -> None:
    """A job without steps."""


def test_a_sensor_that_failed_last_time_or_does_not_look_any_more_is_told(ready: Home) -> None:
    tick(ready, TickStatus.FAILURE, ago_s=90, error="LedgerError: cut short\nmore")
    finding = only(instance.ticks, ready)
    assert finding.what == "capture_sensor failed: LedgerError: cut short"
    tick(ready, TickStatus.SKIPPED, ago_s=60)
    assert only(instance.ticks, ready).state is State.OK
    assert "has not looked for 61 minutes" in only(instance.ticks, ready, after_s=HOUR).what


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
    assert only(instance.journals, ready).state is State.OK
    (history / "endless.db-wal").symlink_to(history / "endless.db-wal")
    findings = examine_home(ready, now_s=NOW_S, environment={})
    assert [one.state for one in findings if one.check == "journals"] == [State.PROBLEM]
    assert findings[-1].check == "leftovers"


def test_settings_that_are_not_valid_are_a_problem_of_every_check_that_needs_them(ready: Home) -> None:
    set_up(ready, "disk: {pause_gib: 9, resume_gib: 4}\n")
    findings = [one for one in examine_home(ready, now_s=NOW_S, environment={}) if one.state is State.PROBLEM]
    assert {"settings", "disk space", "backups"} <= {finding.check for finding in findings}
    assert all("expected pause_gib" in finding.what for finding in findings)


def test_paused_intake_is_a_problem_and_little_space_a_warning(ready: Home) -> None:
    set_up(ready, "disk: {warn_gib: 1000000, pause_gib: 0, resume_gib: 0}\n")
    assert only(machine.disk_space, ready).state is State.WARNING
    set_up(ready, "disk: {warn_gib: 1000000, pause_gib: 1000000, resume_gib: 1000000}\n")
    finding = only(machine.disk_space, ready)
    assert (finding.state, "paused" in finding.what) == (State.PROBLEM, True)


def test_rows_from_the_future_say_that_the_clock_went_back(ready: Home) -> None:
    record(ready, "a", at=at(-10))
    assert only(machine.clock, ready).state is State.OK
    score(ready, ["a"], [90], at=at(2 * HOUR))
    assert "120 minutes in the future" in only(machine.clock, ready).what
    assert only(machine.clock, ready, after_s=3 * HOUR).state is State.OK


def test_a_web_page_that_others_can_reach_is_a_problem(ready: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for address, state in (("127.0.0.1", State.OK), ("0.0.0.0", State.PROBLEM)):
        with closing(socket.create_server((address, 0))) as server:
            monkeypatch.setattr(machine, "WEB_PORTS", (server.getsockname()[1],))
            finding = only(machine.web_ports, ready)
            assert finding.state is state
            assert address in finding.what or state is State.OK


def test_open_alerts_and_messages_that_nobody_got_are_told(ready: Home) -> None:
    assert only(unattended.alerts, ready).state is State.OK
    alert = Alert("disk", "free space", AlertSeverity.WARNING, "1 GiB free", "free some")
    raise_alert(ready, alert, now=datetime.fromtimestamp(NOW_S, UTC))
    assert [(one.check, one.what) for one in ask(unattended.alerts, ready)] == [("alert", "1 GiB free")]
    set_up(ready, "alerts: {webhook: {url_env: HOOK}}\n")
    found = ask(unattended.alerts, ready, HOOK="http://127.0.0.1:9/")
    assert [one.check for one in found] == ["alert", "alerts"]
    assert "1 messages were not delivered" in found[1].what


def test_backups_are_asked_for_when_none_is_set_up_made_or_new_enough(ready: Home) -> None:
    assert "no destination" in only(unattended.backups, ready).what
    set_up(ready, "backup: {destination: /elsewhere}\n")
    assert [one.what for one in ask(unattended.backups, ready)] == ["there was none yet"] * 2
    row = {**dict.fromkeys(BACKUP_COLUMNS), "backup": "b", "created_at": at(0), "sound": True}
    backups_ledger(ready).append([row], run_id="r", written_at=at(0))
    assert ask(unattended.backups, ready)[0].state is State.OK
    assert ask(unattended.backups, ready, after_s=49 * HOUR)[0].what == "the newest is 49 hours old"


def test_a_ledger_file_that_was_cut_is_named(ready: Home) -> None:
    score(ready, ["a"], [90], at=at(0))
    assert only(unattended.ledgers, ready).what == "1 files, all whole"
    path = Path(scores_ledger(ready).files()[0])
    os.truncate(path, path.stat().st_size - 5)
    finding = only(unattended.ledgers, ready)
    assert (finding.state, path.name in finding.what) == (State.PROBLEM, True)


def test_recordings_of_a_task_that_is_gone_are_a_problem(ready: Home) -> None:
    add_task(ready)
    record(ready, "a", at=at(0))
    assert ask(recordings.task_of_recordings, ready) == []
    (local_path(ready.tasks) / "tea.yaml").unlink()
    assert "tasks/tea.yaml is missing" in only(recordings.task_of_recordings, ready).what
