"""Which trainee recordings could become golds."""

import dagster as dg

from sopilot_assets.defs.partitions import NEIGHBOURS_TOGETHER, NO_PARTITION_OF, TASK
from sopilot_assets.defs.publish import table
from sopilot_assets.defs.recordings.scores import scores
from sopilot_assets.defs.resources import HomeResource
from sopilot_assets.stations.gold_candidates import candidate_rows
from sopilot_assets.stations.gold_candidates import gold_candidates as station


@dg.asset(
    deps=[dg.AssetDep(scores, partition_mapping=NO_PARTITION_OF)],
    description=(
        "The trainee recordings of a task that blind labels call right and that are no golds yet, and what "
        "each would lift: a person whom no gold shows, a site that no gold is from. The job promote_gold "
        "makes a gold of one."
    ),
    group_name="scoring",
    kinds={"parquet"},
    owners=["team:training"],
    code_version="candidates-1",
    partitions_def=TASK,
    backfill_policy=NEIGHBOURS_TOGETHER,
)
def gold_candidates(context: dg.AssetExecutionContext, home: HomeResource) -> None:
    """A table for each task; nothing is written."""
    for task_id in context.partition_keys:
        rows = candidate_rows(station(home.home, task_id))
        listed = {"to_promote": table(rows, columns=tuple(rows[0]))} if rows else {}
        context.add_asset_metadata({"candidates": len(rows), **listed}, partition_key=task_id)
