"""Runs: the tags by which they are known, and how they end.

The names of tags stand in the databases of existing homes, so they stay as they are.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import dagster as dg

# Dagster's own tags
PARTITION: Final = "dagster/partition"
RANGE_START: Final = "dagster/asset_partition_range_start"
RANGE_END: Final = "dagster/asset_partition_range_end"
MAX_RETRIES: Final = "dagster/max_retries"
MAX_RUNTIME: Final = "dagster/max_runtime"
PARENT_RUN: Final = "dagster/parent_run_id"

# ours
WORK: Final = "sopilot/work"
"""What kind of work a job is, for limits in ``dagster.yaml``."""
STATION: Final = "sopilot/station"
"""The place of an asset in the way of a recording, from the sensor (0) to the score (5)."""
NEW_KEYS: Final = "sopilot/new_recordings"
"""The new recordings, as ranges, that a run without partitions has found and is scoring."""
CAMPAIGN_TAG: Final = "sopilot/campaign"
CYCLE_TAG: Final = "sopilot/cycle"
"""The campaign, and its cycle, of a run of a campaign and of the runs that its steps make."""

FINISHED: Final = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
UNFINISHED: Final = tuple(
    status for status in dg.DagsterRunStatus if status not in (*FINISHED, dg.DagsterRunStatus.NOT_STARTED)
)
"""Of runs that wait or are at work. One that is not started was made and never handed to the queue, since its
launch was refused or died: nobody starts it any more, and it holds up nothing.
"""

ONE_HOUR_S: Final = 3600
TWO_HOURS_S: Final = 7200
SIX_HOURS_S: Final = 21600
LATE_H: Final = 3
"""Hours after its schedule from which on Dagster shows what is made every night as late."""


def due_after(every_night: str) -> dg.FreshnessPolicy:
    """What is made every night, by a schedule at this minute and hour (UTC), is late `LATE_H` hours after.

    >>> due_after("40 2 * * *").deadline_cron
    '40 5 * * *'
    """
    minute, hour, rest = every_night.split(" ", 2)
    return dg.FreshnessPolicy.cron(
        deadline_cron=f"{minute} {int(hour) + LATE_H} {rest}", lower_bound_delta=timedelta(hours=LATE_H)
    )


def work_tags(work: str, *, retries: int = 2, longest_s: int | None = SIX_HOURS_S) -> dict[str, str]:
    """The tags of a job: its kind of work, how often Dagster starts a run that died again, and after how many
    seconds it ends one.

    Every asset can be made again at any point, so a run that died is simply started anew.

    >>> work_tags("daily", longest_s=ONE_HOUR_S)
    {'sopilot/work': 'daily', 'dagster/max_retries': '2', 'dagster/max_runtime': '3600'}
    """
    limit = {} if longest_s is None else {MAX_RUNTIME: str(longest_s)}
    return {WORK: work, MAX_RETRIES: str(retries), **limit}
