"""Retention: what is over its time is removed, and ledgers are merged, every night."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import dagster as dg

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.defs.dagster_internals.old_runs import (
    empty_logs,
    old_runs,
    remove_runs,
    run_bytes,
    unfinished_runs,
)
from sopilot_assets.defs.publish import table
from sopilot_assets.defs.resources import ClockResource, HomeResource
from sopilot_assets.defs.runs import TWO_HOURS_S, due_after, work_tags
from sopilot_assets.settings import RetentionSettings, load_settings
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.retention_nights import look_at, note_look

if TYPE_CHECKING:
    from sopilot_assets.upkeep.retention import Expired

with at_first_use():  # what somebody still has to look at is asked of the evidence, which computes
    from sopilot_assets.upkeep import retention as over_time
    from sopilot_assets.upkeep.erasing import erase

EVERY_NIGHT: Final = "40 2 * * *"


def remove_expired(
    home: Home, instance: dg.DagsterInstance, *, now: datetime, dry_run: bool = False, run_id: str = ""
) -> list["Expired"]:
    """Remove what is over its time: runs, logs, proxies, uploads, unfinished files, videos of trainees; end
    erasures that were begun; and merge ledgers. ``run_id`` is the run that does it.
    """
    limits = load_settings(home).retention
    if not dry_run:
        working = unfinished_runs(instance, but=run_id)
        erase.finish_erasures(home, clock=lambda: now, run_id=f"erase-{now:%Y%m%dT%H%M%S}", working=working)
    return [
        *_expired_runs(instance, limits, now=now, dry_run=dry_run),
        *over_time.remove_expired_files(home, limits, now_s=now.timestamp(), dry_run=dry_run),
    ]


def _expired_runs(
    instance: dg.DagsterInstance, limits: RetentionSettings, *, now: datetime, dry_run: bool
) -> list["Expired"]:
    old = old_runs(instance, before=now - timedelta(days=limits.finished_runs_days))
    quiet = old_runs(instance, before=now - timedelta(days=limits.event_logs_days)).needed
    freed = (run_bytes if dry_run else remove_runs)(instance, old.removable)
    emptied, emptied_bytes = (len(quiet), 0) if dry_run else empty_logs(instance, quiet)
    return [
        over_time.Expired(
            "finished runs",
            len(old.removable),
            freed,
            len(old.needed),
            f"older than {limits.finished_runs_days} days, unless they made the newest state of something",
        ),
        over_time.Expired(
            "logs of runs that stay",
            emptied,
            emptied_bytes,
            len(quiet) - emptied,
            f"older than {limits.event_logs_days} days; what the runs made stays",
        ),
    ]


@dg.asset(
    description=(
        "What was removed because its time is over (settings.yaml, retention): finished runs that no "
        "partition needs any more, logs, proxies, uploads, unfinished files, videos of trainees that are "
        "over the time of their task; and which ledgers were merged. Scores, labels, studies, dossiers and "
        "golds are never touched. Erasures of persons that were begun are ended. After a pause of more than "
        "three days the first night only says what it would remove: the clock may be wrong."
    ),
    group_name="operations",
    kinds={"file", "sqlite"},
    owners=["team:quality"],
    code_version="retention-1",
    freshness_policy=due_after(EVERY_NIGHT),
)
def retention(context: dg.AssetExecutionContext, home: HomeResource, clock: ClockResource) -> None:
    """What one night removes; after a long pause, what the next one would."""
    look = look_at(home.home, clock.now())
    expired = remove_expired(
        home.home, context.instance, now=look.at, dry_run=look.waits, run_id=context.run.run_id
    )
    note_look(home.home, look)
    rows = [asdict(one) for one in expired]
    freed = 0 if look.waits else sum(one.freed_bytes for one in expired)
    shown = {"tidied": table(rows, columns=tuple(rows[0])), "freed_bytes": freed, "waits": look.waits}
    context.add_output_metadata(shown)


apply_retention: Final = dg.define_asset_job(
    "apply_retention",
    selection=dg.AssetSelection.assets(retention),
    description="Remove what is over its time, and merge ledgers.",
    tags=work_tags("care", retries=1, longest_s=TWO_HOURS_S),
    executor_def=dg.in_process_executor,
)

retention_every_night: Final = dg.ScheduleDefinition(
    name="retention_every_night",
    job=apply_retention,
    cron_schedule=EVERY_NIGHT,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Removes what is over its time at 02:40 UTC.",
)
