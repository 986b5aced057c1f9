"""The figures of one detector on a set of cases, and the flat values that gates check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from sopilot_assets.errors import StudyError
from sopilot_assets.store.canonical import rounded
from sopilot_assets.studies.detectors import (
    DEFAULT_THRESHOLD,
    LEGACY_BINARY,
    Guardrails,
    critical_score,
    decided,
    detect,
)
from sopilot_assets.studies.drift import (
    PROBABILITY_EDGES,
    SCORE_EDGES,
    fixed_bin_drift,
    halves,
    halves_drift,
)
from sopilot_assets.studies.intervals import clustered, wilson
from sopilot_assets.studies.repeatability import repeatability, rescore_jitter

DIGITS: Final = 6
DRIFT_SEED: Final = 20260223
_QUANTILES: Final = {"p50": 50.0, "p90": 90.0}
_STATISTICS: Final = ("mean", "p50", "p90", "min", "max")

_GATE_PATHS: Final[Mapping[str, tuple[str, ...]]] = {
    "critical_miss_rate": ("critical_miss_rate",),
    "critical_false_positive_rate": ("critical_false_positive_rate",),
    "critical_miss_rate_ci95_high": ("critical_confidence", "miss_rate", "ci95", "high"),
    "critical_false_positive_rate_ci95_high": ("critical_confidence", "false_positive_rate", "ci95", "high"),
    "rescore_jitter_max_delta": ("rescore_jitter", "max_delta"),
    "dtw_normalized_cost_p90": ("dtw_normalized_cost_stats", "p90"),
    "drift_critical_score_psi": ("drift", "critical_score_psi"),
    "drift_score_psi": ("drift", "score_psi"),
    "drift_dtw_psi": ("drift", "dtw_normalized_cost_psi"),
    "critical_detected_rate_shift_abs": ("drift", "critical_detected_rate_shift_abs"),
    "num_completed_jobs": ("num_completed_jobs",),
    "labels_total_jobs": ("labels_total_jobs",),
    "labels_labeled_jobs": ("labels_labeled_jobs",),
    "critical_positives": ("critical_positives",),
    "critical_negatives": ("critical_negatives",),
    "coverage_rate": ("coverage_rate",),
    "rescore_pairs": ("rescore_jitter", "num_pairs_with_repeats"),
    "clustered_miss_rate_ci95_high": ("right", "clustered_miss_rate", "high"),
    "clustered_false_positive_rate_ci95_high": ("right", "clustered_false_positive_rate", "high"),
    "independent_positives": ("right", "independent_positives"),
    "independent_negatives": ("right", "independent_negatives"),
    "decided_share": ("right", "decided_share"),
    "decided_positive_share": ("right", "decided_positive_share"),
    "scored_share": ("right", "scored_share"),
}
"""Name of a gate's value -> where `figures` holds it."""


@dataclass(frozen=True, slots=True)
class DetectorOutcome:
    """What a detector says about n cases: whether each is critical, whether it says anything, how strongly.

    ``detected`` (n,) and ``decided`` (n,) are flags, ``score`` (n,) is in [0, 1], NaN where there is none.
    Raises `StudyError` when they differ in length.
    """

    detected: NDArray[np.bool_]
    decided: NDArray[np.bool_]
    score: NDArray[np.float64]

    def of(self, chosen: NDArray[np.bool_]) -> DetectorOutcome:
        """The outcome of the chosen cases alone."""
        return DetectorOutcome(self.detected[chosen], self.decided[chosen], self.score[chosen])

    def __post_init__(self) -> None:
        lengths = {len(self.detected), len(self.decided), len(self.score)}
        if len(lengths) > 1:
            raise StudyError(f"outcome: detected, decided and score have to be of one length, not {lengths}.")


def old_outcome(
    cases: pd.DataFrame,
    mode: str,
    *,
    threshold: float = DEFAULT_THRESHOLD,
    guardrails: Guardrails | None = None,
) -> DetectorOutcome:
    """The outcome of one of the four old detectors; the score is that of `continuous_v1` for all of them."""
    return DetectorOutcome(
        detected=detect(mode, cases, threshold=threshold, guardrails=guardrails),
        decided=decided(cases, mode),
        score=critical_score(cases),
    )


