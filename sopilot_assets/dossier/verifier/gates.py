"""The gates: whether each check follows from its value, and each value from the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sopilot_assets.dossier.verifier.fields import Json, JsonField, JsonObject
from sopilot_assets.dossier.verifier.findings import Findings

GATES_FILE: Final = "results/gates.json"

_PATHS: Final[Mapping[str, tuple[str, ...]]] = {
    "critical_miss_rate": ("critical_miss_rate",),
    "critical_false_positive_rate": ("critical_false_positive_rate",),
    "critical_miss_rate_ci95_high": ("critical_confidence", "miss_rate", "ci95", "high"),
    "critical_false_positive_rate_ci95_high": ("critical_confidence", "false_positive_rate", "ci95", "high"),
    "rescore_jitter_max_delta": ("rescore_jitter", "max_delta"),
    "rescore_pairs": ("rescore_jitter", "num_pairs_with_repeats"),
    "dtw_normalized_cost_p90": ("dtw_normalized_cost_stats", "p90"),
    "drift_critical_score_psi": ("drift", "critical_score_psi"),
    "drift_score_psi": ("drift", "score_psi"),
    "drift_dtw_psi": ("drift", "dtw_normalized_cost_psi"),
    "critical_detected_rate_shift_abs": ("drift", "critical_detected_rate_shift_abs"),
    "num_completed_jobs": ("num_completed_jobs",),
    "labels_total_jobs": ("labels_total_jobs",),
    "labels_labeled_jobs": ("labels_labeled_jobs",),
    "coverage_rate": ("coverage_rate",),
    "critical_positives": ("critical_positives",),
    "critical_negatives": ("critical_negatives",),
    "clustered_miss_rate_ci95_high": ("right", "clustered_miss_rate", "high"),
    "clustered_false_positive_rate_ci95_high": ("right", "clustered_false_positive_rate", "high"),
    "independent_positives": ("right", "independent_positives"),
    "independent_negatives": ("right", "independent_negatives"),
    "decided_share": ("right", "decided_share"),
    "decided_positive_share": ("right", "decided_positive_share"),
    "scored_share": ("right", "scored_share"),
}
"""Where a check's value lies among the figures of the selected detector on the split of the gates."""


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
    "blind_label_share": 1.0,
    "leaking_groups": 0,
    "decided_share": 0.8,
}
PROFILE_THRESHOLDS: Final[Mapping[str, Mapping[str, float]]] = {
    "legacy_poc": {
        "critical_miss_rate": 0.1,
        "critical_false_positive_rate": 0.3,
        "rescore_jitter_max_delta": 5.0,
        "dtw_normalized_cost_p90": 0.6,
    },
    "research_v1": _RESEARCH,
    "research_v2": _RESEARCH,
    "ops_v1": {
        "rescore_jitter_max_delta": 1.5,
        "dtw_normalized_cost_p90": 0.25,
        "drift_critical_score_psi": 0.25,
        "drift_score_psi": 0.25,
        "drift_dtw_psi": 0.25,
        "critical_detected_rate_shift_abs": 0.15,
        "num_completed_jobs": 200,
        "rescore_pairs": 50,
    },
    "research_v3": {
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
    },
}
"""What each gate profile asks of a study, by check."""

LEAST_CHECKS: Final = frozenset(
    [
        "num_completed_jobs",
        "labels_total_jobs",
        "labels_labeled_jobs",
        "critical_positives",
        "critical_negatives",
        "coverage_rate",
        "rescore_pairs",
        "independent_positives",
        "independent_negatives",
        "blind_label_share",
        "rater_kappa_ci95_low",
        "settled_label_share",
        "decided_share",
        "decided_positive_share",
        "scored_share",
        "shifted_recordings",
    ]
)
"""Checks whose value has to be at least the threshold; at most for all others."""

LOCKED_PROFILES: Final = frozenset({"research_v1"})
FIXED_CHECKS: Final = frozenset({"blind_label_share", "leaking_groups"})
"""Checks that no override may loosen."""


def check_gate_rules(report: JsonField, registered: JsonField, findings: Findings) -> None:
    """The report holds every check that the registered profile asks for, at the profile's threshold or at
    that of a registered override.
    """
    profile = registered["gate_profile"].text()
    overrides = registered["gate_overrides"]
    findings.add(GATES_FILE, "gates: profile that was registered", report["profile"].value, profile)
    findings.add(
        GATES_FILE, "gates: overrides that were registered", report["overrides"].value, overrides.value
    )
    if overrides.value and profile in LOCKED_PROFILES:
        locked = registered["override_locked"].value
        findings.add(GATES_FILE, "gates: locked profile with overrides", locked, True)
    own = PROFILE_THRESHOLDS[profile]
    wanted: dict[str, float | None] = {
        **own,
        **{one["check"].text(): one["threshold"].number_or_none() for one in overrides.items()},
    }
    for name in sorted(FIXED_CHECKS & set(own)):
        sound = not _loosened(name, wanted[name], own[name])
        findings.add(GATES_FILE, f"gate {name}: threshold, not loosened", wanted[name], own[name], ok=sound)
    checks = report["checks"].items()
    names = [check["name"].text() for check in checks]
    lacking = sorted(set(wanted) - set(names))
    findings.add(GATES_FILE, "gates: checks that are lacking", ", ".join(lacking) or "none", "none")
    findings.add(GATES_FILE, "gates: each check once", len(names), len(set(names)))
    for name, check in zip(names, checks, strict=True):
        findings.add(GATES_FILE, f"gate {name}: threshold", check["threshold"].value, wanted.get(name))
        direction = "min" if name in LEAST_CHECKS else "max"
        findings.add(GATES_FILE, f"gate {name}: direction", check["direction"].value, direction)


def _loosened(name: str, wanted: float | None, own: float) -> bool:
    if wanted is None:
        return True
    return wanted < own if name in LEAST_CHECKS else wanted > own


def values_of(figures: JsonObject) -> dict[str, Json]:
    """The values of the checks that come from the figures."""
    return {name: _at(figures, path) for name, path in _PATHS.items()}


def check_gate_report(
    report: JsonField, stated: JsonField, found: Mapping[str, Json], findings: Findings
) -> None:
    """Hold every check of the report against the values ``found`` from the rows and against its threshold."""
    checks = report["checks"].items()
    for check in checks:
        name, value = check["name"].text(), check["value"].value
        if name in found:
            findings.add(GATES_FILE, f"gate {name}: value", value, found[name])
        else:
            findings.not_recomputed.append(f"gates.{name}")
        findings.add(GATES_FILE, f"gate {name}: value that the gate saw", value, stated.get(name).value)
        findings.add(GATES_FILE, f"gate {name}: passed", check["passed"].value, _passes(check))
        enabled = check["threshold"].value is not None
        findings.add(GATES_FILE, f"gate {name}: enabled", check["enabled"].value, enabled)
    asked = [check for check in checks if check["threshold"].value is not None]
    together = bool(asked) and all(check["passed"].value for check in asked)
    findings.add(GATES_FILE, "gates: all passed", report["overall_pass"].value, together)


def _passes(check: JsonField) -> bool:
    """Whether the value of a check keeps its threshold; without a threshold it does, without a value not."""
    threshold, value = check["threshold"].number_or_none(), check["value"].number_or_none()
    if threshold is None:
        return True
    if value is None:
        return False
    return value <= threshold if check["direction"].value == "max" else value >= threshold


def _at(figures: Json, path: Sequence[str]) -> Json:
    for name in path:
        figures = figures.get(name) if isinstance(figures, Mapping) else None
    return figures
