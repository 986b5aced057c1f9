"""The partition dimensions, and the edges between them.

`video` is one dynamic dimension for golds and trainees, shared by four assets. A key is never deleted, so its
place in the order of registration is for ever, and keys that were registered together stay neighbours: a
batch is the range between its first and its last key.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import dagster as dg

from sopilot_assets.errors import ConfigError
from sopilot_assets.store.home import PartitionKey

_RANGE_AT_WORK: Final[ContextVar[tuple[dg.PartitionKeyRange, Sequence[str]] | None]] = ContextVar(
    "range_at_work", default=None
)


class VideoPartitions(dg.DynamicPartitionsDefinition):
    """The dynamic dimension `video`, which can hold on to the keys of one range.

    Dagster asks for the keys of the run's range again with every piece of metadata, and reads all registered
    keys to answer. With 10,000 of them that costs as much as storing the metadata.
    """

    def get_partition_keys_in_range(self, partition_key_range: dg.PartitionKeyRange) -> Sequence[str]:
        """The registered keys from the range's start to its end, in the order of registration."""
        known = _RANGE_AT_WORK.get()
        if known is not None and known[0] == partition_key_range:
            return known[1]
        return super().get_partition_keys_in_range(partition_key_range)


VIDEO: Final = VideoPartitions(name="video")
TASK: Final = dg.DynamicPartitionsDefinition(name="task")
STUDY: Final = dg.DynamicPartitionsDefinition(name="study")
CAMPAIGN: Final = dg.DynamicPartitionsDefinition(name="campaign")

BACKFILL_KEYS_VARIABLE: Final = "SOPILOT_BACKFILL_KEYS"


LARGEST_RUN: Final = 500
"""The most partitions of one run of a backfill."""

NEIGHBOURS_TOGETHER: Final = dg.BackfillPolicy.multi_run(max_partitions_per_run=LARGEST_RUN)
"""A backfill has a run for each stretch of neighbours.

Dagster's dialog says "all partitions in a single run" of the policy of that name, which makes as many runs
when the partitions are no neighbours; of this one it says "multiple runs".
"""


def backfill_policy(environment: Mapping[str, str]) -> dg.BackfillPolicy:
    """How a backfill of recordings is cut into runs: one for each stretch of neighbours, or runs of so many
    keys, so that several workers share it.

    >>> backfill_policy({"SOPILOT_BACKFILL_KEYS": "200"}).max_partitions_per_run
    200
    """
    keys = environment.get(BACKFILL_KEYS_VARIABLE)
    if not keys:
        return NEIGHBOURS_TOGETHER
    if not keys.isdecimal() or int(keys) == 0:
        raise ConfigError(
            f"{BACKFILL_KEYS_VARIABLE}={keys!r}: expected how many recordings one run of a backfill takes, a "
            "whole number above 0. Correct the variable, or unset it."
        )
    return dg.BackfillPolicy.multi_run(max_partitions_per_run=int(keys))


RECORDINGS_BACKFILL: Final = backfill_policy(os.environ)
"""Of all assets that are partitioned by recording: stations of different policies do not share a run."""

NO_PARTITION_OF: Final = dg.SpecificPartitionsPartitionMapping([])
"""Lineage between the dimensions without a claim about single partitions.

Which golds made a reference, and which reference a score used, is said by `stale_scores`, exactly. Dagster
could only say "all of them" here (left out, it would pair keys of the same name): one new trainee would show
every reference as stale, and a new reference of one task the alignments of all others.
"""


@contextmanager
def range_held(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Hold on to the keys of this run's range meanwhile; keys are never deleted, so they cannot change."""
    token = _RANGE_AT_WORK.set((context.partition_key_range, tuple(context.partition_keys)))
    try:
        yield
    finally:
        _RANGE_AT_WORK.reset(token)


def video_keys(context: dg.AssetExecutionContext) -> list[PartitionKey]:
    """The partitions of this run, one or a range, in the order of their registration."""
    return [PartitionKey.parse(key) for key in context.partition_keys]


def task_ids(keys: Sequence[PartitionKey]) -> list[str]:
    """The tasks that these videos belong to, sorted, each once.

    >>> gold, trainee = PartitionKey("b", "gold", "0" * 12), PartitionKey("a", "trainee", "1" * 12)
    >>> task_ids([gold, trainee, gold])
    ['a', 'b']
    """
    return sorted({key.task_id for key in keys})