def figures(
    cases: pd.DataFrame,
    outcome: DetectorOutcome,
    *,
    clusters: NDArray[Any] | pd.Series | None = None,
    repeats: pd.DataFrame | None = None,
    labels_total: int | None = None,
    labels_labeled: int | None = None,
) -> dict[str, Any]:
    """The figures of a detector on these cases (n rows, in time order), named and nested as the old ones.

    Rates leave out cases that the detector does not decide. ``clusters`` (n,) names who each case depends on
    (a person, or a group of related recordings); with it the key ``right`` holds what the old figures hide:
    clustered intervals, abstentions, calibration, drift whose false alarms are known, and the repeatability
    of ``repeats``. ``labels_total`` and ``labels_labeled`` count label rows, those without a case among them;
    they default to the labels of the cases. A figure that does not exist is None.
    Raises `StudyError` when an argument differs in length from the cases.
    """
    for name, values in (("outcome", outcome.detected), ("clusters", clusters)):
        if values is not None and len(values) != len(cases):
            raise StudyError(f"figures: {len(cases)} cases but {len(values)} in {name}; give one for each.")
    expected = cases["expected"].to_numpy(dtype=np.float64)
    scored = decided(cases, LEGACY_BINARY)
    result = _old_figures(cases, outcome, expected, scored)
    result |= _label_figures(result["completed_labeled_jobs"], expected, labels_total, labels_labeled)
    if clusters is not None:
        groups = np.asarray(clusters, dtype=object)
        result["right"] = _right_figures(cases, outcome, expected, scored, groups)
        if repeats is not None:
            result["right"]["repeatability"] = repeatability(repeats)
    figures_found: dict[str, Any] = rounded(result, DIGITS)
    return figures_found


def gate_values(values: Mapping[str, Any]) -> dict[str, float | None]:
    """The flat values that gates check, from what `figures` returned; None where there is none."""
    return {name: _at(values, path) for name, path in _GATE_PATHS.items()}


def _old_figures(
    cases: pd.DataFrame, outcome: DetectorOutcome, expected: NDArray[np.float64], scored: NDArray[np.bool_]
) -> dict[str, Any]:
    score = cases["score"].to_numpy(dtype=np.float64)[scored]
    dtw = cases["dtw_normalized_cost"].to_numpy(dtype=np.float64)[scored]
    said = outcome.detected & outcome.decided
    miss, alarm, confusion = _rates(expected, outcome)
    positives, negatives = confusion["tp"] + confusion["fn"], confusion["fp"] + confusion["tn"]
    return {
        "num_completed_jobs": int(scored.sum()),
        "critical_detected_jobs": int(said.sum()),
        "critical_score_stats": _statistics(outcome.score[scored]),
        "score_stats": _statistics(score),
        "dtw_normalized_cost_stats": _statistics(dtw),
        "rescore_jitter": rescore_jitter(cases),
        "drift": halves_drift(score, outcome.score[scored], dtw, said[scored]),
        "critical_miss_rate": miss,
        "critical_false_positive_rate": alarm,
        "critical_confusion": confusion,
        "critical_positives": positives,
        "critical_negatives": negatives,
        "completed_labeled_jobs": int((scored & ~np.isnan(expected)).sum()),
        "critical_confidence": {
            "miss_rate": _confidence(confusion["fn"], positives),
            "false_positive_rate": _confidence(confusion["fp"], negatives),
        },
    }


def _label_figures(
    completed: int, expected: NDArray[np.float64], total: int | None, labeled: int | None
) -> dict[str, Any]:
    with_label = int((~np.isnan(expected)).sum()) if labeled is None else labeled
    rows = with_label if total is None else total
    return {
        "labels_total_jobs": rows,
        "labels_labeled_jobs": with_label,
        "labels_unknown_jobs": max(0, rows - with_label),
        "coverage_rate": completed / with_label if with_label else None,
    }


