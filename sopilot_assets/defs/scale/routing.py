"""Which runs any machine may take, and which need what only the main one has.

Scoring works on files that all machines share. Campaigns, backups, reports and dossiers also need settings,
logs and keys that stay on the main machine, so their runs wait in a queue of its own.
"""

from __future__ import annotations

from typing import Final

from dagster import DagsterRun

MAIN_QUEUE: Final = "main"
"""The queue that only `sopilot worker run --main` serves, beside the one of all workers."""

SCORING_JOBS: Final = frozenset(
    {
        "plan_rescoring",
        "rebuild_references",
        "repeat_scores",
        "rescore_stale",
        "score_new_recordings",
    }
)
SCORING_ASSETS: Final = frozenset(
    {
        "alignments",
        "captured_videos",
        "clip_embeddings",
        "gold_candidates",
        "gold_promotions",
        "gold_references",
        "rescoring_plan",
        "score_repeats",
        "score_updates",
        "scores",
        "step_times",
    }
)


def needs_main_machine(run: DagsterRun) -> bool:
    """Whether a run does anything else than scoring: its job is another, or an asset that was chosen."""
    if run.asset_selection:
        return not {key.to_user_string() for key in run.asset_selection} <= SCORING_ASSETS
    return run.job_name not in SCORING_JOBS
