"""All Dagster definitions, merged."""

from __future__ import annotations

import dagster as dg

from sopilot_assets.defs.alignments import alignments
from sopilot_assets.defs.captured_videos import captured_videos
from sopilot_assets.defs.checks import CHECKS
from sopilot_assets.defs.clip_embeddings import clip_embeddings
from sopilot_assets.defs.evidence import EVIDENCE_CHECKS, STUDY_ASSETS, labels
from sopilot_assets.defs.gold_references import gold_references
from sopilot_assets.defs.jobs import JOBS
from sopilot_assets.defs.resources import RESOURCES
from sopilot_assets.defs.schedules import SCHEDULES
from sopilot_assets.defs.scores import scores
from sopilot_assets.defs.sensors import capture_sensor


def build_defs(**overrides: object) -> dg.Definitions:
    """The definitions, with resources replaced by name: ``home``, ``limits`` or ``clock``."""
    unknown = sorted(set(overrides) - set(RESOURCES))
    if unknown:
        raise TypeError(f"build_defs: unknown resources {unknown}; expected some of {sorted(RESOURCES)}.")
    return dg.Definitions(
        assets=[captured_videos, clip_embeddings, gold_references, alignments, scores, labels, *STUDY_ASSETS],
        asset_checks=[*CHECKS, *EVIDENCE_CHECKS],
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=[capture_sensor],
        resources={**RESOURCES, **overrides},
        executor=dg.in_process_executor,
    )


defs = build_defs()
