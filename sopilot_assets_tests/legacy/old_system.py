"""What the old system's scripts print for a database and labels, in plain Python: an oracle for the tests.

Written from the facts about those scripts and from nothing in the package: jobs are dictionaries, counts are
loops. `write_reports` makes a folder like the one that an existing installation comes with.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

MODES = ("legacy_binary", "continuous_v1", "guarded_binary_v1", "guarded_binary_v2")
RESEARCH = {
    "max_critical_miss_rate": 0.05,
    "max_critical_false_positive_rate": 0.15,
    "max_critical_miss_rate_ci95_high": 0.1,
    "max_critical_false_positive_rate_ci95_high": 0.2,
    "max_rescore_jitter": 1.0,
    "max_dtw_p90": 0.2,
    "min_num_completed_jobs": 500,
    "min_labels_total_jobs": 200,
    "min_labeled_jobs": 200,
    "min_critical_positives": 30,
    "min_critical_negatives": 100,
    "min_coverage_rate": 0.98,
    "min_rescore_pairs": 100,
}
PROFILES: dict[str, dict[str, float]] = {
    "none": {},
    "legacy_poc": {
        "max_critical_miss_rate": 0.1,
        "max_critical_false_positive_rate": 0.3,
        "max_rescore_jitter": 5.0,
        "max_dtw_p90": 0.6,
    },
    "research_v1": RESEARCH,
    "research_v2": RESEARCH,
    "ops_v1": {
        "max_rescore_jitter": 1.5,
        "max_dtw_p90": 0.25,
        "max_drift_critical_score_psi": 0.25,
        "max_drift_score_psi": 0.25,
        "max_drift_dtw_psi": 0.25,
        "max_critical_detected_rate_shift_abs": 0.15,
        "min_num_completed_jobs": 200,
        "min_rescore_pairs": 50,
    },
}
CHECKS = (
    ("critical_miss_rate", "max_critical_miss_rate", ("critical_miss_rate",)),
    ("critical_false_positive_rate", "max_critical_false_positive_rate", ("critical_false_positive_rate",)),
    (
        "critical_miss_rate_ci95_high",
        "max_critical_miss_rate_ci95_high",
        ("critical_confidence", "miss_rate", "ci95", "high"),
    ),
    (
        "critical_false_positive_rate_ci95_high",
        "max_critical_false_positive_rate_ci95_high",
        ("critical_confidence", "false_positive_rate", "ci95", "high"),
    ),
    ("rescore_jitter_max_delta", "max_rescore_jitter", ("rescore_jitter", "max_delta")),
    ("dtw_normalized_cost_p90", "max_dtw_p90", ("dtw_normalized_cost_stats", "p90")),
    ("drift_critical_score_psi", "max_drift_critical_score_psi", ("drift", "critical_score_psi")),
    ("drift_score_psi", "max_drift_score_psi", ("drift", "score_psi")),
    ("drift_dtw_psi", "max_drift_dtw_psi", ("drift", "dtw_normalized_cost_psi")),
    (
        "critical_detected_rate_shift_abs",
        "max_critical_detected_rate_shift_abs",
        ("drift", "critical_detected_rate_shift_abs"),
    ),
    ("num_completed_jobs", "min_num_completed_jobs", ("num_completed_jobs",)),
    ("labels_total_jobs", "min_labels_total_jobs", ("labels_total_jobs",)),
    ("labels_labeled_jobs", "min_labeled_jobs", ("labels_labeled_jobs",)),
    ("critical_positives", "min_critical_positives", ("critical_positives",)),
    ("critical_negatives", "min_critical_negatives", ("critical_negatives",)),
    ("coverage_rate", "min_coverage_rate", ("coverage_rate",)),
    ("rescore_pairs", "min_rescore_pairs", ("rescore_jitter", "num_pairs_with_repeats")),
)
GRID = {
    "dtw_min": [0.015, 0.02, 0.025, 0.03, 0.035, 0.04],
    "max_critical_missing_mean_distance": [0.08, 0.09, 0.1, 0.11, 0.12, 0.13, 0.14],
    "max_critical_missing_expected_span": [1.0, 1.2, 1.4, 1.5, 1.6, 1.8, 2.0],
}
SPLIT_MODES = ("legacy_binary", "guarded_binary_v1", "guarded_binary_v2", "continuous_v1")
STRATEGIES = ("random_stratified", "group_trainee", "group_gold", "group_site", "leave_one_site_out")
SEED = 20260223
RATIOS = {"dev": 0.6, "test": 0.2, "challenge": 0.2}
CREATED_AT = "2026-11-23T06:20:00+00:00"

Job = dict[str, Any]


# what is read


def completed_jobs(db: Path, task_id: str | None) -> list[Job]:
    with sqlite3.connect(f"file:{db}?mode=ro&immutable=1", uri=True) as connection:
        found = connection.execute(
            "select j.id, j.gold_video_id, j.trainee_video_id, j.score_json, t.site_id, g.task_id "
            "from score_jobs j left join videos g on g.id = j.gold_video_id "
            "left join videos t on t.id = j.trainee_video_id "
            "where j.status = 'completed' and j.score_json is not null order by j.id"
        ).fetchall()
    names = ("id", "gold", "trainee", "score", "site", "task")
    jobs = [dict(zip(names, row, strict=True)) for row in found]
    return [{**job, "score": json.loads(job["score"])} for job in jobs if task_id in (None, job["task"])]


def label_file(path: Path) -> tuple[dict[int, bool], dict[str, int]]:
    labels: dict[int, bool] = {}
    named = set()
    for row in json.loads(path.read_text(encoding="utf-8"))["jobs"]:
        if not isinstance(row, dict) or row.get("job_id") is None:
            continue
        try:
            job_id = int(row["job_id"])
        except ValueError:
            continue
        named.add(job_id)
        if row.get("critical_expected") is not None:
            labels[job_id] = bool(row["critical_expected"])
    scope = {"total": len(named), "labeled": len(labels), "unknown": len(named) - len(labels)}
    return labels, scope


# detectors


def whole(value: Any) -> int:
    try:
        return max(0, int(value))
    except (TypeError, ValueError, OverflowError):
        return 0


def positive(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0.0
    return number if number > 0 else 0.0


def severities(payload: Mapping[str, Any]) -> dict[str, int]:
    raw = (payload.get("summary") or {}).get("severity_counts")
    raw = raw if isinstance(raw, dict) else {}
    counts = {name: whole(raw.get(name)) for name in ("critical", "quality", "efficiency")}
    if sum(counts.values()) == 0:
        for deviation in payload.get("deviations") or []:
            name = str(deviation.get("severity", "quality")).strip().lower()
            counts[name] = counts.get(name, 0) + 1
    return counts


def continuous(payload: Mapping[str, Any]) -> float:
    counts, metrics = severities(payload), payload.get("metrics") or {}
    raw = 2.5 * counts["critical"] + 0.35 * counts["quality"] + 0.15 * counts["efficiency"]
    raw += 0.2 * whole(metrics.get("miss_steps")) + 0.1 * whole(metrics.get("swap_steps"))
    raw += 0.15 * whole(metrics.get("deviation_steps"))
    raw += 3.0 * max(0.0, positive(metrics.get("dtw_normalized_cost")) - 0.08)
    raw += 0.8 * max(0.0, positive(metrics.get("over_time_ratio")) - 0.2)
    return round(1.0 - math.exp(-raw), 6)


def missing(payload: Mapping[str, Any]) -> tuple[int, float, float]:
    distances, spans = [], []
    for deviation in payload.get("deviations") or []:
        severity = str(deviation.get("severity", "")).strip().lower()
        kind = str(deviation.get("type", "")).strip().lower()
        if severity == "critical" and kind == "missing_step":
            distances.append(positive(deviation.get("mean_distance")))
            spans.append(positive(deviation.get("expected_span_len")))
    n = len(distances)
    return (n, sum(distances) / n, sum(spans) / n) if n else (0, 0.0, 0.0)


def detected(payload: Mapping[str, Any], mode: str, threshold: float, policy: Any) -> bool:
    if mode == "continuous_v1":
        return continuous(payload) >= round(min(1.0, max(0.0, threshold)), 6)
    if not any(str(one.get("severity", "")) == "critical" for one in payload.get("deviations", [])):
        return False
    if mode == "legacy_binary":
        return True
    rails = (policy or {}).get("guardrails", {})
    v1, v2 = rails.get("guarded_binary_v1", {}), rails.get("guarded_binary_v2", {})
    floor = v2.get("min_dtw", v1.get("min_dtw", 0.025)) if mode.endswith("v2") else v1.get("min_dtw", 0.025)
    if positive((payload.get("metrics") or {}).get("dtw_normalized_cost")) < floor:
        return False
    if mode == "guarded_binary_v1":
        return True
    n, distance, span = missing(payload)
    most_distance = v2.get("max_critical_missing_mean_distance", 0.11)
    most_span = v2.get("max_critical_missing_expected_span", 1.5)
    return not (n > 0 and (distance > most_distance or span > most_span))


# figures


def stats(values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return dict.fromkeys(("mean", "p50", "p90", "min", "max"))
    middle, high = np.percentile(values, [50, 90])
    found = {"mean": np.mean(values), "p50": middle, "p90": high, "min": min(values), "max": max(values)}
    return {name: round(float(value), 6) for name, value in found.items()}


def wilson(k: int, n: int) -> dict[str, float] | None:
    if n == 0:
        return None
    z, share = 1.959963984540054, k / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return {"low": round(max(0.0, centre - half), 6), "high": round(min(1.0, centre + half), 6)}


def rate(part: int, total: int) -> float | None:
    return round(part / total, 6) if total else None


def confusion(jobs: Iterable[Job], labels: Mapping[int, bool], *how: Any) -> dict[str, int]:
    found = Counter((labels[job["id"]], detected(job["score"], *how)) for job in jobs if job["id"] in labels)
    return {
        "tp": found[True, True],
        "fn": found[True, False],
        "fp": found[False, True],
        "tn": found[False, False],
    }


def jitter(jobs: Iterable[Job]) -> dict[str, float | None]:
    pairs: dict[tuple[int, int], list[float]] = {}
    for job in jobs:
        pairs.setdefault((job["gold"], job["trainee"]), []).append(float(job["score"].get("score", 0.0)))
    deltas = [max(scores) - min(scores) for scores in pairs.values() if len(scores) > 1]
    found = stats(deltas)
    return {
        "num_pairs_with_repeats": len(deltas),
        "mean_delta": found["mean"],
        "p90_delta": found["p90"],
        "max_delta": found["max"],
    }


def psi(before: Sequence[float], after: Sequence[float]) -> float:
    edges = np.unique(np.quantile(before, np.linspace(0, 1, 11)))
    if len(edges) < 3:
        low, high = min(*before, *after), max(*before, *after)
        if high - low < 1e-12:
            return 0.0
        edges = np.linspace(low, high, 11)
    first = np.maximum(np.histogram(before, edges)[0] / len(before), 1e-8)
    second = np.maximum(np.histogram(after, edges)[0] / len(after), 1e-8)
    return round(max(0.0, float(np.sum((second - first) * np.log(second / first)))), 6)


def drift(
    scores: list[float], critical: list[float], costs: list[float], flags: list[bool]
) -> dict[str, Any]:
    n = len(scores)
    half = n // 2
    enabled = half >= 20 and n - half >= 20
    out: dict[str, Any] = {
        "reference_jobs": half,
        "current_jobs": n - half,
        "min_window_jobs_required": 20,
        "enabled": enabled,
        "reason": "ok" if enabled else "insufficient_jobs",
    }
    before, after = (sum(flags[:half]) / half, sum(flags[half:]) / (n - half)) if enabled else (0.0, 0.0)
    found = {
        "critical_score_psi": psi(critical[:half], critical[half:]) if enabled else None,
        "score_psi": psi(scores[:half], scores[half:]) if enabled else None,
        "dtw_normalized_cost_psi": psi(costs[:half], costs[half:]) if enabled and len(costs) == n else None,
        "critical_detected_rate_reference": round(before, 6),
        "critical_detected_rate_current": round(after, 6),
        "critical_detected_rate_shift_abs": round(abs(after - before), 6),
    }
    return out | (found if enabled else dict.fromkeys(found))


def evaluation(
    jobs: Sequence[Job],
    labels: Mapping[int, bool],
    scope: Mapping[str, int],
    mode: str,
    threshold: float,
    policy: Any,
) -> dict[str, Any]:
    scores = [float(job["score"].get("score", 0.0)) for job in jobs]
    critical = [continuous(job["score"]) for job in jobs]
    costs = [job["score"].get("metrics", {}).get("dtw_normalized_cost") for job in jobs]
    known = [float(cost) for cost in costs if cost is not None]
    flags = [detected(job["score"], mode, threshold, policy) for job in jobs]
    found = confusion(jobs, labels, mode, threshold, policy)
    positives, negatives = found["tp"] + found["fn"], found["fp"] + found["tn"]
    miss, alarm = rate(found["fn"], positives), rate(found["fp"], negatives)
    return {
        "num_completed_jobs": len(jobs),
        "critical_detected_jobs": sum(flags),
        "critical_scoring_mode": mode,
        "critical_threshold": round(threshold, 6),
        "critical_score_stats": stats(critical),
        "score_stats": stats(scores),
        "dtw_normalized_cost_stats": stats(known),
        "rescore_jitter": jitter(jobs),
        "drift": drift(scores, critical, known, flags),
        "critical_policy": None
        if policy is None
        else {
            name: policy[name]
            for name in (
                "policy_id",
                "version",
                "scoring_mode",
                "critical_threshold",
                "created_at",
                "guardrails",
            )
        },
        "critical_miss_rate": miss,
        "critical_false_positive_rate": alarm,
        "critical_confusion": found,
        "critical_positives": positives,
        "critical_negatives": negatives,
        "completed_labeled_jobs": positives + negatives,
        "labels_total_jobs": scope["total"],
        "labels_labeled_jobs": scope["labeled"],
        "labels_unknown_jobs": scope["unknown"],
        "coverage_rate": rate(positives + negatives, scope["labeled"]),
        "critical_confidence": {
            "miss_rate": {"n": positives, "point": miss, "ci95": wilson(found["fn"], positives)},
            "false_positive_rate": {"n": negatives, "point": alarm, "ci95": wilson(found["fp"], negatives)},
        },
    }


def gates(report: Mapping[str, Any], limits: Mapping[str, float]) -> dict[str, Any]:
    checks = []
    for name, key, place in CHECKS:
        value: Any = report
        for part in place:
            value = value.get(part) if isinstance(value, dict) else None
        value = None if value is None else float(value)
        limit = None if limits.get(key) is None else float(limits[key])
        if limit is None:
            passed, reason = True, "disabled"
        elif value is None:
            passed, reason = False, "value_missing"
        else:
            passed = value <= limit if key.startswith("max_") else value >= limit
            reason = "ok" if passed else "threshold_violation"
        checks.append(
            {
                "name": name,
                "enabled": limit is not None,
                "pass": passed,
                "value": value,
                "threshold": limit,
                "reason": reason,
            }
        )
    return {"overall_pass": all(check["pass"] for check in checks if check["enabled"]), "checks": checks}


def sweep(jobs: Sequence[Job], labels: Mapping[int, bool], limits: Mapping[str, float]) -> dict[str, Any]:
    most_miss = limits.get("max_critical_miss_rate")
    most_alarm = limits.get("max_critical_false_positive_rate")
    thresholds = [round(step * 0.05, 6) for step in range(21)]
    rows: list[dict[str, Any]] = []
    for threshold in thresholds:
        found = confusion(jobs, labels, "continuous_v1", threshold, None)
        positives, negatives = found["tp"] + found["fn"], found["fp"] + found["tn"]
        rows.append(
            {
                "threshold": threshold,
                "critical_miss_rate": rate(found["fn"], positives),
                "critical_false_positive_rate": rate(found["fp"], negatives),
                "critical_confusion": found,
                "critical_positives": positives,
                "critical_negatives": negatives,
            }
        )
    ranked: list[tuple[float, float, float, float]] = []
    for row in rows:
        miss, alarm = row["critical_miss_rate"], row["critical_false_positive_rate"]
        if miss is None or alarm is None:
            continue
        excess = max(0.0, miss - most_miss) if most_miss is not None else 0.0
        excess += max(0.0, alarm - most_alarm) if most_alarm is not None else 0.0
        ranked.append((excess, alarm, miss, -row["threshold"]))
    recommended = None
    if ranked:
        excess, alarm, miss, threshold = min(ranked)
        recommended = {
            "threshold": -threshold,
            "critical_miss_rate": miss,
            "critical_false_positive_rate": alarm,
            "reason": "minimum_constraint_violation" if excess > 0 else "meets_constraints_min_fpr",
        }
    return {
        "scoring_mode": "continuous_v1",
        "thresholds": thresholds,
        "constraints": {
            "max_critical_miss_rate": most_miss,
            "max_critical_false_positive_rate": most_alarm,
        },
        "rows": rows,
        "recommended": recommended,
    }
