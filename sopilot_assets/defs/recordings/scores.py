"""Station 5: deviations, score and decision, with a review page a recording."""

import dagster as dg

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.defs.partitions import RECORDINGS_BACKFILL, VIDEO, video_keys
from sopilot_assets.defs.publish import in_ledger, progress, publish_outcomes
from sopilot_assets.defs.recordings.alignments import alignments
from sopilot_assets.defs.resources import ClockResource, HomeResource, LimitsResource, Watcher
from sopilot_assets.defs.runs import STATION
from sopilot_assets.scoring.ledger import algorithm_version, scores_ledger

with at_first_use():
    from sopilot_assets.stations import adoptions
    from sopilot_assets.stations import scores as station


@dg.asset(
    deps=[alignments],
    description=(
        "A score from 0 to 100, a decision with its reason, and the deviations with timecodes in both "
        "videos. "
        "A recording that cannot be scored has a row with the reason. Golds are scored too, against the "
        "other golds: that is the noise floor."
    ),
    group_name="scoring",
    kinds={"parquet", "duckdb"},
    owners=["team:training", "team:operations"],
    code_version=algorithm_version(),
    metadata=in_ledger(scores_ledger),
    partitions_def=VIDEO,
    backfill_policy=RECORDINGS_BACKFILL,
    tags={STATION: "5"},
)
def scores(
    context: dg.AssetExecutionContext,
    home: HomeResource,
    limits: LimitsResource,
    clock: ClockResource,
    watcher: dg.ResourceParam[Watcher],
) -> None:
    """One row a recording in the ledger ``scores``, and its page below ``reviews/``."""
    for lapsed in adoptions.lapse_drifting(home.home, run_id=context.run.run_id, written_at=clock.written_at):
        context.log.warning(lapsed)
    outcomes = station.score_videos(
        home.home,
        video_keys(context),
        run_id=context.run.run_id,
        written_at=lambda: clock.written_at,
        processes=limits.worker_processes,
        on_progress=progress(context, watcher, "scored"),
    )
    publish_outcomes(context, outcomes, home=home.home, table_name="deviations")
