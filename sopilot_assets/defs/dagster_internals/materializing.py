"""Materializations that are recorded while an asset is still at work, as one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import uuid4

from dagster import AssetExecutionContext, AssetMaterialization, AssetsDefinition
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_TAG,
    DEFAULT_DATA_VERSION,
    NULL_EVENT_POINTER,
    extract_data_version_from_entry,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
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


def made_from(context: AssetExecutionContext, asset: AssetsDefinition) -> Mapping[str, str]:
    """The tags of what is made of another asset now: by which code, as which version, and from what, as a run
    over its partitions has them. Without them the page calls it out of step with what it was made from.
    """
    above = asset.asset_deps[asset.key]
    records = context.instance.get_asset_records(list(above))
    newest = {one.asset_entry.asset_key: one.asset_entry.last_materialization_record for one in records}
    tags = {
        CODE_VERSION_TAG: asset.code_versions_by_key[asset.key] or "",
        DATA_VERSION_TAG: context.run.run_id,
    }
    for key in above:
        record = newest.get(key)
        version = extract_data_version_from_entry(record.event_log_entry) if record else None
        tags[get_input_data_version_tag(key)] = (version or DEFAULT_DATA_VERSION).value
        tags[get_input_event_pointer_tag(key)] = str(record.storage_id) if record else NULL_EVENT_POINTER
    return tags
