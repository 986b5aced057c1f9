"""Which recordings have a partition, which of them still need a run, and which runs tried."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import dagster as dg
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunRecord, RunsFilter

from sopilot_assets.capture.registry import Registry
from sopilot_assets.defs.batches import Attempt, Batch, plan_batches
from sopilot_assets.defs.jobs import score_new_recordings
from sopilot_assets.defs.partitions import TASK, VIDEO
from sopilot_assets.defs.scores import scores
from sopilot_assets.operations.embed import embeddings_ledger
from sopilot_assets.operations.references import references_ledger
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home

RANGE_START: Final = "dagster/asset_partition_range_start"
RANGE_END: Final = "dagster/asset_partition_range_end"

_PARTITION: Final = "dagster/partition"
_PARENT_RUN: Final = "dagster/parent_run_id"
_FINISHED: Final = (DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)
_MEMORY: Final = timedelta(days=14)
_MOST_RUNS: Final = 500


def register_recordings(instance: DagsterInstance, home: Home) -> int:
    """Give every active recording of the ledger its partition, and its task too; returns how many are new.

    All keys go in together, so that they are neighbours, golds before trainees of the same task. Recordings that the
    command line took in, or that a killed sensor left without a partition, are found here as well.
    """
    recordings = sorted(entry.key for entry in Registry.read(home).entries.values())
    known = set(instance.get_dynamic_partitions(str(VIDEO.name)))
    fresh = [key for key in recordings if key not in known]
    if fresh:
        tasks = sorted({entry.task_id for entry in Registry.read(home).entries.values()})
        instance.add_dynamic_partitions(str(TASK.name), tasks)
        instance.add_dynamic_partitions(str(VIDEO.name), fresh)
    return len(fresh)


def due_batches(instance: DagsterInstance, home: Home, *, now: datetime, largest: int) -> list[Batch]:
    """The runs to launch now, for the registered recordings that have no score, or could not have one before their task's first reference was made."""
    registered = instance.get_dynamic_partitions(str(VIDEO.name))
    retired = set(registered) - {entry.key for entry in Registry.read(home).entries.values()}
    scored = instance.get_materialized_partitions(scores.key) - set(scored_without_reference(home))
    if scored | retired >= set(registered):
        return []
    return plan_batches(
        registered, done=scored | retired, attempts=_attempts(instance, now), now_s=now.timestamp(), largest=largest
    )
