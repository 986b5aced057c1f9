"""Station of the shadow comparison: the selected policy beside the baseline, on held-out recordings."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

import numpy as np

from sopilot_assets.evidence import plots
from sopilot_assets.evidence.outcome import StudyOutcome, rows_of
from sopilot_assets.evidence.results import MANIFEST
from sopilot_assets.evidence.split_evaluations import record_looks
from sopilot_assets.evidence.study import CASES, POLICIES, POLICY, SHADOW, Study
from sopilot_assets.store.canonical import pretty_json
from sopilot_assets.store.home import Home
from sopilot_assets.studies.looks import HELD_OUT
from sopilot_assets.studies.shadow import ShadowReport, shadow_report
from sopilot_assets.studies.split_manifest import FULL

STATION: Final = "shadow_reports"


def compare_study_detectors(home: Home, study_id: str, *, run_id: str, written_at: str) -> StudyOutcome:
    """Compare the selected policy with the baseline on each held-out split and on all split cases.

    Without a policy there is nothing to compare, and the report says so.
    """
    study = Study.open(home, study_id)
    reports: dict[str, ShadowReport] = {}
    if study.policy is not None:
        record_looks(study, STATION, run_id=run_id, written_at=written_at)
        candidate, baseline = study.policy.outcome(study.cases), study.baseline
        for split in (FULL, *HELD_OUT):
            chosen = study.split(split)
            cases = study.cases[chosen].reset_index(drop=True)
            reports[split] = shadow_report(
                cases,
                baseline.of(chosen),
                candidate.of(chosen),
                clusters=study.clusters[chosen].astype(np.str_),
            )
    document = {
        "baseline": study.spec.baseline_detector.value,
        "candidate": study.policy.policy_id if study.policy else None,
        "splits": {split: report.document() for split, report in reports.items()},
    }
    study.results.publish(
        STATION,
        {SHADOW: pretty_json(document)},
        made_from=(CASES, MANIFEST, POLICIES, POLICY),
        run_id=run_id,
        written_at=written_at,
    )
    if not reports:
        return StudyOutcome(
            study_id,
            {"compared": False},
            warnings=(f"study {study_id}: no policy, so nothing was compared with the baseline",),
        )
    held_out = reports["test"]
    tested = held_out.tests["all"]
    return StudyOutcome(
        study_id,
        {
            "baseline": study.spec.baseline_detector.value,
            "candidate": study.policy.policy_id if study.policy else None,
            "test_decision_change_rate": held_out.decision_change_rate,
            "test_fixed": tested.fixed,
            "test_broken": tested.broken,
            "test_mcnemar_p": tested.mcnemar_p,
            "test_clustered_p": tested.clustered_p,
        },
        tables={
            "tests": [
                {"split": split, "class": name, **asdict(test)}
                for split, report in reports.items()
                for name, test in report.tests.items()
            ],
            "changed": rows_of(held_out.changed_frame()),
        },
        pictures={"paired_on_test": plots.paired_plot(held_out)},
    )
