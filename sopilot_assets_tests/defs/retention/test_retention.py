"""The daily report and retention as assets, on a real instance in SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from sopilot_assets.definitions import build_defs
from sopilot_assets.defs.dagster_internals.old_runs import old_runs, run_files
from sopilot_assets.defs.daily.daily_reports import daily_reports, daily_reports_schedule, days_of
from sopilot_assets.defs.instance import local_instance
from sopilot_assets.defs.resources import ClockResource, HomeResource
from sopilot_assets.defs.retention.retention import remove_expired
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.conditions.lateness import retention_waits
from sopilot_assets.upkeep.conditions.situation import Situation
from sopilot_assets.upkeep.daily.report import write_report
from sopilot_assets.upkeep.setting_up import prepare_home
from sopilot_assets_tests.upkeep.made_up_days import add_task, record, refuse, score

NOON = "2026-03-02T12:00:00+00:00"
FAR = datetime.now(UTC) + timedelta(days=400)


@pytest.fixture
def tea(home: Home) -> Home:
    """A home with a recording, a score and a refused file of one day."""
    prepare_home(home)
    add_task(home)
    record(home, "a", at=NOON)
    score(home, ["a"], [90], at=NOON)
    refuse(home, "x.mp4", at=NOON)
    return home


def run(
    instance: dg.DagsterInstance,
    home: Home,
    job: str,
    partition_key: str | None = None,
    at: str = "2026-03-05T00:20:00+00:00",
) -> dg.ExecuteInProcessResult:
    resources = {"home": HomeResource(root=str(home.root)), "clock": ClockResource(fixed=at)}
    definition = build_defs(**resources).resolve_job_def(job)
    return definition.execute_in_process(instance=instance, partition_key=partition_key)


@contextmanager
def instance_of(home: Home) -> Iterator[dg.DagsterInstance]:
    with local_instance(home) as instance:
        yield instance


def made(instance: dg.DagsterInstance) -> set[str]:
    return set(instance.get_materialized_partitions(daily_reports.key))


def test_the_report_is_a_partition_with_its_tables_and_its_page(tea: Home) -> None:
    with instance_of(tea) as instance:
        result = run(instance, tea, "make_daily_report", partition_key="2026-03-02")
        (event,) = result.get_asset_materialization_events()
        assert made(instance) == {"2026-03-02"}
    metadata = event.materialization.metadata
    assert {"needs", "tasks", "decisions", "days", "quarantine", "disk"} <= set(metadata)
    assert Path(str(metadata["review_page"].value)).is_file()
    assert metadata["complete"].value is True
    of_the_day = ("taken_in", "refused", "scored", "new_pass", "new_fail")
    assert [metadata[name].value for name in of_the_day] == [1, 1, 1, 1, 0]


def test_the_days_begin_with_the_first_recording_and_with_today_before_it(tea: Home, tmp_path: Path) -> None:
    today = date(2026, 3, 5)
    assert days_of(tea, today).get_first_partition_key() == "2026-03-02"
    empty = Home.at(tmp_path / "empty")
    prepare_home(empty)
    assert days_of(empty, today).get_first_partition_key() == "2026-03-05"
    write_report(empty, date(2026, 3, 4), now=FAR, run_id="r")
    assert days_of(empty, today).get_first_partition_key() == "2026-03-04"
    next(Path(str(tea.ledgers)).rglob("*.parquet")).write_bytes(b"torn")
    assert days_of(tea, today).get_first_partition_key() is not None


def test_after_midnight_the_missing_reports_are_asked_for_once_each(tea: Home) -> None:
    with instance_of(tea) as instance:
        assert requested(instance, tea) == ["2026-03-02", "2026-03-03", "2026-03-04"]
        run(instance, tea, "make_daily_report", partition_key="2026-03-03")
        assert requested(instance, tea) == ["2026-03-02", "2026-03-04"]


def requested(instance: dg.DagsterInstance, home: Home) -> list[str]:
    context = dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=datetime(2026, 3, 5, 0, 20, tzinfo=UTC),
        resources={"home": HomeResource(root=str(home.root))},
    )
    asked = daily_reports_schedule(context)
    assert isinstance(asked, list)
    return [str(request.partition_key) for request in asked]


def test_only_runs_that_nothing_needs_go_and_every_partition_stays_made(tea: Home) -> None:
    with instance_of(tea) as instance:
        first, second, other = (
            run(instance, tea, "make_daily_report", partition_key=day).run_id
            for day in ("2026-03-02", "2026-03-02", "2026-03-03")
        )
        old = old_runs(instance, before=FAR)
        assert (old.removable, set(old.needed)) == ((first,), {second, other})
        before = len(instance.all_logs(second))
        shown = [one.removed for one in remove_expired(tea, instance, now=FAR, dry_run=True)[:2]]
        assert (shown, made(instance), len(instance.all_logs(second))) == (
            [1, 2],
            {"2026-03-02", "2026-03-03"},
            before,
        )
        runs, logs, *_ = remove_expired(tea, instance, now=FAR)
        assert (runs.removed, runs.kept, logs.removed) == (1, 2, 2)
        assert runs.freed_bytes > 10_000
        assert made(instance) == {"2026-03-02", "2026-03-03"}
        assert instance.get_run_by_id(first) is None
        assert run_files(instance, first) == []
        assert instance.get_run_stats(second).end_time is not None
        assert 0 < len(instance.all_logs(second)) < before
        newest = instance.fetch_materializations(daily_reports.key, limit=10).records
        assert {record.run_id for record in newest} == {second, other}
        again = remove_expired(tea, instance, now=FAR)[:2]
        assert [(one.removed, one.freed_bytes) for one in again] == [(0, 0), (0, 0)]


def test_young_runs_and_runs_that_have_not_ended_stay(tea: Home) -> None:
    with instance_of(tea) as instance:
        for _ in range(2):
            run(instance, tea, "make_daily_report", partition_key="2026-03-02")
        instance.create_run_for_job(
            build_defs().resolve_job_def("apply_retention"), status=dg.DagsterRunStatus.STARTED
        )
        assert old_runs(instance, before=datetime.now(UTC) - timedelta(days=1)).removable == ()
        assert len(old_runs(instance, before=FAR).removable) == 1
        assert instance.get_runs_count() == 3


def test_the_nightly_job_says_what_it_did(tea: Home) -> None:
    with instance_of(tea) as instance:
        result = run(instance, tea, "apply_retention")
        (event,) = result.get_asset_materialization_events()
    tidied = event.materialization.metadata["tidied"]
    assert isinstance(tidied, dg.TableMetadataValue)
    whats = {str(row.data["what"]) for row in tidied.records}
    assert whats >= {"finished runs", "proxies", "ledgers", "campaign logs"}


def test_a_clock_that_leapt_removes_nothing_before_people_were_told(tea: Home) -> None:
    proxy = local_path(tea.proxies) / "of_a.mp4"
    proxy.parent.mkdir(exist_ok=True)
    proxy.write_bytes(b"small copy")

    def night(instance: dg.DagsterInstance, at: datetime) -> tuple[int, bool]:
        result = run(instance, tea, "apply_retention", at=at.isoformat())
        (event,) = result.get_asset_materialization_events()
        tidied = event.materialization.metadata["tidied"]
        assert isinstance(tidied, dg.TableMetadataValue)
        (removed,) = (row.data["removed"] for row in tidied.records if row.data["what"] == "proxies")
        assert isinstance(removed, int)
        return removed, proxy.exists()

    def told(now: datetime) -> list[str]:
        asked = Situation(tea, now, {})
        return [one.what for one in retention_waits(asked).conditions]

    now, ahead = datetime.now(UTC), timedelta(days=400)
    with instance_of(tea) as instance:
        assert night(instance, now) == (0, True)
        assert told(now) == []
        assert night(instance, now + ahead) == (1, True)  # what it would remove
        assert f"before that at {now:%Y-%m-%d %H:%M}" in told(now + ahead)[0]
        assert night(instance, now + timedelta(days=1)) == (0, True)  # the clock was set right
        assert len(told(now)) == 1
        assert night(instance, now + timedelta(days=4)) == (0, True)  # a weekend off is no leap
        assert told(now) == []
        assert night(instance, now + ahead) == (1, True)
        assert night(instance, now + ahead + timedelta(days=1)) == (1, False)  # it was no error of the clock
