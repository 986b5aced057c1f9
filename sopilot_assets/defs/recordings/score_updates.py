"""Rescoring from the web page: one run that mends any selection of what is out of date.

A run of Dagster covers one stretch of partitions, so a backfill of scattered recordings is a run for each of
them. The run here has no partitions: it finds out itself which recordings need what, and records their
results as materializations of the partitions that they belong to.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

import dagster as dg
from pydantic import Field

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.defs.dagster_internals.materializing import made_from, record_now
from sopilot_assets.defs.partitions import NO_PARTITION_OF, VIDEO
from sopilot_assets.defs.publish import RawMetadata, ShownHome, outcome_metadata, progress, table
from sopilot_assets.defs.recordings.alignments import alignments
from sopilot_assets.defs.recordings.captured_videos import captured_videos
from sopilot_assets.defs.recordings.clip_embeddings import clip_embeddings
from sopilot_assets.defs.recordings.pending import keys_at_work, register_recordings
from sopilot_assets.defs.recordings.rescoring_plan import rescoring_plan_asset
from sopilot_assets.defs.recordings.scores import scores
from sopilot_assets.defs.recordings.step_times import step_times_asset
from sopilot_assets.defs.references.gold_references import log_refreshed
from sopilot_assets.defs.resources import ClockResource, HomeResource, LimitsResource, Watcher
from sopilot_assets.defs.runs import NEW_KEYS
from sopilot_assets.scoring.ledger import algorithm_version
from sopilot_assets.stations.key_ranges import contiguous_ranges
from sopilot_assets.stations.outcome import Progress, StationOutcome
from sopilot_assets.stations.rescoring_plan import (
    ScoringStart,
    ScoringWork,
    plan_scoring,
)
from sopilot_assets.store.publish import only_writer

with at_first_use():
    from sopilot_assets.stations import adoptions
    from sopilot_assets.stations import score_updates as updates

_STATIONS: Final = {
    asset.key.path[-1]: asset
    for asset in (captured_videos, clip_embeddings, alignments, scores, step_times_asset)
}


class Selection(dg.Config):
    """Which recordings to bring up to date; without any choice all whose score is missing or out of date."""

    recordings: list[str] = Field(
        default=[], description="Partition keys, video ids or file names. Empty: as `which` says."
    )
    which: Literal["stale", "new", "all"] = Field(
        default="stale",
        description="stale: score missing or out of date; new: without a score; all: up to date or not.",
    )
    task: str = Field(default="", description="Only recordings of this task; empty: all tasks.")


@dg.asset(
    deps=[rescoring_plan_asset, dg.AssetDep(alignments, partition_mapping=NO_PARTITION_OF)],
    description=(
        "What the last rescoring did: each score and decision before and after. Materializing it brings "
        "every score that is missing or out of date up to date, or a selection (launchpad), in one run; the "
        "results appear at the partitions of alignments, scores and step_times."
    ),
    group_name="scoring",
    kinds={"parquet", "duckdb"},
    owners=["team:training", "team:operations"],
    code_version=algorithm_version(),
)
def score_updates(
    context: dg.AssetExecutionContext,
    config: Selection,
    home: HomeResource,
    limits: LimitsResource,
    clock: ClockResource,
    watcher: dg.ResourceParam[Watcher],
) -> dg.MaterializeResult[None]:
    """One update at a time; a second run waits, and then finds what is left to do."""
    with only_writer(home.home.ledgers / "score_updates.lock"):
        for lapsed in adoptions.lapse_drifting(
            home.home, run_id=context.run.run_id, written_at=clock.written_at
        ):
            context.log.warning(lapsed)
        work = _work(context, config, home, clock)
        shown = ShownHome.of(home.home)
        before = updates.scores_before(home.home, work)
        scored: list[StationOutcome] = []
        for passed in updates.update_scores(
            home.home,
            work,
            at_once=limits.batch_keys,
            processes=limits.worker_processes,
            run_id=context.run.run_id,
            written_at=lambda: clock.written_at,
            says=_progress_of(context, watcher),
        ):
            log_refreshed(context, passed.references)
            record_now(context, list(_materializations(context, passed, shown)))
            if passed.station == updates.SCORED:
                scored += _without_pictures(passed.outcomes)
        return dg.MaterializeResult(
            metadata=_update_metadata(updates.changes(before, work, scored), work, shown)
        )


def _work(
    context: dg.AssetExecutionContext, config: Selection, home: HomeResource, clock: ClockResource
) -> list[ScoringWork]:
    """The work to do, told to the sensor and the log."""
    register_recordings(context.instance, home.home)
    registered = context.instance.get_dynamic_partitions(str(VIDEO.name))
    work = plan_scoring(
        home.home,
        names=config.recordings,
        task_id=config.task or None,
        stale=config.which == "stale",
        everything=config.which == "all",
        leave_out=keys_at_work(context.instance, registered, clock.now(), except_run=context.run.run_id),
    )
    unreferenced = updates.without_reference(home.home)
    new = [key for one in work for key in one.why if one.start is ScoringStart.NEW or key in unreferenced]
    if new:
        ranges = ",".join(f"{keys.start}...{keys.end}" for keys in contiguous_ranges(registered, new))
        context.instance.add_run_tags(context.run.run_id, {NEW_KEYS: ranges})
    for one in work:
        message = f"{one.start.value}: {len(one.why)} recordings"
        context.log.info(message)
    return work


def _progress_of(context: dg.AssetExecutionContext, watcher: Watcher) -> "updates.StationProgress":
    def says(doing: str, *, before: int, total: int) -> Progress:
        report = progress(context, watcher, doing)
        return lambda done, _: report(before + done, total)

    return says


def _materializations(
    context: dg.AssetExecutionContext, passed: "updates.Passed", shown: ShownHome
) -> Iterator[dg.AssetMaterialization]:
    asset = _STATIONS[passed.station]
    table_name = _TABLES.get(passed.station, "table")
    tags = made_from(context, asset)
    for outcome in passed.outcomes:
        yield dg.AssetMaterialization(
            asset.key,
            partition=str(outcome.key),
            metadata=outcome_metadata(outcome, shown, table_name=table_name),
            tags=tags,
        )


_TABLES: Final = {"alignments": "spans", "scores": "deviations", "step_times": "times"}


def _without_pictures(outcomes: Sequence[StationOutcome]) -> list[StationOutcome]:
    """What is needed later of many outcomes: not their pictures and tables, which take the memory."""
    return [StationOutcome(one.key, problem=one.problem, metadata=one.metadata) for one in outcomes]


def _update_metadata(
    changed: "Sequence[updates.ScoreChange]", work: Sequence[ScoringWork], home: ShownHome
) -> RawMetadata:
    reasons = Counter(reason for one in work for reason in one.why.values())
    differences = [abs(one.by) for one in changed if one.by is not None]
    rows = [home.with_file(one.row()) for one in changed]
    shown: Mapping[str, dg.TableMetadataValue] = (
        {"changes": table(rows, columns=tuple(rows[0]))} if rows else {}
    )
    return {
        "recordings": len(changed),
        "because": ", ".join(f"{count} {why}" for why, count in reasons.most_common()) or "nothing to do",
        "decisions_changed": sum(
            one.decision_before is not None and one.decision != one.decision_before for one in changed
        ),
        "without_score": sum(one.score is None for one in changed),
        "largest_change": round(max(differences, default=0.0), 6),
        **shown,
    }
