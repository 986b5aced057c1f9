"""Station 4: each recording against the golds of its task."""

import dagster as dg

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.defs.partitions import (
    NO_PARTITION_OF,
    RECORDINGS_BACKFILL,
    VIDEO,
    task_ids,
    video_keys,
)
from sopilot_assets.defs.publish import in_folder, progress, publish_outcomes
from sopilot_assets.defs.recordings.clip_embeddings import clip_embeddings
from sopilot_assets.defs.references.gold_references import gold_references, log_refreshed
from sopilot_assets.defs.resources import ClockResource, HomeResource, LimitsResource, Watcher
from sopilot_assets.defs.runs import STATION
from sopilot_assets.scoring.ledger import algorithm_version

with at_first_use():
    from sopilot_assets.stations import alignments as station
    from sopilot_assets.stations import gold_references as references_station


@dg.asset(
    deps=[clip_embeddings, dg.AssetDep(gold_references, partition_mapping=NO_PARTITION_OF)],
    description=(
        "The dynamic time warping path and the best explanation of each recording by its task's steps, each "
        "edit of the procedure with its log-odds. "
        "Golds are aligned against the other golds."
    ),
    group_name="scoring",
    kinds={"numpy"},
    owners=["team:operations"],
    code_version=algorithm_version(),
    metadata=in_folder("alignments"),
    partitions_def=VIDEO,
    backfill_policy=RECORDINGS_BACKFILL,
    tags={STATION: "4"},
)
def alignments(
    context: dg.AssetExecutionContext,
    home: HomeResource,
    limits: LimitsResource,
    clock: ClockResource,
    watcher: dg.ResourceParam[Watcher],
) -> None:
    """One file a recording below ``alignments/<reference>/``; references come first, so that golds and
    trainees of one batch go through in one run.
    """
    keys = video_keys(context)
    references = references_station.refresh_references(
        home.home, task_ids(keys), run_id=context.run.run_id, written_at=clock.written_at
    )
    log_refreshed(context, references)
    outcomes = station.align_videos(
        home.home, keys, processes=limits.worker_processes, on_progress=progress(context, watcher, "aligned")
    )
    publish_outcomes(context, outcomes, home=home.home, table_name="spans")
