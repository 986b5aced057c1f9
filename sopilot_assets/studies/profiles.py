"""Gate profiles: the named sets of thresholds that the figures of a study are held against.

The first four keep the names and numbers of the old system; ``research_v3`` asks for what they leave out.
Checks are named as in `metrics.gate_values`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from sopilot_assets.errors import StudyError
from sopilot_assets.old_rules.profiles import LEGACY_CHECKS, OLD_PROFILES, Check, GateProfile

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
        **OLD_PROFILES,
        "research_v3": GateProfile("research_v3", _RESEARCH_V3, tuple(_RESEARCH_V3), research=True),
    }
)
"""The profiles by name; the first four check exactly what the old system checked.

Studies register a profile by its name, and the verifier holds dossiers, older ones too, against its own copy
of the numbers: other numbers are another profile.
"""


def configuration(profile: GateProfile) -> dict[str, float]:
    """A profile's thresholds by configuration key (``max_...``, ``min_...``), as old reports show them."""
    return {CHECKS[name].key: threshold for name, threshold in profile.thresholds.items()}


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
