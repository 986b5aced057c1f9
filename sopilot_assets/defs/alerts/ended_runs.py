"""The runs that ended since the last look, from Dagster's event log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import dagster as dg
from dagster import DagsterEventType

from sopilot_assets.defs.dagster_internals.retries import has_retry
from sopilot_assets.defs.dagster_internals.step_errors import sentence_of
from sopilot_assets.defs.runs import PARTITION
from sopilot_assets.upkeep.alerts.failures import EndedRun

MOST: Final = 200
"""Ended runs that one look takes; the rest wait for the next."""

_BY_HAND: Final = "__ASSET_JOB"


@dataclass(frozen=True, slots=True)
class EndedRuns:
    """The runs in the order in which they ended, and the storage ids up to which failures and successes are
    read.
    """

    runs: tuple[EndedRun, ...]
    failures: int | None
    successes: int | None


def ended_runs(
    instance: dg.DagsterInstance, *, failures: int | None, successes: int | None, since: datetime
) -> EndedRuns:
    """The runs that failed or succeeded after the events with these storage ids; where there is none, after
    ``since``.

    Storage ids only grow, whatever the clock does.
    """
    failed = _records(instance, DagsterEventType.RUN_FAILURE, failures, since)
    succeeded = _records(instance, DagsterEventType.RUN_SUCCESS, successes, since)
    full = [records[-1].storage_id for records in (failed, succeeded) if len(records) == MOST]
    if full:  # no success may be read after a failure that came later
        failed, succeeded = (
            [one for one in records if one.storage_id <= min(full)] for records in (failed, succeeded)
        )
    records = sorted([*failed, *succeeded], key=lambda record: record.storage_id)
    runs = (_ended(instance, record) for record in records)
    return EndedRuns(
        tuple(run for run in runs if run is not None),
        _newest(failed, failures),
        _newest(succeeded, successes),
    )


def _records(
    instance: dg.DagsterInstance, kind: DagsterEventType, after: int | None, since: datetime
) -> Sequence[dg.EventLogRecord]:
    wanted = dg.RunStatusChangeRecordsFilter(
        event_type=kind,  # type: ignore[arg-type]
        after_storage_id=after,
        after_timestamp=since.timestamp() if after is None else None,
    )
    return instance.fetch_run_status_changes(wanted, limit=MOST, ascending=True).records


def _newest(records: Sequence[dg.EventLogRecord], before: int | None) -> int | None:
    return records[-1].storage_id if records else before


def _ended(instance: dg.DagsterInstance, record: dg.EventLogRecord) -> EndedRun | None:
    entry = record.event_log_entry
    run = instance.get_run_by_id(entry.run_id)
    if run is None:
        return None
    failed = entry.dagster_event_type is DagsterEventType.RUN_FAILURE
    return EndedRun(
        run.run_id,
        datetime.fromtimestamp(entry.timestamp, UTC),
        _job(run),
        run.tags.get(PARTITION, ""),
        failed,
        _said(instance, entry) if failed else "",
        failed and has_retry(run),
    )


def _job(run: dg.DagsterRun) -> str:
    if run.job_name != _BY_HAND:
        return run.job_name
    assets, checks = run.asset_selection or (), run.asset_check_selection or ()
    names = ", ".join(sorted(key.to_user_string() for key in assets or checks))
    return f"{'assets' if assets else 'checks'} {names}"


def _said(instance: dg.DagsterInstance, entry: dg.EventLogEntry) -> str:
    """What the step that failed first said; else what the run's end says."""
    records = instance.get_records_for_run(entry.run_id, of_type=DagsterEventType.STEP_FAILURE).records
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is not None and event.step_failure_data.error is not None:
            return f"{event.step_key}: {sentence_of(event.step_failure_data.error)}"
    return entry.dagster_event.message or "" if entry.dagster_event else ""
