"""Station 2: clip embeddings, by the model that the task asks for."""

import dagster as dg

from sopilot_assets.defs.partitions import RECORDINGS_BACKFILL, VIDEO, video_keys
from sopilot_assets.defs.publish import in_ledger, progress, publish_outcomes
from sopilot_assets.defs.recordings.captured_videos import captured_videos
from sopilot_assets.defs.resources import ClockResource, HomeResource, LimitsResource, Watcher
from sopilot_assets.defs.runs import STATION
from sopilot_assets.stations.clip_embeddings import embed_videos, embeddings_ledger


@dg.asset(
    deps=[captured_videos],
    description=(
        "Feature blocks of each two-second clip, with the identity of the model that made them. "
        "An embedding that the same model made of the same bytes is used again."
    ),
    group_name="scoring",
    kinds={"onnx", "numpy"},
    owners=["team:operations"],
    code_version="embedding-1",
    metadata=in_ledger(embeddings_ledger),
    partitions_def=VIDEO,
    backfill_policy=RECORDINGS_BACKFILL,
    tags={STATION: "2"},
)
def clip_embeddings(
    context: dg.AssetExecutionContext,
    home: HomeResource,
    limits: LimitsResource,
    clock: ClockResource,
    watcher: dg.ResourceParam[Watcher],
) -> None:
    """One file a recording below ``embeddings/<model>/``."""
    outcomes = embed_videos(
        home.home,
        video_keys(context),
        processes=limits.worker_processes,
        run_id=context.run.run_id,
        written_at=clock.written_at,
        on_progress=progress(context, watcher, "embedded"),
    )
    publish_outcomes(context, outcomes, home=home.home)
