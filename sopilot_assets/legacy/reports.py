"""The reports of the old system's scripts, made again from the case table: same names, same nesting.

The figures, splits, fits and gates are those of `studies`; here is what the old scripts did differently:
critical scores are rounded to 6 digits before they are compared, a gate that checks nothing passes, and the
best candidate of a fit is written down although it is not feasible. Hashes, ids, paths and times are left
out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd

from sopilot_assets.errors import StudyError
from sopilot_assets.legacy.database import Installation, as_old, installed_cases, listed_critical
from sopilot_assets.legacy.labels import LabelFile
from sopilot_assets.legacy.policies import OldPolicy
from sopilot_assets.old_rules.detectors import (
    CONTINUOUS_V1,
    MODES,
    DetectorOutcome,
    critical_score,
    detect,
)
from sopilot_assets.old_rules.errors import false_positive_breakdown
from sopilot_assets.old_rules.figures import (
    LabelFigures,
    figures_in,
    label_figures,
    old_gate_values,
    score_figures,
)
from sopilot_assets.old_rules.profiles import NO_PROFILE, GateProfile
from sopilot_assets.old_rules.shadow import old_shadow, rate_changes
from sopilot_assets.old_rules.sweep import threshold_sweep
from sopilot_assets.studies.gates import Override, check_gates
from sopilot_assets.studies.profiles import CHECKS, configuration, gate_profile

Report: TypeAlias = dict[str, Any]
Document: TypeAlias = Mapping[str, Any]
"""A report as its JSON file has it."""

DIGITS: Final = 6
UNKNOWN: Final = "unknown"

_CONFIG_KEYS: Final[Mapping[str, str]] = {
    "max_critical_fpr": "max_critical_false_positive_rate",
    "max_critical_miss_ci95_high": "max_critical_miss_rate_ci95_high",
    "max_critical_fpr_ci95_high": "max_critical_false_positive_rate_ci95_high",
    "min_completed_jobs": "min_num_completed_jobs",
}
"""Options of the old command line that are called otherwise than the configuration key they set."""


@dataclass(frozen=True, slots=True)
class OldJobs:
    """The jobs of an installation as its scripts saw them.

    ``cases`` is the table of all jobs (`installed_cases`), ``labels`` what the label file says, and
    ``listed_critical`` the number of critical deviations that each case lists.
    """

    cases: pd.DataFrame
    labels: LabelFile
    listed_critical: Mapping[str, int]

    @classmethod
    def of(cls, installation: Installation, labels: LabelFile) -> OldJobs:
        """The jobs of an installation with these labels."""
        return cls(installed_cases(installation, labels), labels, listed_critical(installation))

    def completed(self, task_id: str | None) -> pd.DataFrame:
        """The completed jobs, of one task or of all."""
        return as_old(self.cases, task_id)

    def eligible(self, task_id: str | None) -> pd.DataFrame:
        """The completed jobs with a label that says yes or no."""
        jobs = self.completed(task_id)
        return jobs[jobs["expected"].notna()].reset_index(drop=True)


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """How many jobs the labels in use name, and how many of them have a yes or no."""

    total: int
    labeled: int


def old_scores(cases: pd.DataFrame) -> np.ndarray:
    """The critical scores (n,) as the old scripts had them: rounded before anything is done with them."""
    # the decimal rounding of Python, which numpy's differs from in the last digit
    return np.array(
        [round(score, DIGITS) for score in critical_score(_costs(cases)).tolist()], dtype=np.float64
    )


def old_outcome(
    cases: pd.DataFrame, mode: str, threshold: float, policy: OldPolicy | None = None
) -> DetectorOutcome:
    """What an old detector said of completed jobs (n rows); ``policy`` replaces its constants."""
    scores = old_scores(cases)
    if mode == CONTINUOUS_V1:
        detected = scores >= clamped(threshold)
    elif mode in MODES:
        detected = detect(mode, _costs(cases), guardrails=None if policy is None else policy.guardrails())
    else:
        raise StudyError(f"critical_scoring_mode: expected one of {', '.join(MODES)}; found {mode!r}.")
    return DetectorOutcome(detected=detected, decided=np.ones(len(cases), dtype=bool), score=scores)


def evaluation(
    cases: pd.DataFrame,
    counts: LabelCounts | None,
    *,
    mode: str,
    threshold: float,
    policy: OldPolicy | None = None,
) -> Report:
    """The figures of one detector on completed jobs; without ``counts`` as when no label file was given."""
    outcome = old_outcome(cases, mode, threshold, policy)
    return {
        **asdict(score_figures(cases, outcome)),
        **_of_labels(cases, outcome, counts),
        "critical_scoring_mode": mode,
        "critical_threshold": clamped(threshold),
        "critical_policy": None if policy is None else policy.summary(),
    }


def _of_labels(cases: pd.DataFrame, outcome: DetectorOutcome, counts: LabelCounts | None) -> Report:
    if counts is None:
        return dict.fromkeys(field.name for field in fields(LabelFigures))
    return asdict(label_figures(cases, outcome, total=counts.total, labeled=counts.labeled))


def gate_report(
    jobs: OldJobs,
    *,
    task_id: str | None,
    mode: str,
    threshold: float,
    profile: str | None,
    overrides: Mapping[str, float],
    policy: OldPolicy | None,
    sweep: Sequence[float] | None,
    with_labels: bool = True,
) -> Report:
    """The report of one detector against one gate profile (None: no profile); ``sweep`` are the thresholds
    to sweep over, if any.
    """
    cases = jobs.completed(task_id)
    counts = LabelCounts(len(jobs.labels.job_ids), len(jobs.labels.expected)) if with_labels else None
    report = evaluation(cases, counts, mode=mode, threshold=threshold, policy=policy)
    gate, config = configured(profile, overrides)
    named = {} if profile is None else {"gate_profile": profile, "gate_profile_locked": gate.locked}
    report |= {
        "task_id": task_id,
        **named,
        "gate_overrides": dict(overrides),
        "critical_sweep_requested": sweep is not None,
        "gate_config": config,
        "gates": gates(gate, report, overrides=overrides),
    }
    if sweep is not None:
        swept = old_sweep(cases, config, sweep)
        report["critical_threshold_sweep"] = swept if with_labels else _unlabeled(swept)
    return report


def old_sweep(cases: pd.DataFrame, config: Mapping[str, float], thresholds: Sequence[float]) -> Report:
    """The threshold sweep; nothing is recommended where a class has no case."""
    swept = threshold_sweep(
        cases,
        max_miss=config.get("max_critical_miss_rate"),
        max_fpr=config.get("max_critical_false_positive_rate"),
        thresholds=[clamped(threshold) for threshold in thresholds],
        score=old_scores(cases),
        speaks=np.ones(len(cases), dtype=bool),
    )
    one_class = any(not row.critical_positives or not row.critical_negatives for row in swept.rows)
    report = {"scoring_mode": CONTINUOUS_V1, **asdict(swept)}
    return report | {"recommended": None} if one_class else report


def _unlabeled(swept: Document) -> Report:
    kept = {name: swept[name] for name in ("scoring_mode", "thresholds")}
    return {"error": "labels_required", **kept, "rows": [], "recommended": None}


def gates(
    profile: GateProfile,
    report: Document,
    *,
    overrides: Mapping[str, float] | None = None,
    without_minimum_evidence: bool = False,
) -> Report:
    """The checks as the old scripts listed them; without an enabled check the gate passes, as it did."""
    checked = check_gates(
        profile,
        old_gate_values(*figures_in(report)),
        overrides=[
            Override(_check_of(option), threshold, "an option of the old command line")
            for option, threshold in (overrides or {}).items()
        ],
        override_locked=True,
        without_minimum_evidence=without_minimum_evidence,
    )
    return {
        "overall_pass": not checked.failed(),
        "checks": [
            {
                "name": check.name,
                "enabled": check.enabled,
                "pass": check.passed,
                "value": check.value,
                "threshold": check.threshold,
                "reason": check.reason,
            }
            for check in checked.checks
        ],
    }


def configured(profile: str | None, overrides: Mapping[str, float]) -> tuple[GateProfile, dict[str, float]]:
    """The gate profile and its thresholds by configuration key, overrides included."""
    gate = NO_PROFILE if profile is None else gate_profile(profile)
    replaced = {_CONFIG_KEYS.get(option, option): value for option, value in overrides.items()}
    return gate, configuration(gate) | replaced


def shadow_comparison(
    jobs: OldJobs,
    *,
    task_id: str | None,
    sides: Mapping[str, tuple[str, float, OldPolicy | None]],
    with_labels: bool,
) -> Report:
    """Baseline against candidate on completed jobs; ``sides`` holds mode, threshold and policy of each."""
    cases = jobs.completed(task_id)
    counts = LabelCounts(len(jobs.labels.job_ids), len(jobs.labels.expected)) if with_labels else None
    reports, outcomes = {}, {}
    for side, (mode, threshold, policy) in sides.items():
        report = evaluation(cases, counts, mode=mode, threshold=threshold, policy=policy)
        reports[side] = {"mode": mode, "threshold": threshold, "report": report}
        outcomes[side] = old_outcome(cases, mode, threshold, policy)
    compared = cases, outcomes["baseline"], outcomes["candidate"]
    n = max(1, len(cases))
    first, second = (int(outcomes[side].detected.sum()) / n for side in ("baseline", "candidate"))
    difference = asdict(old_shadow(*compared))
    if not len(cases):
        difference["decision_change_rate"] = 0.0
    delta = {
        **asdict(rate_changes(*compared)),
        # the old scripts took the difference before rounding, and no jobs for a rate of 0
        "critical_detected_rate_baseline": round(first, DIGITS),
        "critical_detected_rate_candidate": round(second, DIGITS),
        "critical_detected_rate_delta": round(second - first, DIGITS),
    }
    if not with_labels:
        delta |= {"critical_miss_rate_delta": None, "critical_false_positive_rate_delta": None}
    return {"task_id": task_id, **reports, "shadow_diff": difference, "delta": delta}


def error_breakdown(
    jobs: OldJobs, *, task_id: str | None, mode: str, threshold: float, backend: str | None
) -> Report:
    """The counts of false positives; ``backend`` is the one name the old script gave to all jobs."""
    cases = jobs.completed(task_id)
    outcome = old_outcome(cases, mode, threshold)
    listed = [float(jobs.listed_critical[case]) for case in cases["case_id"]]
    overall, tables = false_positive_breakdown(
        cases.assign(backend=backend or UNKNOWN, critical=pd.Series(listed, index=cases.index, dtype=float)),
        outcome,
        mode=mode,
        threshold=round(threshold, DIGITS),
    )
    return {**tables, "overall": {**overall, "backend": backend}}


def clamped(threshold: float) -> float:
    """A threshold within [0, 1], rounded."""
    return round(min(1.0, max(0.0, threshold)), DIGITS)


def _costs(cases: pd.DataFrame) -> pd.DataFrame:
    # statistics keep a negative cost, detectors take it for 0
    return cases.assign(dtw_normalized_cost=cases["dtw_normalized_cost"].clip(lower=0.0))


def _check_of(option: str) -> str:
    key = _CONFIG_KEYS.get(option, option)
    found = [check.name for check in CHECKS.values() if check.key == key]
    if not found:
        raise StudyError(f"gate_overrides: expected options of the old command line, found {option!r}.")
    return found[0]
