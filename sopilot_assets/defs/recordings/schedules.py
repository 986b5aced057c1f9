"""Schedules: the checks also run without new recordings, since a new version or an edited task makes scores
stale by itself.
"""

from typing import Final

import dagster as dg

from sopilot_assets.defs.recordings.checks import CHECKS

check_everything: Final = dg.define_asset_job(
    "check_everything",
    selection=dg.AssetSelection.checks(*CHECKS),
    description="Evaluate all checks, without new recordings. Runs every morning.",
    executor_def=dg.in_process_executor,
)

every_morning: Final = dg.ScheduleDefinition(
    name="check_every_morning",
    job=check_everything,
    cron_schedule="0 5 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Evaluates all checks at 05:00 UTC.",
)

SCHEDULES: Final = (every_morning,)
