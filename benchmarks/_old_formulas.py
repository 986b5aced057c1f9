"""The old system's evaluation in plain Python, one job at a time: what ours is measured and tested against.

A job is a dict with ``id``, ``gold``, ``trainee``, ``site``, ``expected`` (True, False, None) and ``score``,
the payload of its score: ``score``, ``metrics``, ``deviations`` and ``summary``. It shares no code with the
package, on purpose, and uses neither numpy nor pandas.
"""

from __future__ import annotations

import math
from typing import Any

Z = 1.959963984540054
SEVERITIES = ("critical", "quality", "efficiency")
GRID_MIN_DTW = (0.015, 0.02, 0.025, 0.03, 0.035, 0.04)
GRID_DISTANCE = (0.08, 0.09, 0.10, 0.11, 0.12, 0.13, 0.14)
GRID_SPAN = (1.0, 1.2, 1.4, 1.5, 1.6, 1.8, 2.0)
DEFAULT_LIMITS = {"min_dtw": 0.025, "distance": 0.11, "span": 1.5}


def number(value: Any) -> float:
    try:
        parsed = float(value)
    except (TypeError, ValueError):
        return 0.0
    return parsed if math.isfinite(parsed) and parsed > 0 else 0.0


def severity_counts(payload: dict[str, Any]) -> dict[str, float]:
    listed = (payload.get("summary") or {}).get("severity_counts") or {}
    counts = {name: number(listed.get(name)) for name in SEVERITIES}
    if sum(counts.values()) > 0:
        return counts
    counts = dict.fromkeys(SEVERITIES, 0.0)
    for deviation in payload.get("deviations") or []:
        name = deviation.get("severity") or "quality"
        if name in counts:
            counts[name] += 1
    return counts


def critical_score(payload: dict[str, Any]) -> float:
    counts, metrics = severity_counts(payload), payload.get("metrics") or {}
    raw = 2.5 * counts["critical"] + 0.35 * counts["quality"] + 0.15 * counts["efficiency"]
    raw += 0.2 * number(metrics.get("miss_steps")) + 0.1 * number(metrics.get("swap_steps"))
    raw += 0.15 * number(metrics.get("deviation_steps"))
    raw += 3.0 * max(0.0, number(metrics.get("dtw_normalized_cost")) - 0.08)
    raw += 0.8 * max(0.0, number(metrics.get("over_time_ratio")) - 0.2)
    return round(min(1.0, max(0.0, 1.0 - math.exp(-raw))), 6)


def any_critical(payload: dict[str, Any]) -> bool:
    return any(deviation.get("severity") == "critical" for deviation in payload.get("deviations") or [])


def critical_missing(payload: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        deviation
        for deviation in payload.get("deviations") or []
        if deviation.get("severity") == "critical" and deviation.get("type") == "missing_step"
    ]


def detected(
    payload: dict[str, Any],
    mode: str,
    *,
    threshold: float = 0.5,
    limits: dict[str, float] | None = None,
) -> bool:
    if mode == "continuous_v1":
        return critical_score(payload) >= min(1.0, max(0.0, threshold))
    if not any_critical(payload):
        return False
    if mode == "legacy_binary":
        return True
    bounds = limits or DEFAULT_LIMITS
    if number((payload.get("metrics") or {}).get("dtw_normalized_cost")) < bounds["min_dtw"]:
        return False
    missing = critical_missing(payload)
    if mode == "guarded_binary_v1" or not missing:
        return True
    distance = sum(number(deviation.get("mean_distance")) for deviation in missing) / len(missing)
    span = sum(number(deviation.get("expected_span_len")) for deviation in missing) / len(missing)
    return not (distance > bounds["distance"] or span > bounds["span"])


def wilson(k: float, n: float) -> tuple[float, float] | None:
    if n == 0:
        return None
    p = k / n
    centre = p + Z * Z / (2 * n)
    reach = Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    scale = 1 + Z * Z / n
    return max(0.0, (centre - reach) / scale), min(1.0, (centre + reach) / scale)


