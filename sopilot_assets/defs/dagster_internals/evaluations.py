"""The newest evaluations of asset checks, of each partition where a check has partitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dagster import AssetCheckEvaluation, AssetCheckKey, DagsterInstance
from dagster._core.event_api import PartitionKeyFilter


def newest_evaluations(
    instance: DagsterInstance, partitions: Mapping[AssetCheckKey, Sequence[str]]
) -> list[AssetCheckEvaluation]:
    """The newest evaluation of each check, and of each of its ``partitions``; none of what is under way or
    never came to a result. One from before its check had partitions counts until there is a newer one.
    """
    found = [*_newest(instance, list(partitions), None)]
    for key, names in partitions.items():
        for name in names:
            found += _newest(instance, [key], PartitionKeyFilter(key=name))
    return list({(one.asset_check_key, one.partition): one for one in found}.values())


def _newest(
    instance: DagsterInstance, keys: Sequence[AssetCheckKey], only: PartitionKeyFilter | None
) -> Iterator[AssetCheckEvaluation]:
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys, only)
    for record in records.values():
        evaluation = record.evaluation if record.event is not None else None
        if isinstance(evaluation, AssetCheckEvaluation):
            yield evaluation
