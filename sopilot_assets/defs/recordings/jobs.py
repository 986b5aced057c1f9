"""Jobs: what a batch of recordings goes through, and what to run again after a change; and the look that all
checks get every morning, since a new version or an edited task makes scores stale by itself.

They run in the process of the run itself: a batch is one run of a few steps, and the work that needs more
than one CPU starts its own worker processes.
"""

from __future__ import annotations

from typing import Final

import dagster as dg

from sopilot_assets.defs.recordings.alignments import alignments
from sopilot_assets.defs.recordings.captured_videos import captured_videos
from sopilot_assets.defs.recordings.clip_embeddings import clip_embeddings
from sopilot_assets.defs.recordings.pending import SCORE_NEW
from sopilot_assets.defs.recordings.rescoring_plan import rescoring_plan_asset
from sopilot_assets.defs.recordings.score_repeats import score_repeats
from sopilot_assets.defs.recordings.score_updates import score_updates
from sopilot_assets.defs.recordings.scores import scores
from sopilot_assets.defs.recordings.step_times import step_times_asset
from sopilot_assets.defs.references.gold_references import gold_references
from sopilot_assets.defs.runs import work_tags

_CHECKS_OF_REFERENCES: Final = dg.AssetSelection.checks_for_assets(gold_references)

score_new_recordings: Final = dg.define_asset_job(
    SCORE_NEW,
    selection=dg.AssetSelection.assets(captured_videos, clip_embeddings, alignments, scores, step_times_asset)
    | _CHECKS_OF_REFERENCES,
    description="Take a batch of new recordings from intake to scores. The capture sensor launches it.",
    tags=work_tags("new_recordings"),
    executor_def=dg.in_process_executor,
)

rescore_stale: Final = dg.define_asset_job(
    "rescore_stale",
    selection=dg.AssetSelection.assets(rescoring_plan_asset, score_updates)
    | dg.AssetSelection.checks_for_assets(scores)
    | _CHECKS_OF_REFERENCES,
    description=(
        "Bring every score that is missing or out of date up to date, whatever the reason and however "
        "scattered, in one run. The launchpad takes a selection of recordings or a task instead."
    ),
    tags=work_tags("again"),
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
    tags=work_tags("repeats"),
    executor_def=dg.in_process_executor,
)

check_everything: Final = dg.define_asset_job(
    "check_everything",
    selection=dg.AssetSelection.checks_for_assets(captured_videos, clip_embeddings, gold_references, scores),
    description="Evaluate all checks, without new recordings. Runs every morning.",
    executor_def=dg.in_process_executor,
)

every_morning: Final = dg.ScheduleDefinition(
    name="check_every_morning",
    job=check_everything,
    cron_schedule="0 5 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Evaluates all checks at 05:00 UTC.",
)