def quantile(ordered: list[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    part, reach = place - below, ordered[above] - ordered[below]
    # the old system's way round, since an edge may fall on a value
    return ordered[above] - reach * (1 - part) if part >= 0.5 else ordered[below] + reach * part


def statistics(values: list[float]) -> dict[str, float | None]:
    if not values:
        return dict.fromkeys(("mean", "p50", "p90", "min", "max"))
    ordered = sorted(values)
    figures = {
        "mean": sum(values) / len(values),
        "p50": quantile(ordered, 0.5),
        "p90": quantile(ordered, 0.9),
        "min": ordered[0],
        "max": ordered[-1],
    }
    return {name: round(value, 6) for name, value in figures.items()}


def jitter(jobs: list[dict[str, Any]]) -> dict[str, Any]:
    pairs: dict[tuple[Any, Any], list[float]] = {}
    for job in jobs:
        pairs.setdefault((job["gold"], job["trainee"]), []).append(job["score"]["score"])
    deltas = [max(scores) - min(scores) for scores in pairs.values() if len(scores) >= 2]
    found = statistics(deltas)
    return {
        "num_pairs_with_repeats": len(deltas),
        "mean_delta": found["mean"],
        "p90_delta": found["p90"],
        "max_delta": found["max"],
    }


def shares(values: list[float], edges: list[float]) -> list[float]:
    counts = [0] * (len(edges) - 1)
    for value in values:
        for place in range(len(counts)):
            last = place == len(counts) - 1
            if edges[place] <= value < edges[place + 1] or (last and value == edges[-1]):
                counts[place] += 1
    return [max(count / len(values), 1e-8) for count in counts]


def psi(reference: list[float], current: list[float]) -> float:
    ordered = sorted(reference)
    edges = sorted({quantile(ordered, min(1.0, step * 0.1)) for step in range(11)})
    if len(edges) < 3:
        low, high = min(reference + current), max(reference + current)
        if low == high:
            return 0.0
        edges = [low + step * ((high - low) / 10) for step in range(10)] + [high]
    pairs = zip(shares(reference, edges), shares(current, edges), strict=True)
    return round(max(0.0, sum((new - old) * math.log(new / old) for old, new in pairs)), 6)


def drift(scores: list[float], critical: list[float], dtw: list[float], found: list[bool]) -> dict[str, Any]:
    half = len(scores) // 2
    enabled = half >= 20
    result: dict[str, Any] = {
        "reference_jobs": half,
        "current_jobs": len(scores) - half,
        "min_window_jobs_required": 20,
        "enabled": enabled,
        "reason": "ok" if enabled else "insufficient_jobs",
    }
    names = ("critical_score_psi", "score_psi", "dtw_normalized_cost_psi")
    rates = ("reference", "current", "shift_abs")
    if not enabled:
        return result | dict.fromkeys((*names, *(f"critical_detected_rate_{rate}" for rate in rates)))
    for name, values in zip(names, (critical, scores, dtw), strict=True):
        result[name] = psi(values[:half], values[half:])
    before = sum(found[:half]) / half
    after = sum(found[half:]) / (len(found) - half)
    for rate, value in zip(rates, (before, after, abs(after - before)), strict=True):
        result[f"critical_detected_rate_{rate}"] = round(value, 6)
    return result


def confusion(jobs: list[dict[str, Any]], flags: list[bool]) -> dict[str, int]:
    counts = {"tp": 0, "fn": 0, "fp": 0, "tn": 0}
    for job, flag in zip(jobs, flags, strict=True):
        if job["expected"] is None:
            continue
        if job["expected"]:
            counts["tp" if flag else "fn"] += 1
        else:
            counts["fp" if flag else "tn"] += 1
    return counts


def rate(k: int, n: int) -> float | None:
    return round(k / n, 6) if n else None


def confidence(k: int, n: int) -> dict[str, Any]:
    bounds = wilson(k, n)
    ci95 = None if bounds is None else {"low": round(bounds[0], 6), "high": round(bounds[1], 6)}
    return {"n": n, "point": rate(k, n), "ci95": ci95}


def metrics(
    jobs: list[dict[str, Any]],
    mode: str,
    *,
    threshold: float = 0.5,
    limits: dict[str, float] | None = None,
) -> dict[str, Any]:
    flags = [detected(job["score"], mode, threshold=threshold, limits=limits) for job in jobs]
    critical = [critical_score(job["score"]) for job in jobs]
    scores = [job["score"]["score"] for job in jobs]
    dtw = [job["score"]["metrics"]["dtw_normalized_cost"] for job in jobs]
    counts = confusion(jobs, flags)
    positives, negatives = counts["tp"] + counts["fn"], counts["fp"] + counts["tn"]
    labelled = positives + negatives
    return {
        "num_completed_jobs": len(jobs),
        "critical_detected_jobs": sum(flags),
        "critical_score_stats": statistics(critical),
        "score_stats": statistics(scores),
        "dtw_normalized_cost_stats": statistics(dtw),
        "rescore_jitter": jitter(jobs),
        "drift": drift(scores, critical, dtw, flags),
        "critical_miss_rate": rate(counts["fn"], positives),
        "critical_false_positive_rate": rate(counts["fp"], negatives),
        "critical_confusion": counts,
        "critical_positives": positives,
        "critical_negatives": negatives,
        "completed_labeled_jobs": labelled,
        "labels_total_jobs": labelled,
        "labels_labeled_jobs": labelled,
        "labels_unknown_jobs": 0,
        "coverage_rate": 1.0 if labelled else None,
        "critical_confidence": {
            "miss_rate": confidence(counts["fn"], positives),
            "false_positive_rate": confidence(counts["fp"], negatives),
        },
    }


def sweep(jobs: list[dict[str, Any]], max_miss: float | None, max_fpr: float | None) -> dict[str, Any]:
    rows = []
    for step in range(21):
        threshold = round(step * 0.05, 2)
        flags = [detected(job["score"], "continuous_v1", threshold=threshold) for job in jobs]
        counts = confusion(jobs, flags)
        positives, negatives = counts["tp"] + counts["fn"], counts["fp"] + counts["tn"]
        rows.append(
            {
                "threshold": threshold,
                "critical_miss_rate": rate(counts["fn"], positives),
                "critical_false_positive_rate": rate(counts["fp"], negatives),
                "critical_confusion": counts,
            }
        )
    return {"rows": rows, "recommended": recommended(rows, max_miss, max_fpr)}


def recommended(rows: list[dict[str, Any]], max_miss: float | None, max_fpr: float | None) -> dict[str, Any]:
    best: tuple[tuple[float, ...], dict[str, Any]] | None = None
    for row in rows:
        miss, fpr = row["critical_miss_rate"], row["critical_false_positive_rate"]
        excess = violation(miss, max_miss) + violation(fpr, max_fpr)
        order = (excess, 1.0 if fpr is None else fpr, 1.0 if miss is None else miss, -row["threshold"])
        if best is None or order < best[0]:
            best = (order, row)
    assert best is not None
    reason = "meets_constraints_min_fpr" if best[0][0] == 0 else "minimum_constraint_violation"
    names = ("threshold", "critical_miss_rate", "critical_false_positive_rate")
    return {name: best[1][name] for name in names} | {"reason": reason}


def violation(value: float | None, limit: float | None) -> float:
    if value is None:
        return 1.0
    return 0.0 if limit is None else max(0.0, value - limit)


def fit(
    jobs: list[dict[str, Any]],
    *,
    max_miss: float | None,
    max_fpr: float | None,
    max_miss_high: float | None = None,
    max_fpr_high: float | None = None,
) -> dict[str, Any]:
    """The best of the 294 points of the second guarded detector; upper bounds bind where they are given."""
    best: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    for min_dtw in GRID_MIN_DTW:
        for distance in GRID_DISTANCE:
            for span in GRID_SPAN:
                limits = {"min_dtw": min_dtw, "distance": distance, "span": span}
                flags = [detected(job["score"], "guarded_binary_v2", limits=limits) for job in jobs]
                counts = confusion(jobs, flags)
                positives, negatives = counts["tp"] + counts["fn"], counts["fp"] + counts["tn"]
                miss, fpr = rate(counts["fn"], positives), rate(counts["fp"], negatives)
                excess = sum(
                    0.0 if limit is None else violation(value, limit)
                    for value, limit in (
                        (miss, max_miss),
                        (fpr, max_fpr),
                        (upper(counts["fn"], positives), max_miss_high),
                        (upper(counts["fp"], negatives), max_fpr_high),
                    )
                )
                excess = round(excess, 8)
                away = abs(min_dtw - 0.025) + abs(distance - 0.11) + abs(span - 1.5)
                order = (
                    excess > 1e-12,
                    excess,
                    1.0 if fpr is None else fpr,
                    1.0 if miss is None else miss,
                    away,
                )
                if best is None or order < best[0]:
                    best = (order, {**limits, "violation": excess, "miss": miss, "fpr": fpr})
    assert best is not None
    return best[1]


def upper(k: int, n: int) -> float | None:
    bounds = wilson(k, n)
    return None if bounds is None else round(bounds[1], 6)
