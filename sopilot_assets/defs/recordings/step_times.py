"""Beside the scores: how long each step of each recording took."""

import dagster as dg

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.defs.partitions import RECORDINGS_BACKFILL, VIDEO, video_keys
from sopilot_assets.defs.publish import in_ledger, publish_outcomes
from sopilot_assets.defs.recordings.scores import scores
from sopilot_assets.defs.resources import HomeResource
from sopilot_assets.defs.runs import STATION
from sopilot_assets.times.ledger import step_times_ledger, times_version

with at_first_use():
    from sopilot_assets.stations import step_times as station


@dg.asset(
    name="step_times",
    deps=[scores],
    description=(
        "How long each step of a recording took, from when to when, beside the golds' shortest, usual and "
        "longest time; what was done once more, and waiting. Scoring writes them down in the ledger "
        "step_times, since it has the alignment at hand; they are shown here."
    ),
    group_name="scoring",
    kinds={"parquet", "duckdb"},
    owners=["team:training"],
    code_version=times_version(),
    metadata=in_ledger(step_times_ledger),
    partitions_def=VIDEO,
    backfill_policy=RECORDINGS_BACKFILL,
    tags={STATION: "6"},
)
def step_times_asset(context: dg.AssetExecutionContext, home: HomeResource) -> None:
    """The rows of the ledger ``step_times``, a table and a picture a recording."""
    outcomes = station.step_times(home.home, video_keys(context))
    publish_outcomes(context, outcomes, home=home.home, table_name="times")
