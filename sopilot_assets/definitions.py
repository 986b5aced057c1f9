"""All Dagster definitions, merged."""

from __future__ import annotations

import dagster as dg

from sopilot_assets.defs.alerts.sensor import alerts_sensor
from sopilot_assets.defs.backup.backups import BACKUP_CHECKS, BACKUP_JOBS, BACKUP_SCHEDULES, backups
from sopilot_assets.defs.campaign.assets import CAMPAIGN_ASSETS, CAMPAIGN_CHECKS, CAMPAIGN_JOBS
from sopilot_assets.defs.campaign.launchpad import LAUNCHPAD_JOBS
from sopilot_assets.defs.campaign.watch import campaign_cycles_schedule, campaign_watch
from sopilot_assets.defs.daily.daily_reports import DAILY_JOBS, DAILY_SCHEDULES, daily_reports
from sopilot_assets.defs.evidence.assets import EVIDENCE_CHECKS, STUDY_ASSETS, labels
from sopilot_assets.defs.recordings.alignments import alignments
from sopilot_assets.defs.recordings.capture_sensor import capture_sensor
from sopilot_assets.defs.recordings.captured_videos import captured_videos
from sopilot_assets.defs.recordings.checks import CHECKS
from sopilot_assets.defs.recordings.clip_embeddings import clip_embeddings
from sopilot_assets.defs.recordings.jobs import JOBS
from sopilot_assets.defs.recordings.schedules import SCHEDULES
from sopilot_assets.defs.recordings.score_repeats import score_repeats
from sopilot_assets.defs.recordings.score_updates import rescoring_plan_asset, score_updates
from sopilot_assets.defs.recordings.scores import scores
from sopilot_assets.defs.references.gold_references import gold_references
from sopilot_assets.defs.resources import RESOURCES
from sopilot_assets.defs.retention.retention import CARE_JOBS, CARE_SCHEDULES, housekeeping


def build_defs(**overrides: object) -> dg.Definitions:
    """The definitions, with resources replaced by name: ``home``, ``limits`` or ``clock``."""
    unknown = sorted(set(overrides) - set(RESOURCES))
    if unknown:
        raise TypeError(f"build_defs: unknown resources {unknown}; expected some of {sorted(RESOURCES)}.")
    return dg.Definitions(
        assets=[
            captured_videos,
            clip_embeddings,
            gold_references,
            alignments,
            scores,
            rescoring_plan_asset,
            score_updates,
            score_repeats,
            labels,
            *STUDY_ASSETS,
            daily_reports,
            housekeeping,
            *CAMPAIGN_ASSETS,
            backups,
        ],
        asset_checks=[*CHECKS, *EVIDENCE_CHECKS, *CAMPAIGN_CHECKS, *BACKUP_CHECKS],
        jobs=[*JOBS, *DAILY_JOBS, *CARE_JOBS, *CAMPAIGN_JOBS, *LAUNCHPAD_JOBS, *BACKUP_JOBS],
        schedules=[
            *SCHEDULES,
            *DAILY_SCHEDULES,
            *CARE_SCHEDULES,
            campaign_cycles_schedule,
            *BACKUP_SCHEDULES,
        ],
        sensors=[capture_sensor, alerts_sensor, campaign_watch],
        resources={**RESOURCES, **overrides},
        executor=dg.in_process_executor,
    )


defs = build_defs()
