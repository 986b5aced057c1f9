"""Station 3: what the golds of a task say."""

from collections.abc import Sequence

import dagster as dg

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.defs.partitions import NEIGHBOURS_TOGETHER, NO_PARTITION_OF, TASK
from sopilot_assets.defs.publish import in_ledger, reference_metadata
from sopilot_assets.defs.recordings.clip_embeddings import clip_embeddings
from sopilot_assets.defs.resources import ClockResource, HomeResource
from sopilot_assets.defs.runs import STATION
from sopilot_assets.reference.ledger import references_ledger
from sopilot_assets.scoring.ledger import algorithm_version
from sopilot_assets.stations.outcome import ReferenceOutcome

with at_first_use():
    from sopilot_assets.stations import gold_references as station


@dg.asset(
    deps=[dg.AssetDep(clip_embeddings, partition_mapping=NO_PARTITION_OF)],
    description=(
        "The reference of each task: step evidence, durations and legal orders, made from its golds. "
        "A run with new golds refreshes it by itself, before it aligns anything; by hand it is refreshed "
        "here, one partition a task."
    ),
    group_name="scoring",
    kinds={"scikitlearn", "numpy"},
    owners=["team:training"],
    code_version=algorithm_version(),
    metadata=in_ledger(references_ledger),
    partitions_def=TASK,
    backfill_policy=NEIGHBOURS_TOGETHER,
    tags={STATION: "3"},
)
def gold_references(context: dg.AssetExecutionContext, home: HomeResource, clock: ClockResource) -> None:
    """One file a version of a reference below ``references/<task>/``."""
    for reference in station.refresh_references(
        home.home, context.partition_keys, run_id=context.run.run_id, written_at=clock.written_at
    ):
        context.add_asset_metadata(reference_metadata(reference), partition_key=reference.task_id)


def log_refreshed(context: dg.AssetExecutionContext, references: Sequence[ReferenceOutcome]) -> None:
    """Record changed references as materializations of `gold_references` within another asset's run."""
    for reference in references:
        if reference.changed:
            context.log_event(
                dg.AssetMaterialization(
                    gold_references.key, partition=reference.task_id, metadata=reference_metadata(reference)
                )
            )
        if reference.problem is not None:
            message = f"reference of {reference.task_id}: {reference.problem}"
            context.log.warning(message)
