"""The gates: whether each check follows from its value, and each value from the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

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


def check_gate_rules(report: Mapping[str, Any], registered: Mapping[str, Any], findings: Findings) -> None:
    """The report holds every check that the registered profile asks for, at the profile's threshold or at
    that of a registered override.
    """
    profile = registered["gate_profile"]
    overrides = registered["gate_overrides"]
    findings.add(GATES_FILE, "gates: profile that was registered", report["profile"], profile)
    findings.add(GATES_FILE, "gates: overrides that were registered", report["overrides"], overrides)
    if overrides and profile in LOCKED_PROFILES:
        findings.add(GATES_FILE, "gates: locked profile with overrides", registered["override_locked"], True)
    own = PROFILE_THRESHOLDS[profile]
    wanted: dict[str, Any] = {**own, **{one["check"]: one["threshold"] for one in overrides}}
    for name in sorted(FIXED_CHECKS & set(own)):
        loose = wanted[name] is None or (
            wanted[name] < own[name] if name in LEAST_CHECKS else wanted[name] > own[name]
        )
        findings.add(
            GATES_FILE, f"gate {name}: threshold, not loosened", wanted[name], own[name], ok=not loose
        )
    names = [check["name"] for check in report["checks"]]
    lacking = sorted(set(wanted) - set(names))
    findings.add(GATES_FILE, "gates: checks that are lacking", ", ".join(lacking) or "none", "none")
    findings.add(GATES_FILE, "gates: each check once", len(names), len(set(names)))
    for check in report["checks"]:
        name = check["name"]
        findings.add(GATES_FILE, f"gate {name}: threshold", check["threshold"], wanted.get(name))
        direction = "min" if name in LEAST_CHECKS else "max"
        findings.add(GATES_FILE, f"gate {name}: direction", check["direction"], direction)


def values_of(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the checks that come from the figures."""
    return {name: _at(figures, path) for name, path in _PATHS.items()}


def check_gate_report(
    report: Mapping[str, Any], stated: Mapping[str, Any], found: Mapping[str, Any], findings: Findings
) -> None:
    """Hold every check of the report against the values ``found`` from the rows and against its threshold."""
    checks: Sequence[Mapping[str, Any]] = report["checks"]
    for check in checks:
        name, value, threshold = check["name"], check["value"], check["threshold"]
        if name in found:
            findings.add(GATES_FILE, f"gate {name}: value", value, found[name])
        else:
            findings.not_recomputed.append(f"gates.{name}")
        findings.add(GATES_FILE, f"gate {name}: value that the gate saw", value, stated.get(name))
        passed = threshold is None or (
            value is not None and (value <= threshold if check["direction"] == "max" else value >= threshold)
        )
        findings.add(GATES_FILE, f"gate {name}: passed", check["passed"], passed)
        findings.add(GATES_FILE, f"gate {name}: enabled", check["enabled"], threshold is not None)
    enabled = [check for check in checks if check["threshold"] is not None]
    together = bool(enabled) and all(check["passed"] for check in enabled)
    findings.add(GATES_FILE, "gates: all passed", report["overall_pass"], together)


def _at(figures: Any, path: Sequence[str]) -> Any:
    for name in path:
        figures = figures.get(name) if isinstance(figures, Mapping) else None
    return figures
