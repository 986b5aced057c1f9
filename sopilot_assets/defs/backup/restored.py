"""The Dagster instance of a home that was brought back from a backup."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dagster import DagsterError, DagsterRunStatus, RunsFilter
from sqlalchemy.exc import SQLAlchemyError

from sopilot_assets.defs.instance import local_instance
from sopilot_assets.defs.partitions import VIDEO
from sopilot_assets.defs.recordings.scores import scores
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.backup.snapshot import Remark
from sopilot_assets.upkeep.setting_up import SETTINGS, dagster_home

_AT_WORK: Final = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED]
_WHY: Final = "The home was restored from a backup that was made while this run was at work."


def end_interrupted_runs(home: Home) -> list[str]:
    """The ids of the runs that were at work when the backup was made, now marked as failed.

    Like a run whose process died, each is started again by the daemon where its job permits retries. Runs
    that were queued stay queued. A home without an instance has none.
    """
    if not (dagster_home(home) / SETTINGS[0]).is_file():
        return []
    with local_instance(home) as instance:
        at_work = instance.get_runs(RunsFilter(statuses=_AT_WORK))
        cancelled = instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.CANCELING]))
        for run in at_work:
            instance.report_run_failed(run, _WHY)
        for run in cancelled:
            instance.report_run_canceled(run, _WHY)
    return [run.run_id for run in (*at_work, *cancelled)]


def instance_problems(home: Home) -> Iterator[Remark]:
    """What keeps the instance of a restored home from being used; each of its stores is asked something."""
    if not (dagster_home(home) / SETTINGS[0]).is_file():
        return
    try:
        with local_instance(home) as instance:
            registered = set(instance.get_dynamic_partitions(str(VIDEO.name)))
            scored = instance.get_materialized_partitions(scores.key)
            for run in instance.get_runs(limit=1):
                instance.get_records_for_run(run.run_id, limit=1)
            instance.all_instigator_state()
    except (DagsterError, SQLAlchemyError) as error:
        yield Remark("dagster", f"the instance cannot be opened: {error}")
        return
    if strays := scored - registered:
        yield Remark(
            "dagster", f"{len(strays)} scored recordings are not registered, {min(strays)} among them"
        )
