"""Station of the figures: every feasible policy, and the baseline, on every split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Final, TypeAlias

import numpy as np
import pandas as pd

from sopilot_assets.dossier.inputs import BASELINE
from sopilot_assets.evidence import plots
from sopilot_assets.evidence.outcome import StudyOutcome, exact_csv
from sopilot_assets.evidence.results import MANIFEST
from sopilot_assets.evidence.study import CASES, EVALUATIONS, POLICIES, POLICY, REPEATS, Study
from sopilot_assets.old_rules.detectors import DetectorOutcome
from sopilot_assets.old_rules.sweep import Sweep, threshold_sweep
from sopilot_assets.stations.score_repeats import read_repeats, repeats_of
from sopilot_assets.store.canonical import pretty_json
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.studies.gates import effective_thresholds
from sopilot_assets.studies.looks import HELD_OUT, look_inputs, record_look
from sopilot_assets.studies.metrics import Figures, figures, gate_values
from sopilot_assets.studies.spec import ScoreOrigin
from sopilot_assets.studies.split_manifest import FULL, GATE_SPLIT, SPLITS

Evaluations: TypeAlias = Mapping[str, Mapping[str, Figures]]
"""Figures by split and detector."""

STATION: Final = "split_evaluations"
_SHOWN: Final = (
    "critical_miss_rate",
    "critical_false_positive_rate",
    "clustered_miss_rate_ci95_high",
    "clustered_false_positive_rate_ci95_high",
    "independent_positives",
    "independent_negatives",
    "decided_share",
    "coverage_rate",
)


def evaluate_study_splits(home: Home, study_id: str, *, run_id: str, written_at: str) -> StudyOutcome:
    """The figures of the feasible policies and of the baseline on each split.

    Held-out splits are opened only when there is a policy to try on them; until then, only dev is shown.
    Every opening leaves a row in the ledger of looks before anything is computed.
    """
    study = Study.open(home, study_id)
    opened = (FULL, *SPLITS) if study.policy else ("dev",)
    if study.policy:
        record_looks(study, STATION, run_id=run_id, written_at=written_at)
    outcomes = detector_outcomes(study)
    repeats = _repeats_of_cases(study)
    evaluations = {
        split: {
            name: _figures(study, outcome, study.split(split), repeats) for name, outcome in outcomes.items()
        }
        for split in opened
    }
    shown = study.policy.detector if study.policy else BASELINE
    sweep = _sweep(study, outcomes[shown])
    study.results.publish(
        STATION,
        {
            EVALUATIONS: pretty_json(
                {"splits": _documents(evaluations), "sweep": {"detector": shown, **asdict(sweep)}}
            ),
            **({} if repeats is None else {REPEATS: exact_csv(repeats)}),
        },
        made_from=(CASES, MANIFEST, POLICIES, POLICY),
        run_id=run_id,
        written_at=written_at,
    )
    metadata: dict[str, Cell] = {"detector": shown, "held_out_opened": study.policy is not None}
    values = gate_values(evaluations[GATE_SPLIT if study.policy else "dev"][shown])
    metadata |= {name: values[name] for name in _SHOWN}
    return StudyOutcome(
        study_id,
        metadata,
        tables={"figures": _rows(evaluations), "thresholds_on_dev": _sweep_rows(sweep)},
        pictures={"intervals": plots.interval_plot(evaluations, shown)},
        warnings=() if study.policy else (f"study {study_id}: no policy, so test and challenge stay closed",),
    )


def detector_outcomes(study: Study) -> dict[str, DetectorOutcome]:
    """What the feasible policies, by detector, and the baseline say of every case."""
    outcomes = {fit.detector: fit.outcome(study.cases) for fit in study.policies if fit.feasible}
    return {**outcomes, BASELINE: study.baseline}


def study_repeats(study: Study) -> pd.DataFrame | None:
    """The repeats that the study's figures were made with; None for imported jobs, whose repeats are cases
    themselves. Studies from before they were kept have those that there are now.
    """
    if study.results.has(REPEATS):
        return read_repeats(study.results.read(REPEATS))
    return _repeats_of_cases(study)


def _repeats_of_cases(study: Study) -> pd.DataFrame | None:
    """The repeats that there are now of the very scores that were split, whatever was scored since."""
    if study.spec.scores is ScoreOrigin.IMPORTED:
        return None
    scores = study.cases.rename(columns={"case_id": "key", "backend": "model_id"})
    version = study.registration.current.task_fingerprint
    return repeats_of(study.home, study.spec.task, scores.assign(task_fingerprint=version))


def _figures(
    study: Study, outcome: DetectorOutcome, chosen: np.ndarray, repeats: pd.DataFrame | None
) -> Figures:
    cases = study.cases[chosen].reset_index(drop=True)
    of_them = None if repeats is None else repeats[repeats["key"].isin(set(cases["case_id"]))]
    return figures(cases, outcome.of(chosen), clusters=study.clusters[chosen], repeats=of_them)


def _sweep(study: Study, outcome: DetectorOutcome) -> Sweep:
    """The thresholds of a detector's score on dev, with the one that the limits recommend."""
    dev = study.split("dev")
    limits = effective_thresholds(study.profile, study.overrides, override_locked=study.spec.override_locked)
    return threshold_sweep(
        study.cases[dev].reset_index(drop=True),
        max_miss=limits.get("critical_miss_rate"),
        max_fpr=limits.get("critical_false_positive_rate"),
        score=outcome.score[dev],
        speaks=outcome.decided[dev],
    )


def _sweep_rows(swept: Sweep) -> list[dict[str, Cell]]:
    best = swept.recommended.threshold if swept.recommended else None
    return [
        {
            "threshold": row.threshold,
            "critical_miss_rate": row.critical_miss_rate,
            "critical_false_positive_rate": row.critical_false_positive_rate,
            "recommended": row.threshold == best,
        }
        for row in swept.rows
    ]


def record_looks(study: Study, station: str, *, run_id: str, written_at: str) -> None:
    """Enter that a station opens the held-out splits, before it computes anything from them."""
    inputs = look_inputs(
        cases_sha256=study.manifest.cases_sha256,
        manifest_id=study.manifest.manifest_id,
        policy_id=study.results.sha256(POLICIES),
    )
    for split in HELD_OUT:
        record_look(
            study.home,
            study_id=study.spec.study_id,
            split=split,
            station=station,
            inputs_sha256=inputs,
            looked_at=datetime.fromisoformat(written_at),
            by="dagster",
            run_id=run_id,
        )


def _documents(evaluations: Evaluations) -> dict[str, dict[str, object]]:
    return {
        split: {name: one.document() for name, one in detectors.items()}
        for split, detectors in evaluations.items()
    }


def _rows(evaluations: Evaluations) -> list[dict[str, Cell]]:
    return [
        {"split": split, "detector": detector, **{name: gate_values(values)[name] for name in _SHOWN}}
        for split, detectors in evaluations.items()
        for detector, values in detectors.items()
    ]
