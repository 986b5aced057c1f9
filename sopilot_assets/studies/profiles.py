"""Gate profiles: the named sets of thresholds that the figures of a study are held against.

The first four keep the names and numbers of the old system; ``research_v3`` asks for what they leave out.
Checks are named as in `metrics.gate_values`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

from sopilot_assets.errors import StudyError

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

EVIDENCE_CHECKS: Final = (
    Check("clustered_miss_rate_ci95_high", "max_clustered_miss_rate_ci95_high", "max"),
    Check("clustered_false_positive_rate_ci95_high", "max_clustered_false_positive_rate_ci95_high", "max"),
    Check("independent_positives", "min_independent_positives", "min", evidence=True),
    Check("independent_negatives", "min_independent_negatives", "min", evidence=True),
    Check("blind_label_share", "min_blind_label_share", "min", fixed=True),
    Check("rater_kappa_ci95_low", "min_rater_kappa_ci95_low", "min"),
    Check("settled_label_share", "min_settled_label_share", "min"),
    Check("decided_share", "min_decided_share", "min"),
    Check("decided_positive_share", "min_decided_positive_share", "min"),
    Check("scored_share", "min_scored_share", "min"),
    Check("shifted_recordings", "min_shifted_recordings", "min", evidence=True),
    Check("shifted_jitter_max_delta", "max_shifted_jitter_max_delta", "max"),
    Check("shifted_decision_change_rate", "max_shifted_decision_change_rate", "max"),
    Check("test_looks", "max_test_looks", "max"),
    Check("leaking_groups", "max_leaking_groups", "max", fixed=True),
)
"""The checks that the old system lacked."""

CHECKS: Final[Mapping[str, Check]] = MappingProxyType({c.name: c for c in LEGACY_CHECKS + EVIDENCE_CHECKS})


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

    def configuration(self) -> dict[str, float]:
        """The thresholds by configuration key (``max_...``, ``min_...``), as the old reports show them."""
        return {CHECKS[name].key: threshold for name, threshold in self.thresholds.items()}


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

# What research_v3 asks for, and why:
# - the point rates are those of research_v1; the bounds are clustered by person, since repeats of one person
#   are not new evidence, and an interval over rows shrinks with every repeat;
# - 40 independent negatives and 20 positives are what is needed for the false-positive bound with 3 false
#   alarms, and for the miss rate to mean more than one or two persons; the miss bound of .10 itself needs 35
#   persons without a miss (Wilson), so it stays the harder of the two;
# - abstaining is allowed, but a detector that decides on less than 80 %, of all or of the critical, is of
#   no use, and what could not be scored at all counts against it;
# - labels that raters left open drop out of every figure, and the hard ones first: at most a tenth may;
# - 30 shifted repeats bound a decision change rate of .05 only loosely (Wilson, 0 of 30: .11), but show a
#   detector that depends on where the sampling grid happens to start;
# - a kappa whose lower bound is below .4 ("moderate" begins there: Landis & Koch 1977) means that raters do
#   not agree on what a critical deviation is;
# - more than one look at the test split makes it a development split.
_RESEARCH_V3: Final[Mapping[str, float]] = {
    "critical_miss_rate": 0.05,
    "critical_false_positive_rate": 0.15,
    "clustered_miss_rate_ci95_high": 0.1,
    "clustered_false_positive_rate_ci95_high": 0.2,
    "independent_positives": 20,
    "independent_negatives": 40,
    "blind_label_share": 1.0,
    "rater_kappa_ci95_low": 0.4,
    "settled_label_share": 0.9,
    "decided_share": 0.8,
    "decided_positive_share": 0.8,
    "scored_share": 0.98,
    "shifted_recordings": 30,
    "shifted_jitter_max_delta": 5.0,
    "shifted_decision_change_rate": 0.05,
    "test_looks": 1,
    "leaking_groups": 0,
}

_ALL_RESEARCH: Final[Mapping[str, float]] = {
    name: _RESEARCH_V3[name] for name in ("blind_label_share", "leaking_groups", "decided_share")
}
"""What every research profile asks of a study; see `study_profile`."""

PROFILES: Final[Mapping[str, GateProfile]] = MappingProxyType(
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
        "research_v3": GateProfile("research_v3", _RESEARCH_V3, tuple(_RESEARCH_V3), research=True),
    }
)
"""The profiles by name; the first four check exactly what the old system checked."""

NO_PROFILE: Final = GateProfile("none", {}, _OLD)
"""Lists the old checks and asks for none: what the old system reported without a profile."""


def gate_profile(name: str) -> GateProfile:
    """The profile of this name, exactly; `StudyError` names those that exist."""
    if name not in PROFILES:
        raise StudyError(f"gate profile: expected one of {list(PROFILES)}, found {name!r}.")
    return PROFILES[name]


def study_profile(name: str) -> GateProfile:
    """The profile as a study of this package is held to it.

    A research profile also asks for what the old system did not know: that every label be a blind human one,
    since labels prefilled from file names only repeat what the file's author meant; that no group be on two
    sides of the split; and that the detector decide, since abstaining on all that is hard leaves no errors.
    The old system's own results are reproduced with `gate_profile`.
    """
    profile = gate_profile(name)
    if not profile.research:
        return profile
    added = {check: least for check, least in _ALL_RESEARCH.items() if check not in profile.thresholds}
    return replace(profile, thresholds={**profile.thresholds, **added}, listed=(*profile.listed, *added))
