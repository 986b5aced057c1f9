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
    "scored_share": ("right", "scored_share"),
}
"""Where a check's value lies among the figures of the selected detector on the split of the gates."""


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
