"""Backups as an asset, and the drill that restores the newest one as its check."""

from collections.abc import Iterator
from typing import Final

import dagster as dg

from sopilot_assets.defs.backup.restored import instance_problems
from sopilot_assets.defs.publish import RawMetadata, in_ledger, rows_in, scalars, table
from sopilot_assets.defs.resources import ClockResource, HomeResource
from sopilot_assets.defs.runs import due_after, work_tags
from sopilot_assets.settings import SETTINGS_FILE, load_settings
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.backup.forget import Forgotten
from sopilot_assets.upkeep.backup.history import backups_ledger
from sopilot_assets.upkeep.backup.routine import BackupRun, back_up, drill_newest
from sopilot_assets.upkeep.backup.snapshot import Remark

_COMPLETE: Final = "backup_is_complete"
_NO_DESTINATION: Final = f"{SETTINGS_FILE} names no place for backups (backup.destination)"

EVERY_NIGHT: Final = "30 1 * * *"


@dg.asset(
    description=(
        "One materialization is one backup of the whole home, Dagster's own storage included, into the "
        f"repository that {SETTINGS_FILE} names. Only what changed is written, and every file is read back."
    ),
    group_name="operations",
    kinds={"file"},
    owners=["team:quality"],
    code_version="backup-1",
    metadata=in_ledger(backups_ledger),
    freshness_policy=due_after(EVERY_NIGHT),
    check_specs=[
        dg.AssetCheckSpec(
            _COMPLETE,
            asset="backups",
            description="The backup holds all that it should, and nothing was found damaged.",
        )
    ],
)
def backups(
    context: dg.AssetExecutionContext, home: HomeResource, clock: ClockResource
) -> Iterator[dg.MaterializeResult[None]]:
    """A new backup."""
    done = back_up(home.home, None, now=clock.now(), run_id=context.run.run_id)
    problems = _problems(done.remarks)
    complete = dg.AssetCheckResult(
        check_name=_COMPLETE,
        passed=not problems,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata=problems,
    )
    rows = rows_in(backups_ledger(home.home))
    yield dg.MaterializeResult(metadata={**_figures(done), **problems, **rows}, check_results=[complete])


@dg.asset_check(
    asset=backups,
    name="drill_restores",
    description=(
        "The newest backup, restored into a scratch folder: every file has its hash, every row is in the "
        "home too, every file that rows speak of is there, label chains and databases are sound, and the "
        "Dagster instance opens."
    ),
)
def drill_restores(
    context: dg.AssetCheckExecutionContext, home: HomeResource, clock: ClockResource
) -> dg.AssetCheckResult:
    """The drill."""
    done = drill_newest(home.home, None, now=clock.now(), run_id=context.run.run_id, look=instance_problems)
    return dg.AssetCheckResult(
        passed=not done.drill.problems,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{len(done.drill.problems)} problems" if done.drill.problems else "everything came back",
        metadata={**scalars(done.row), **_problems(done.drill.problems)},
    )


make_backup: Final = dg.define_asset_job(
    "make_backup",
    selection=dg.AssetSelection.assets(backups).without_checks()
    | dg.AssetSelection.checks(dg.AssetCheckKey(backups.key, _COMPLETE)),
    description="Back the home up into the repository of the settings. Runs every night.",
    tags=work_tags("backup"),
    executor_def=dg.in_process_executor,
)

drill_backup: Final = dg.define_asset_job(
    "drill_backup",
    selection=dg.AssetSelection.checks(drill_restores),
    description="Restore the newest backup into a scratch folder and compare it. Runs every Sunday.",
    tags=work_tags("backup"),
    executor_def=dg.in_process_executor,
)


@dg.schedule(
    name="backup_every_night",
    job=make_backup,
    cron_schedule=EVERY_NIGHT,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description=f"Backs the home up at 01:30 UTC, where {SETTINGS_FILE} names a place.",
)
def backup_schedule(home: HomeResource) -> dg.RunRequest | dg.SkipReason:
    """One run a night."""
    return _request(home.home)


@dg.schedule(
    name="drill_every_sunday",
    job=drill_backup,
    cron_schedule="0 3 * * 0",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description=f"Restores the newest backup at 03:00 UTC on Sundays, where {SETTINGS_FILE} names a place.",
)
def drill_schedule(home: HomeResource) -> dg.RunRequest | dg.SkipReason:
    """One run a week."""
    return _request(home.home)


def _request(home: Home) -> dg.RunRequest | dg.SkipReason:
    if load_settings(home).backup.destination is None:
        return dg.SkipReason(_NO_DESTINATION)
    return dg.RunRequest()


def _figures(done: BackupRun) -> RawMetadata:
    forgotten = len(done.forgotten.names) if isinstance(done.forgotten, Forgotten) else 0
    left_out = len(done.backup.snapshot.left_out)
    return {**scalars(done.row), "left_out": left_out, "old_backups_removed": forgotten}


def _problems(remarks: tuple[Remark, ...]) -> RawMetadata:
    rows = [{"path": remark.path, "what": remark.what} for remark in remarks]
    return {"found": table(rows, columns=("path", "what"))} if rows else {}
