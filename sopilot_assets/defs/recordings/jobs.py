"""Jobs: what a batch of recordings goes through, and what to run again after a change.

They run in the process of the run itself: a batch is one run of a few steps, and the work that needs more
than one CPU starts its own worker processes.
"""

from __future__ import annotations

from typing import Final

import dagster as dg

from sopilot_assets.defs.evidence.assets import EVIDENCE_CHECKS, STUDY_ASSETS
from sopilot_assets.defs.recordings.alignments import alignments
from sopilot_assets.defs.recordings.captured_videos import captured_videos
from sopilot_assets.defs.recordings.clip_embeddings import clip_embeddings
from sopilot_assets.defs.recordings.score_repeats import score_repeats
from sopilot_assets.defs.recordings.score_updates import rescoring_plan_asset, score_updates
from sopilot_assets.defs.recordings.scores import scores
from sopilot_assets.defs.references.gold_references import gold_references

_SIX_HOURS_S: Final = "21600"
_CRASHED_RUNS: Final = {"dagster/max_retries": "2", "dagster/max_runtime": _SIX_HOURS_S}
"""Every station can be run again at any point, so a run that died is simply started anew."""

_REFERENCE_CHECKS: Final = dg.AssetSelection.checks_for_assets(gold_references)

score_new_recordings: Final = dg.define_asset_job(
    "score_new_recordings",
    selection=dg.AssetSelection.assets(captured_videos, clip_embeddings, alignments, scores)
    | _REFERENCE_CHECKS,
    description="Take a batch of new recordings from intake to scores. The capture sensor launches it.",
    tags={**_CRASHED_RUNS, "sopilot/work": "new_recordings"},
    executor_def=dg.in_process_executor,
)

rescore: Final = dg.define_asset_job(
    "rescore",
    selection=dg.AssetSelection.assets(alignments, scores) | _REFERENCE_CHECKS,
    description=(
        "Align and score again the partitions chosen at launch, after a change of golds, task or algorithm. "
        "The job rescore_stale finds out by itself which ones need it."
    ),
    tags={**_CRASHED_RUNS, "sopilot/work": "again"},
    executor_def=dg.in_process_executor,
)

embed_again: Final = dg.define_asset_job(
    "embed_again",
    selection=dg.AssetSelection.assets(clip_embeddings, alignments, scores) | _REFERENCE_CHECKS,
    description="Embed, align and score again, after a change of a task's embedder.",
    tags={**_CRASHED_RUNS, "sopilot/work": "again"},
    executor_def=dg.in_process_executor,
)

rescore_stale: Final = dg.define_asset_job(
    "rescore_stale",
    selection=dg.AssetSelection.assets(rescoring_plan_asset, score_updates)
    | dg.AssetSelection.checks_for_assets(scores)
    | _REFERENCE_CHECKS,
    description=(
        "Bring every score that is missing or out of date up to date, whatever the reason and however "
        "scattered, in one run. The launchpad takes a selection of recordings or a task instead."
    ),
    tags={**_CRASHED_RUNS, "sopilot/work": "again"},
    executor_def=dg.in_process_executor,
)

plan_rescoring: Final = dg.define_asset_job(
    "plan_rescoring",
    selection=dg.AssetSelection.assets(rescoring_plan_asset),
    description="Make the table of the scores that are missing or out of date; change nothing.",
    executor_def=dg.in_process_executor,
)

repeat_scores: Final = dg.define_asset_job(
    "repeat_scores",
    selection=dg.AssetSelection.assets(score_repeats),
    description=(
        "Compute some scores once more, exactly and with a shifted sampling grid, for the repeatability that "
        "studies report. The launchpad takes recordings, a task, phases and how many."
    ),
    tags={**_CRASHED_RUNS, "sopilot/work": "repeats"},
    executor_def=dg.in_process_executor,
)

rebuild_references: Final = dg.define_asset_job(
    "rebuild_references",
    selection=dg.AssetSelection.assets(gold_references),
    description="Make the references of tasks from their golds, e.g. after steps.csv was corrected.",
    tags={**_CRASHED_RUNS, "sopilot/work": "again"},
    executor_def=dg.in_process_executor,
)

evidence_chain: Final = dg.define_asset_job(
    "evidence_chain",
    selection=dg.AssetSelection.assets(*STUDY_ASSETS) | dg.AssetSelection.checks(*EVIDENCE_CHECKS),
    description="Take a registered study from its labels to its dossier. One partition a study.",
    tags={**_CRASHED_RUNS, "sopilot/work": "evidence"},
    executor_def=dg.in_process_executor,
)

JOBS: Final = (
    score_new_recordings,
    rescore,
    embed_again,
    rescore_stale,
    plan_rescoring,
    repeat_scores,
    rebuild_references,
    evidence_chain,
)