def _right_figures(
    cases: pd.DataFrame,
    outcome: DetectorOutcome,
    expected: NDArray[np.float64],
    scored: NDArray[np.bool_],
    clusters: NDArray[Any],
) -> dict[str, Any]:
    labelled, positive, negative = ~np.isnan(expected), expected == 1, expected == 0
    speaks = outcome.decided
    missed = int((positive & ~(outcome.detected & speaks)).sum())
    of_positives, of_negatives = positive & speaks, negative & speaks
    misses = clustered(~outcome.detected[of_positives], clusters[of_positives])
    alarms = clustered(outcome.detected[of_negatives], clusters[of_negatives])
    return {
        "decided_share": _share(int((labelled & speaks).sum()), int(labelled.sum())),
        "decided_positive_share": _share(int(of_positives.sum()), int(positive.sum())),
        "scored_share": _share(int((labelled & scored).sum()), int(labelled.sum())),
        "abstained_positives": int((positive & ~speaks).sum()),
        "abstained_negatives": int((negative & ~speaks).sum()),
        "strict_miss_rate": _share(missed, int(positive.sum())),
        "clustered_miss_rate": asdict(misses),
        "clustered_false_positive_rate": asdict(alarms),
        "independent_positives": misses.clusters,
        "independent_negatives": alarms.clusters,
        **_score_figures(expected, outcome),
        "drift": _right_drift(cases, outcome),
    }


def _score_figures(expected: NDArray[np.float64], outcome: DetectorOutcome) -> dict[str, float | None]:
    known = ~np.isnan(expected) & outcome.decided & ~np.isnan(outcome.score)
    truth, score = expected[known], outcome.score[known]
    if not len(truth):
        return {"brier": None, "auc": None}
    one_class = truth.min() == truth.max()
    return {
        "brier": float(np.mean((score - truth) ** 2)),
        "auc": None if one_class else float(roc_auc_score(truth, score)),
    }


def _right_drift(cases: pd.DataFrame, outcome: DetectorOutcome) -> dict[str, Any]:
    first, rest = halves(cases)
    score = cases["score"].to_numpy(dtype=np.float64)
    critical = np.where(outcome.decided, outcome.score, np.nan)
    found = {
        name: fixed_bin_drift(values[first], values[rest], edges=edges, seed=DRIFT_SEED)
        for name, values, edges in (
            ("score", score, SCORE_EDGES),
            ("critical_score", critical, PROBABILITY_EDGES),
        )
    }
    return {name: None if drift is None else asdict(drift) for name, drift in found.items()}


def _rates(
    expected: NDArray[np.float64], outcome: DetectorOutcome
) -> tuple[float | None, float | None, dict[str, int]]:
    positive, negative = (outcome.decided & (expected == truth) for truth in (1, 0))
    tp = int((positive & outcome.detected).sum())
    fp = int((negative & outcome.detected).sum())
    fn, tn = int(positive.sum()) - tp, int(negative.sum()) - fp
    return _share(fn, tp + fn), _share(fp, fp + tn), {"tp": tp, "fn": fn, "fp": fp, "tn": tn}


def _confidence(k: int, n: int) -> dict[str, Any]:
    if n == 0:
        return {"n": 0, "point": None, "ci95": None}
    low, high = wilson(k, n)
    return {"n": n, "point": k / n, "ci95": {"low": low, "high": high}}


def _statistics(values: NDArray[np.float64]) -> dict[str, float | None]:
    known = values[~np.isnan(values)]
    if not len(known):
        return dict.fromkeys(_STATISTICS)
    middle, high = np.percentile(known, list(_QUANTILES.values()))
    numbers = (known.mean(), middle, high, known.min(), known.max())
    return {name: float(number) for name, number in zip(_STATISTICS, numbers, strict=True)}


def _share(k: int, n: int) -> float | None:
    return k / n if n else None


def _at(values: Mapping[str, Any], path: tuple[str, ...]) -> float | None:
    found: Any = values
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return None if found is None else float(found)
