"""Checks: what has to hold for the home as a whole, evaluated once a batch, one step an asset.

None of them blocks: a single bad recording, or a task with too few golds, must not hold up the others.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

import dagster as dg

from sopilot_assets.defs.partitions import VIDEO
from sopilot_assets.defs.publish import table
from sopilot_assets.defs.recordings import findings
from sopilot_assets.defs.recordings.captured_videos import captured_videos
from sopilot_assets.defs.recordings.clip_embeddings import clip_embeddings
from sopilot_assets.defs.recordings.findings import Findings
from sopilot_assets.defs.recordings.score_updates import score_updates
from sopilot_assets.defs.recordings.scores import scores
from sopilot_assets.defs.resources import HomeResource

MOST_QUARANTINED: Final = 0.2

Questions: TypeAlias = Mapping[str, tuple[Callable[[], Findings], dg.AssetCheckSeverity]]

_WARN: Final = dg.AssetCheckSeverity.WARN
_ERROR: Final = dg.AssetCheckSeverity.ERROR


@dg.multi_asset_check(
    name="captured_videos_checks",
    can_subset=True,
    specs=[
        dg.AssetCheckSpec(
            "stored_files_are_intact",
            asset=captured_videos,
            description=(
                "Every active recording's file is there; a few are read again and have the hash they are "
                "stored under."
            ),
        ),
        dg.AssetCheckSpec(
            "few_files_are_quarantined",
            asset=captured_videos,
            description=(
                f"At most {MOST_QUARANTINED:.0%} of the last {findings.RECENT} dropped files were refused."
            ),
        ),
    ],
)
def captured_videos_checks(
    context: dg.AssetCheckExecutionContext, home: HomeResource
) -> Iterator[dg.AssetCheckResult]:
    """Stored files and quarantine."""
    questions = {
        "stored_files_are_intact": (
            lambda: findings.damaged_files(home.home, seed=context.run.run_id),
            _ERROR,
        ),
        "few_files_are_quarantined": (
            lambda: findings.quarantined_lately(home.home, most=MOST_QUARANTINED),
            _WARN,
        ),
    }
    yield from answers(context, questions)


@dg.multi_asset_check(
    name="clip_embeddings_checks",
    can_subset=True,
    specs=[
        dg.AssetCheckSpec(
            "one_model_a_task",
            asset=clip_embeddings,
            description=(
                "All recordings of a task were embedded by the same model; others are never compared."
            ),
        ),
        dg.AssetCheckSpec(
            "embeddings_are_finite",
            asset=clip_embeddings,
            description="A few embeddings are read again and hold finite numbers only.",
        ),
    ],
)
def clip_embeddings_checks(
    context: dg.AssetCheckExecutionContext, home: HomeResource
) -> Iterator[dg.AssetCheckResult]:
    """Models and numbers."""
    questions = {
        "one_model_a_task": (lambda: findings.mixed_models(home.home), _WARN),
        "embeddings_are_finite": (
            lambda: findings.unusable_embeddings(home.home, seed=context.run.run_id),
            _ERROR,
        ),
    }
    yield from answers(context, questions)


@dg.multi_asset_check(
    name="scores_checks",
    can_subset=True,
    specs=[
        dg.AssetCheckSpec(
            "scores_are_current",
            asset=scores,
            additional_deps=[score_updates],
            description=(
                "Every score was made by the algorithm, task version, model and reference that would make it "
                "now. The job rescore_stale, or `sopilot score run --stale`, brings the others up to date in "
                "one run; a backfill of alignments and scores would take one for each of the `stale_ranges`."
            ),
        ),
        dg.AssetCheckSpec(
            "every_recording_has_a_row",
            asset=scores,
            additional_deps=[score_updates],
            description=(
                "Every active recording has a row, with a score or with the reason why there is none."
            ),
        ),
        dg.AssetCheckSpec(
            "golds_pass",
            asset=scores,
            additional_deps=[score_updates],
            description=(
                "Every gold reaches the pass score when it is judged by the other golds: the noise floor of "
                "the score."
            ),
        ),
    ],
)
def scores_checks(
    context: dg.AssetCheckExecutionContext, home: HomeResource
) -> Iterator[dg.AssetCheckResult]:
    """Staleness, completeness and the noise floor."""
    registered = context.instance.get_dynamic_partitions(str(VIDEO.name))
    questions = {
        "scores_are_current": (lambda: findings.outdated_scores(home.home, registered), _WARN),
        "every_recording_has_a_row": (lambda: findings.recordings_without_row(home.home), _ERROR),
        "golds_pass": (lambda: findings.failing_golds(home.home), _WARN),
    }
    yield from answers(context, questions)


def answers(context: dg.AssetCheckExecutionContext, questions: Questions) -> Iterator[dg.AssetCheckResult]:
    """The answers to the selected questions; the UI can also ask a single one."""
    for name in sorted(key.name for key in context.selected_asset_check_keys):
        ask, severity = questions[name]
        yield _result(name, ask(), severity)


def _result(name: str, found: Findings, severity: dg.AssetCheckSeverity) -> dg.AssetCheckResult:
    """Passed without problems; otherwise they are a table, with their number beside it."""
    problems = {"problems": table(found.problems, columns=tuple(found.problems[0]))} if found.problems else {}
    return dg.AssetCheckResult(
        check_name=name,
        passed=not found.problems,
        severity=severity,
        description=f"{len(found.problems)} found" if found.problems else "none found",
        metadata={**found.facts, **problems},
    )
