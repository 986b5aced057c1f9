"""Promotions from the web page: a trainee recording becomes a gold of its task, or a trainee's again."""

from pathlib import Path
from typing import Literal

import dagster as dg
from pydantic import Field

from sopilot_assets.capture.promotions import promotions_ledger
from sopilot_assets.capture.registry import file_names, find_key
from sopilot_assets.defs.partitions import NO_PARTITION_OF
from sopilot_assets.defs.publish import in_ledger, rows_in
from sopilot_assets.defs.recordings.scores import scores
from sopilot_assets.defs.resources import ClockResource, HomeResource
from sopilot_assets.stations.gold_promotions import demote_recording, promote_recording
from sopilot_assets.store.home import PartitionKey


class PromotionOrder(dg.Config):
    """Which recording is promoted or demoted, by whom and why."""

    recording: str = Field(description="Its partition key, video id or file name.")
    change: Literal["promote", "demote"] = Field(
        default="promote", description="demote: a promoted recording is a trainee's again."
    )
    by: str = Field(description="The id of the person who decides, without spaces.")
    reason: str = Field(description="Why, for those who look later.")
    steps_file: str = Field(
        default="",
        description="A file with its steps, as in steps.csv. Empty: those that the scoring found.",
    )


@dg.asset(
    deps=[dg.AssetDep(scores, partition_mapping=NO_PARTITION_OF)],
    description=(
        "The last promotion or demotion from the web page. A trainee recording that blind labels call right "
        "becomes a gold of its task, with the steps that were confirmed; the sensor golds then makes the "
        "reference and the scores again."
    ),
    group_name="scoring",
    kinds={"parquet"},
    owners=["team:training"],
    code_version="promotions-1",
    metadata=in_ledger(promotions_ledger),
)
def gold_promotions(
    context: dg.AssetExecutionContext, config: PromotionOrder, home: HomeResource, clock: ClockResource
) -> dg.MaterializeResult[None]:
    """An event in the ledger ``promotions``; refused with the reason where the recording cannot be a gold."""
    names = file_names(home.home)
    key = PartitionKey.parse(find_key(config.recording, names))
    who, why, at, run_id = config.by, config.reason, clock.now(), context.run.run_id
    if config.change == "demote":
        event = demote_recording(home.home, key, who=who, why=why, at=at, run_id=run_id)
    else:
        steps = Path(config.steps_file) if config.steps_file else None
        event = promote_recording(home.home, key, who=who, why=why, at=at, run_id=run_id, steps_file=steps)
    return dg.MaterializeResult(
        metadata={
            "key": str(key),
            "file": names[str(key)],
            "change": config.change if event else "none: it is so already",
            "by": config.by,
            "reason": config.reason,
            **rows_in(promotions_ledger(home.home)),
        }
    )
