"""Random jobs in the old system's shape, and the same as rows of our case table."""

from __future__ import annotations

import random
from typing import Any

from benchmarks._old_formulas import any_critical, critical_missing, number, severity_counts

TYPES = ("missing_step", "step_deviation", "order_swap", "over_time")


def random_jobs(n: int, seed: int, *, golds: int = 5, trainees: int | None = None) -> list[dict[str, Any]]:
    """Jobs whose scores, repeats and labels vary; half of the critical deviations are labelled as such."""
    rng = random.Random(seed)
    people = trainees or max(1, n // 4)
    return [_job(rng, place + 1, golds, people) for place in range(n)]


def case_rows(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The jobs as rows of `sopilot_assets.studies.cases.case_frame`."""
    return [_row(job) for job in jobs]


def _job(rng: random.Random, job_id: int, golds: int, people: int) -> dict[str, Any]:
    deviations = [_deviation(rng) for _ in range(rng.choice((0, 0, 1, 1, 2, 3)))]
    critical = any(deviation["severity"] == "critical" for deviation in deviations)
    labelled = rng.random() < 0.9
    trainee = rng.randrange(people)
    counts = {name: sum(item["severity"] == name for item in deviations) for name in ("critical", "quality")}
    return {
        "id": job_id,
        "gold": rng.randrange(golds),
        "trainee": trainee,
        "site": f"site_{trainee % 4}",
        "expected": (rng.random() < (0.7 if critical else 0.15)) if labelled else None,
        "score": {
            "score": round(rng.uniform(40, 100), 2),
            "metrics": {
                "miss_steps": rng.choice((0, 0, 1, 2)),
                "swap_steps": rng.choice((0, 0, 1)),
                "deviation_steps": rng.choice((0, 1, 2, 4)),
                "over_time_ratio": round(rng.choice((0.0, rng.uniform(0, 1.5))), 6),
                "dtw_normalized_cost": round(rng.choice((rng.uniform(0, 0.06), rng.uniform(0, 1.1))), 6),
            },
            "deviations": deviations,
            "summary": {"severity_counts": counts if rng.random() < 0.8 else {}},
        },
    }


def _deviation(rng: random.Random) -> dict[str, Any]:
    kind = rng.choice(TYPES)
    severity = rng.choice(("critical", "critical", "quality")) if kind == "missing_step" else "quality"
    found: dict[str, Any] = {"type": kind, "severity": severity}
    if rng.random() < 0.8:
        found["mean_distance"] = round(rng.uniform(0, 0.25), 6)
        found["expected_span_len"] = rng.choice((1, 1, 1.2, 1.4, 1.5, 1.6, 2, 3))
    return found


def _row(job: dict[str, Any]) -> dict[str, Any]:
    payload, counts = job["score"], severity_counts(job["score"])
    missing = critical_missing(payload)
    return {
        "case_id": f"job-{job['id']:07d}",
        "order": job["id"],
        "video_id": str(job["trainee"]),
        "person": f"person-{job['trainee']}",
        "gold_id": str(job["gold"]),
        "site": job["site"],
        "origin": "imported",
        "score": payload["score"],
        **{name: number(value) for name, value in payload["metrics"].items()},
        **counts,
        "any_critical": any_critical(payload),
        "critical_missing": len(missing),
        "missing_distance": _mean(missing, "mean_distance"),
        "missing_span": _mean(missing, "expected_span_len"),
        "expected": float("nan") if job["expected"] is None else float(job["expected"]),
    }


def _mean(deviations: list[dict[str, Any]], name: str) -> float:
    return sum(number(item.get(name)) for item in deviations) / len(deviations) if deviations else 0.0
