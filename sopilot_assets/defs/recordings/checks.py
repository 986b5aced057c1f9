"""Checks: what has to hold for the home as a whole, evaluated once a batch, one step an asset.

Each wraps one question about conditions, with the same answer and severity that doctor and alerts have. None
of them blocks: a single bad recording, or a task with too few golds, must not hold up the others.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import dagster as dg

from sopilot_assets.defs.partitions import VIDEO
from sopilot_assets.defs.publish import table
from sopilot_assets.defs.recordings.captured_videos import captured_videos
from sopilot_assets.defs.recordings.clip_embeddings import clip_embeddings
from sopilot_assets.defs.recordings.score_updates import score_updates
from sopilot_assets.defs.recordings.scores import scores
from sopilot_assets.defs.resources import ClockResource, HomeResource
from sopilot_assets.stations.key_ranges import contiguous_ranges
from sopilot_assets.upkeep.conditions import golds, recordings
from sopilot_assets.upkeep.conditions.condition import Answer, ConditionSeverity
from sopilot_assets.upkeep.conditions.questions import Question, ask
from sopilot_assets.upkeep.conditions.scores import have_scores, up_to_date
from sopilot_assets.upkeep.conditions.situation import Situation

DescribedQuestions: TypeAlias = Mapping[str, tuple[Question, str]]

_SEVERITIES: Final = {
    ConditionSeverity.WARNING: dg.AssetCheckSeverity.WARN,
    ConditionSeverity.PROBLEM: dg.AssetCheckSeverity.ERROR,
}

_TOLD: Final = 3
"""Conditions that a check's description tells; the table has all."""


def checks_of(
    asset: dg.AssetsDefinition, described: DescribedQuestions, *, after: Sequence[dg.AssetsDefinition] = ()
) -> dg.AssetChecksDefinition:
    """The checks of an asset, in one step; the UI can also evaluate a single one."""

    @dg.multi_asset_check(
        name=f"{asset.key.to_user_string()}_checks",
        can_subset=True,
        specs=[
            dg.AssetCheckSpec(name, asset=asset, additional_deps=list(after), description=description)
            for name, (_, description) in described.items()
        ],
    )
    def evaluate(
        context: dg.AssetCheckExecutionContext, home: HomeResource, clock: ClockResource
    ) -> Iterator[dg.AssetCheckResult]:
        asked = Situation(home.home, clock.now(), os.environ, seed=context.run.run_id)
        for name in sorted(key.name for key in context.selected_asset_check_keys):
            answer = ask(described[name][0], asked)
            ranges = _ranges(context.instance, answer) if name == "scores_are_current" else {}
            yield _result(name, answer, ranges)

    return evaluate


def _ranges(instance: dg.DagsterInstance, answer: Answer) -> Mapping[str, str]:
    """What is out of date, as the ranges of partitions that a backfill would have to name."""
    registered = instance.get_dynamic_partitions(str(VIDEO.name))
    ranges = contiguous_ranges(registered, (str(row["key"]) for row in answer.rows))
    return {"stale_ranges": ", ".join(map(str, ranges))} if ranges else {}


def _result(name: str, answer: Answer, more: Mapping[str, str]) -> dg.AssetCheckResult:
    """Passed without conditions, saying what was looked at; otherwise they are told, one by one in a table
    where there is one.
    """
    problems = {"problems": table(answer.rows, columns=tuple(answer.rows[0]))} if answer.rows else {}
    wrong = [f"{one.what}; to do: {one.action}" for one in answer.conditions]
    lines = wrong or [": ".join(filter(None, (one.subject, one.what))) for one in answer.told]
    more_lines = [f"and {len(lines) - _TOLD} more"] if lines[_TOLD:] else []
    return dg.AssetCheckResult(
        check_name=name,
        passed=not answer.conditions,
        severity=_SEVERITIES[answer.severity],
        description="\n".join(lines[:_TOLD] + more_lines) or "nothing to look at yet",
        metadata={**answer.figures, **more, **problems},
    )


captured_videos_checks = checks_of(
    captured_videos,
    {
        "stored_files_are_intact": (
            recordings.stored_files,
            (
                "Every active recording's file is there; a few are read again and have the hash they "
                "are stored under."
            ),
        ),
        "few_files_are_quarantined": (
            recordings.few_refused,
            "Few of the last dropped files were refused (settings.yaml: limits, refused_share).",
        ),
    },
)

clip_embeddings_checks = checks_of(
    clip_embeddings,
    {
        "one_model_a_task": (
            recordings.one_model_a_task,
            "All recordings of a task were embedded by the same model; others are never compared.",
        ),
        "embeddings_are_finite": (
            recordings.embeddings_finite,
            "A few embeddings are read again and hold finite numbers only.",
        ),
    },
)

scores_checks = checks_of(
    scores,
    {
        "scores_are_current": (
            up_to_date,
            (
                "Every score was made by the algorithm, task version, model and reference that would "
                "make it now. The job rescore_stale, or `sopilot score run --stale`, brings the others up "
                "to date in one run; a backfill of alignments and scores would take one for each of the "
                "`stale_ranges`."
            ),
        ),
        "every_recording_has_a_row": (
            have_scores,
            "Every active recording has a row, with a score or with the reason why there is none.",
        ),
        "golds_pass": (
            golds.golds_pass,
            (
                "Every gold is right when it is judged by the other golds: it reaches the pass score, and "
                "nothing critical, no other work and no still picture is in it. The lowest score is the "
                "noise floor."
            ),
        ),
    },
    after=[score_updates],
)
