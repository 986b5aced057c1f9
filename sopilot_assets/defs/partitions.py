"""The two partition dimensions, and the edge between them.

`video` is one dynamic dimension for golds and trainees, shared by four assets. A key is never deleted, so its place in the order of registration is for ever, and keys that
were registered together stay neighbours: a batch is the range between its first and its last key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import dagster as dg

from sopilot_assets.store.home import PartitionKey

VIDEO: Final = dg.DynamicPartitionsDefinition(name="video")
TASK: Final = dg.DynamicPartitionsDefinition(name="task")

NO_PARTITION_OF: Final = dg.SpecificPartitionsPartitionMapping([])
"""Lineage between the dimensions without a claim about single partitions.

Which golds made a reference, and which reference a score used, is said by `stale_scores`, exactly. Dagster can only say "all of them" here (left out, it would even pair keys of the same
name): one new trainee would show every reference as stale, and a new reference of one task the alignments of all others.
"""


def video_keys(context: dg.AssetExecutionContext) -> list[PartitionKey]:
    """The partitions of this run, one or a range, in the order of their registration."""
    return [PartitionKey.parse(key) for key in context.partition_keys]


def task_ids(keys: Sequence[PartitionKey]) -> list[str]:
    """The tasks that these videos belong to, sorted, each once.

    >>> task_ids([PartitionKey("b", "gold", "0" * 12), PartitionKey("a", "trainee", "1" * 12), PartitionKey("b", "gold", "2" * 12)])
    ['a', 'b']
    """
    return sorted({key.task_id for key in keys})
