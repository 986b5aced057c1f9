"""The policy files of the old system: a detector and its constants, fitted on dev."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd

from sopilot_assets.old_rules.choices import FittingGrid
from sopilot_assets.old_rules.detectors import (
    DEFAULT_MIN_DTW,
    GUARDED_BINARY_V2,
    Guardrails,
)
from sopilot_assets.old_rules.grid import GridPoint, fit_grid
from sopilot_assets.studies.profiles import configuration, gate_profile

VERSION: Final = "critical_policy_v1"
BEST: Final = 20
"""How many candidates a report lists."""

_V1: Final = "guarded_binary_v1"
_V2: Final = "guarded_binary_v2"
_IN_SUMMARY: Final = ("version", "scoring_mode", "critical_threshold", "guardrails")


@dataclass(frozen=True, slots=True)
class OldPolicy:
    """The content of a policy file."""

    content: Mapping[str, object]

    def guardrails(self) -> Guardrails:
        """The constants; an absent, unreadable or negative one is the default."""
        rails = _mapping(self.content.get("guardrails"))
        v1, v2 = _mapping(rails.get(_V1)), _mapping(rails.get(_V2))
        floor = v1.get("min_dtw") if v2.get("min_dtw") is None else v2.get("min_dtw")
        usual = Guardrails()
        return Guardrails(
            min_dtw_v1=_constant(v1.get("min_dtw"), DEFAULT_MIN_DTW),
            min_dtw_v2=_constant(floor, DEFAULT_MIN_DTW),
            max_distance=_constant(v2.get("max_critical_missing_mean_distance"), usual.max_distance),
            max_span=_constant(v2.get("max_critical_missing_expected_span"), usual.max_span),
        )

    def summary(self) -> dict[str, object]:
        """What reports repeat of the policy, without its id and time."""
        return {name: self.content[name] for name in _IN_SUMMARY if self.content.get(name) is not None}


@dataclass(frozen=True, slots=True)
class FittedPolicy:
    """A fitted policy, the report of its fit as the old script wrote it, and the candidate it was made of."""

    policy: OldPolicy
    report: Mapping[str, object]
    best: GridPoint


@dataclass(frozen=True, slots=True)
class OldFit:
    """How a policy was fitted: on which jobs, under which profile, over which grid.

    ``grid`` has the keys of the old ``search_grid``; without it the default grid is searched.
    """

    task_id: str | None
    profile: str
    intervals: bool
    threshold: float
    grid: Mapping[str, list[float]] | None = None

    def run(self, dev: pd.DataFrame) -> FittedPolicy:
        """The policy of the best candidate on these labeled jobs, even when it is not feasible."""
        limits = gate_profile(self.profile)
        grid = _grid(self.grid)
        points = fit_grid(
            dev.assign(dtw_normalized_cost=dev["dtw_normalized_cost"].clip(lower=0.0)),
            grid=grid,
            max_miss=limits.threshold("critical_miss_rate"),
            max_fpr=limits.threshold("critical_false_positive_rate"),
            intervals=self.intervals,
            max_miss_high=limits.threshold("critical_miss_rate_ci95_high"),
            max_fpr_high=limits.threshold("critical_false_positive_rate_ci95_high"),
        )
        best = points[0]
        fitted = {
            "split": "dev",
            "task_id": self.task_id,
            "gate_profile": self.profile,
            "gate_config": configuration(limits),
            "use_ci_constraints": self.intervals,
            "search_grid": {
                "dtw_min": list(grid.min_dtw),
                "max_critical_missing_mean_distance": list(grid.max_distance),
                "max_critical_missing_expected_span": list(grid.max_span),
            },
            "dev_jobs": len(dev),
            "dev_labeled_jobs": int(dev["expected"].notna().sum()),
            "best_metrics": _metrics(best),
            "best_rank": _rank(best),
        }
        report = {
            "task_id": self.task_id,
            "gate_profile": self.profile,
            "use_ci_constraints": self.intervals,
            "critical_threshold": self.threshold,
            "num_candidates": len(points),
            "best_candidate": self._candidate(best),
            "top_candidates": [self._candidate(point) for point in points[:BEST]],
        }
        return FittedPolicy(OldPolicy({**self._policy(best), "fit": fitted}), report, best)

    def _policy(self, point: GridPoint) -> dict[str, object]:
        return {
            "version": VERSION,
            "scoring_mode": GUARDED_BINARY_V2,
            "critical_threshold": round(self.threshold, 6),
            "guardrails": {_V1: {"min_dtw": point.min_dtw}, _V2: _constants(point)},
        }

    def _candidate(self, point: GridPoint) -> dict[str, object]:
        return {
            "policy": self._policy(point),
            "metrics": _metrics(point),
            "fit": {**_rank(point), "params": _constants(point)},
        }


def _constants(point: GridPoint) -> dict[str, float]:
    return {
        "min_dtw": point.min_dtw,
        "max_critical_missing_mean_distance": point.max_distance,
        "max_critical_missing_expected_span": point.max_span,
    }


def _rank(point: GridPoint) -> dict[str, object]:
    return {"feasible": point.feasible, "constraint_violation": point.violation}


def _metrics(point: GridPoint) -> dict[str, object]:
    rates = point.rates
    return {
        "critical_miss_rate": rates.miss,
        "critical_false_positive_rate": rates.fpr,
        "critical_miss_rate_ci95_high": rates.miss_high,
        "critical_false_positive_rate_ci95_high": rates.fpr_high,
        "critical_confusion": {"tp": rates.tp, "fn": rates.fn, "fp": rates.fp, "tn": rates.tn},
        "critical_positives": rates.tp + rates.fn,
        "critical_negatives": rates.fp + rates.tn,
    }


def _grid(old: Mapping[str, list[float]] | None) -> FittingGrid:
    if old is None:
        return FittingGrid()
    return FittingGrid(
        min_dtw=tuple(old["dtw_min"]),
        max_distance=tuple(old["max_critical_missing_mean_distance"]),
        max_span=tuple(old["max_critical_missing_expected_span"]),
    )


def _constant(value: object, default: float) -> float:
    if not isinstance(value, int | float | str):
        return default
    try:
        number = float(value)
    except ValueError:
        return default
    return default if number < 0 or math.isnan(number) else number


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
