"""Station 1: what intake recorded about each recording."""

import dagster as dg

from sopilot_assets.capture.ledgers import videos_ledger
from sopilot_assets.defs.partitions import RECORDINGS_BACKFILL, VIDEO, video_keys
from sopilot_assets.defs.publish import in_ledger, publish_outcomes
from sopilot_assets.defs.resources import HomeResource
from sopilot_assets.defs.runs import STATION
from sopilot_assets.stations.captured_videos import describe_videos


@dg.asset(
    description=(
        "The recordings that intake accepted, each stored once under its content hash, with its probe and "
        "quality report. "
        "The capture sensor registers a partition for every one of them."
    ),
    group_name="scoring",
    kinds={"file", "parquet"},
    owners=["team:operations"],
    code_version="captured-1",
    metadata=in_ledger(videos_ledger),
    partitions_def=VIDEO,
    backfill_policy=RECORDINGS_BACKFILL,
    tags={STATION: "1"},
)
def captured_videos(context: dg.AssetExecutionContext, home: HomeResource) -> None:
    """One row a recording in the ledger ``videos``, and its file below ``videos/``."""
    publish_outcomes(context, describe_videos(home.home, video_keys(context)), home=home.home)
