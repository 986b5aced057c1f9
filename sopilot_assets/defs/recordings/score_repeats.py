"""Repeats from the web page: how much scores depend on where the sampling grid lies, or on nothing at all."""

import dagster as dg
from pydantic import Field

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.defs.partitions import NO_PARTITION_OF
from sopilot_assets.defs.publish import in_folder, progress, rows_in, table
from sopilot_assets.defs.recordings.scores import scores
from sopilot_assets.defs.resources import ClockResource, HomeResource, LimitsResource, Watcher

with at_first_use():
    from sopilot_assets.stations import score_repeats as repeats


class Repetition(dg.Config):
    """Which scores to repeat; without any choice a few of those that lack a repeat."""

    recordings: list[str] = Field(
        default=[], description="Partition keys, video ids or file names. Empty: what has no repeats yet."
    )
    task: str = Field(default="", description="Only recordings of this task; empty: all tasks.")
    phases_s: list[float] = Field(
        default=[],
        description="Seconds by which sampling begins later; 0: an exact repeat. Empty: as studies need.",
    )
    most: int = Field(default=30, ge=1, description="At most so many recordings.")


@dg.asset(
    deps=[dg.AssetDep(scores, partition_mapping=NO_PARTITION_OF)],
    description=(
        "Scores computed once more, exactly and with a shifted sampling grid, and how far they differ from "
        "the stored ones. Studies judge the repeatability by them; the scores themselves stay."
    ),
    group_name="scoring",
    kinds={"parquet"},
    owners=["team:quality"],
    code_version="repeats-1",
    metadata=in_folder("ledgers", "repeats"),
)
def score_repeats(
    context: dg.AssetExecutionContext,
    config: Repetition,
    home: HomeResource,
    limits: LimitsResource,
    clock: ClockResource,
    watcher: dg.ResourceParam[Watcher],
) -> dg.MaterializeResult[None]:
    """Rows in the ledger ``repeats``; a repeat is measured only once."""
    phases_s = config.phases_s or list(repeats.PHASES_S)
    keys = repeats.chosen_for_repeats(
        home.home, config.recordings, task_id=config.task or None, phases_s=phases_s
    )[: config.most]
    outcomes = repeats.measure_repeats(
        home.home,
        keys,
        phases_s=phases_s,
        processes=limits.worker_processes,
        run_id=context.run.run_id,
        written_at=clock.written_at,
        on_progress=progress(context, watcher, "repeated"),
    )
    for outcome in outcomes:
        if outcome.problem is not None:
            message = f"{outcome.key}: {outcome.problem}"
            context.log.warning(message)
    summary = repeats.repeat_summary(home.home, sorted({key.task_id for key in keys}))
    return dg.MaterializeResult(
        metadata={
            "recordings": len(keys),
            "repeats": len(outcomes),
            **rows_in(repeats.repeats_ledger(home.home)),
            **({"by_task": table(summary, columns=tuple(summary[0]))} if summary else {}),
        }
    )
