"""What a gate is, and the four gate profiles of the old system with its names and numbers.

Checks are named as in `studies.metrics.gate_values`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Direction = Literal["max", "min"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing a gate can ask for.

    ``key`` is its name in a gate's configuration. ``direction`` says which side of the threshold is allowed:
    ``max`` value <= threshold, ``min`` value >= threshold. ``evidence`` marks the checks that ask for an
    amount of material, which a small split is excused from. ``fixed`` marks those that no override may
    loosen: what they guard makes every other figure meaningless.
    """

    name: str
    key: str
    direction: Direction
    evidence: bool = False
    fixed: bool = False


LEGACY_CHECKS: Final = (
    Check("critical_miss_rate", "max_critical_miss_rate", "max"),
    Check("critical_false_positive_rate", "max_critical_false_positive_rate", "max"),
    Check("critical_miss_rate_ci95_high", "max_critical_miss_rate_ci95_high", "max"),
    Check("critical_false_positive_rate_ci95_high", "max_critical_false_positive_rate_ci95_high", "max"),
    Check("rescore_jitter_max_delta", "max_rescore_jitter", "max"),
    Check("dtw_normalized_cost_p90", "max_dtw_p90", "max"),
    Check("drift_critical_score_psi", "max_drift_critical_score_psi", "max"),
    Check("drift_score_psi", "max_drift_score_psi", "max"),
    Check("drift_dtw_psi", "max_drift_dtw_psi", "max"),
    Check("critical_detected_rate_shift_abs", "max_critical_detected_rate_shift_abs", "max"),
    Check("num_completed_jobs", "min_num_completed_jobs", "min", evidence=True),
    Check("labels_total_jobs", "min_labels_total_jobs", "min", evidence=True),
    Check("labels_labeled_jobs", "min_labeled_jobs", "min", evidence=True),
    Check("critical_positives", "min_critical_positives", "min", evidence=True),
    Check("critical_negatives", "min_critical_negatives", "min", evidence=True),
    Check("coverage_rate", "min_coverage_rate", "min", evidence=True),
    Check("rescore_pairs", "min_rescore_pairs", "min", evidence=True),
)
"""The checks of the old system, in the order in which it printed them."""


@dataclass(frozen=True, slots=True)
class GateProfile:
    """A named set of thresholds.

    ``thresholds`` (check name -> threshold) holds the enabled checks in the order of the old configuration
    keys, ``listed`` the checks a report shows, enabled or not. A ``locked`` profile is overridden only with
    an explicit flag. ``research`` profiles block what depends on them.
    """

    name: str
    thresholds: Mapping[str, float]
    listed: tuple[str, ...]
    locked: bool = False
    research: bool = False

    def threshold(self, check: str) -> float | None:
        """The threshold of a check; None where the profile does not ask for it."""
        return self.thresholds.get(check)


_OLD: Final = tuple(check.name for check in LEGACY_CHECKS)


_RESEARCH: Final[Mapping[str, float]] = {
    "critical_miss_rate": 0.05,
    "critical_false_positive_rate": 0.15,
    "critical_miss_rate_ci95_high": 0.1,
    "critical_false_positive_rate_ci95_high": 0.2,
    "rescore_jitter_max_delta": 1.0,
    "dtw_normalized_cost_p90": 0.2,
    "num_completed_jobs": 500,
    "labels_total_jobs": 200,
    "labels_labeled_jobs": 200,
    "critical_positives": 30,
    "critical_negatives": 100,
    "coverage_rate": 0.98,
    "rescore_pairs": 100,
}


OLD_PROFILES: Final[Mapping[str, GateProfile]] = MappingProxyType(
    {
        "legacy_poc": GateProfile(
            "legacy_poc",
            {
                "critical_miss_rate": 0.1,
                "critical_false_positive_rate": 0.3,
                "rescore_jitter_max_delta": 5.0,
                "dtw_normalized_cost_p90": 0.6,
            },
            _OLD,
        ),
        "research_v1": GateProfile("research_v1", _RESEARCH, _OLD, locked=True, research=True),
        "research_v2": GateProfile("research_v2", _RESEARCH, _OLD, research=True),
        "ops_v1": GateProfile(
            "ops_v1",
            {
                "rescore_jitter_max_delta": 1.5,
                "dtw_normalized_cost_p90": 0.25,
                "drift_critical_score_psi": 0.25,
                "drift_score_psi": 0.25,
                "drift_dtw_psi": 0.25,
                "critical_detected_rate_shift_abs": 0.15,
                "num_completed_jobs": 200,
                "rescore_pairs": 50,
            },
            _OLD,
        ),
    }
)

NO_PROFILE: Final = GateProfile("none", {}, _OLD)
"""Lists the old checks and asks for none: what the old system reported without a profile."""
