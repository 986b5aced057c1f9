"""Materializations that are recorded while an asset is still at work, as one batch."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from dagster import AssetExecutionContext, AssetMaterialization
from dagster._core.events import DagsterEvent, DagsterEventBatchMetadata


def record_now(context: AssetExecutionContext, made: Sequence[AssetMaterialization]) -> None:
    """Record what was made, of this or other assets. What an asset itself logs or yields is stored
    at its end, or one by one.
    """
    step = context.op_execution_context.get_step_execution_context()
    batch_id = str(uuid4())
    for number, one in enumerate(made, start=1):
        last = DagsterEventBatchMetadata(batch_id, is_end=number == len(made))
        DagsterEvent.asset_materialization(step, one, last)
