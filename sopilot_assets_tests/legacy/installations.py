"""Small made-up installations of the old system: a database and a label file in its schema, with the odd
payloads that one meets.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA = """
create table videos (
    id integer primary key autoincrement, task_id text not null, site_id text, camera_id text,
    operator_id_hash text, recorded_at text, is_gold integer not null default 0, file_path text,
    status text not null default 'processing', clip_count integer not null default 0,
    step_boundaries_json text not null default '[]', embedding_model text not null default 'color-motion-v1',
    created_at text not null, updated_at text not null, error text, original_filename text
);
create table score_jobs (
    id integer primary key autoincrement, gold_video_id integer not null, trainee_video_id integer not null,
    status text not null default 'queued', score_json text, weights_json text, created_at text not null,
    updated_at text not null, started_at text, finished_at text, error text
);
create table task_profiles (
    task_id text primary key, task_name text not null, pass_score real not null, retrain_score real not null,
    default_weights_json text not null, deviation_policy_json text not null, created_at text not null,
    updated_at text not null
);
create table score_reviews (
    job_id integer primary key, verdict text not null, note text, created_at text not null,
    updated_at text not null
);
"""
TIME = "2026-02-01T08:00:00+00:00"
TASK = "filter_change"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an installation holds; ``odd`` adds payloads, labels and jobs that are not as they should be."""

    seed: int = 0
    jobs: int = 80
    golds: int = 3
    trainees: int = 12
    sites: Sequence[str | None] = ("north", "south", None)
    positives: float = 0.35
    labeled: float = 0.9
    odd: bool = True
    costs: bool = True


@dataclass(frozen=True, slots=True)
class Made:
    """Where the files are."""

    db: Path
    labels: Path


def make_installation(folder: Path, recipe: Recipe = Recipe()) -> Made:
    """Write sopilot.db and labels.json into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Made(folder / "sopilot.db", folder / "labels.json")
    rng = random.Random(recipe.seed)
    with sqlite3.connect(made.db) as connection:
        connection.executescript(SCHEMA)
        golds = [
            _video(connection, rng, TASK, rng.choice(recipe.sites), gold=True) for _ in range(recipe.golds)
        ]
        trainees = [_video(connection, rng, TASK, rng.choice(recipe.sites)) for _ in range(recipe.trainees)]
        other = [_video(connection, rng, "other_task", "north", gold=gold) for gold in (True, False)]
        rows: list[dict[str, Any]] = []
        for _ in range(recipe.jobs):
            pair = (rng.choice(golds), rng.choice(trainees))
            if recipe.odd and rng.random() < 0.06:
                status = rng.choice(["failed", "queued", "running", "cancelled"])
                _job(connection, pair, None, status)
                continue
            job_id = _job(connection, pair, payload(rng, recipe))
            if rng.random() < recipe.labeled:
                rows.append(_label(rng, job_id, recipe))
        if recipe.odd:
            other_job = _job(connection, (other[0], other[1]), payload(rng, recipe))
            rows += _odd_labels(rng, other_job, rows, recipe)
            _extras(connection)
    connection.close()
    made.labels.write_text(json.dumps({"task_id": TASK, "jobs": rows}), encoding="utf-8")
    return made


def payload(rng: random.Random, recipe: Recipe) -> dict[str, Any]:
    """The score of one job."""
    deviations = [_deviation(rng, recipe) for _ in range(rng.choice([0, 0, 0, 1, 1, 2, 3, 9]))]
    counts = {
        name: sum(one.get("severity") == name for one in deviations)
        for name in ("critical", "quality", "efficiency")
    }
    cost = rng.choice([rng.random() * 0.05, rng.random(), round(rng.random() * 0.3, 2), 0.025, 0.015])
    metrics: dict[str, Any] = {
        "miss_steps": counts["critical"],
        "swap_steps": rng.choice([0, 0, 1]),
        "deviation_steps": counts["quality"],
        "over_time_ratio": rng.choice([0.0, 0.1, 0.2, rng.random(), 3.5]),
        "dtw_normalized_cost": round(cost, 6),
    }
    score = rng.choice([100.0, 90.0, 75.0, round(50 + 50 * rng.random(), 2)])
    found: dict[str, Any] = {
        "score": score,
        "metrics": metrics,
        "deviations": deviations,
        "summary": {"decision": "fail" if counts["critical"] else "pass", "severity_counts": counts},
    }
    if recipe.odd:
        _spoil(rng, found, recipe)
    return found


def _deviation(rng: random.Random, recipe: Recipe) -> dict[str, Any]:
    kind = rng.choice(["missing_step", "missing_step", "step_deviation", "over_time", "order_swap"])
    severity = {"missing_step": "critical", "over_time": "efficiency"}.get(kind, "quality")
    found: dict[str, Any] = {"type": kind, "severity": severity}
    if kind == "missing_step":
        found["mean_distance"] = round(rng.choice([0.11, 0.1, 0.12, rng.random() * 0.3]), 6)
        found["expected_span_len"] = rng.choice([1, 1, 1, 2, 3])
    if recipe.odd and rng.random() < 0.1:
        changes: list[dict[str, Any]] = [
            {"severity": " Critical "},
            {"severity": None},
            {"severity": "critical", "type": "step_deviation"},
            {"mean_distance": None, "expected_span_len": "2"},
            {"mean_distance": "far"},
            {"type": "Missing_Step "},
            {"severity": "notice"},
        ]
        found |= rng.choice(changes)
    if recipe.odd and rng.random() < 0.05:
        found.pop(rng.choice(["type", "severity"]))
    return found


def _spoil(rng: random.Random, found: dict[str, Any], recipe: Recipe) -> None:
    if rng.random() < 0.3:
        name = rng.choice(list(found["metrics"]))
        if name != "dtw_normalized_cost":
            found["metrics"][name] = rng.choice([None, "2", "1.5", "many", -1, 2.9, True])
    if not recipe.costs and rng.random() < 0.2:
        found["metrics"]["dtw_normalized_cost"] = None
    if rng.random() < 0.05:
        found["metrics"].pop("over_time_ratio")
    if rng.random() < 0.08:
        found["summary"] = rng.choice(
            [None, {}, {"severity_counts": None}, {"severity_counts": {"critical": 0}}]
        )
    if rng.random() < 0.05:
        found["summary"] = {"severity_counts": {"critical": "1", "quality": -4, "efficiency": "some"}}
    if rng.random() < 0.03:
        found.pop("score")


def _label(rng: random.Random, job_id: int, recipe: Recipe) -> dict[str, Any]:
    expected: Any = rng.random() < recipe.positives
    if recipe.odd and rng.random() < 0.05:
        expected = None
    return {
        "job_id": str(job_id) if recipe.odd and rng.random() < 0.1 else job_id,
        "critical_expected": expected,
    }


def _odd_labels(
    rng: random.Random, other_job: int, rows: Sequence[dict[str, Any]], recipe: Recipe
) -> list[dict[str, Any]]:
    odd: list[Any] = [
        {"job_id": 900001, "critical_expected": True},
        {"job_id": 900002, "critical_expected": None},
        {"job_id": other_job, "critical_expected": recipe.positives > 0},
        {"job_id": None, "critical_expected": True},
        {"job_id": "twelve", "critical_expected": True},
        {"critical_expected": False},
        "not a row",
    ]
    if rows:
        again = rng.choice(rows)
        odd += [{**again, "critical_expected": None}, {**again, "note": "twice"}]
    return odd


def _extras(connection: sqlite3.Connection) -> None:
    connection.execute(
        "insert into task_profiles values (?, ?, 60, 50, '{\"w_miss\": 0.4}', ?, ?, ?)",
        (TASK, "Filter change", '{"missing_step": "critical"}', TIME, TIME),
    )
    connection.execute("insert into score_reviews values (1, 'confirmed', 'seen', ?, ?)", (TIME, TIME))


def _video(
    connection: sqlite3.Connection, rng: random.Random, task: str, site: str | None, *, gold: bool = False
) -> int:
    person = rng.choice(["p1", "p2", "p3", "p4", None])
    name = f"{'gold' if gold else 'trainee'}_{rng.randrange(1000)}.mp4"
    cursor = connection.execute(
        "insert into videos (task_id, site_id, operator_id_hash, is_gold, created_at, updated_at, "
        "original_filename) values (?, ?, ?, ?, ?, ?, ?)",
        (task, site, person, int(gold), TIME, TIME, name),
    )
    return int(cursor.lastrowid or 0)


def _job(
    connection: sqlite3.Connection,
    pair: tuple[int, int],
    content: dict[str, Any] | None,
    status: str = "completed",
) -> int:
    cursor = connection.execute(
        "insert into score_jobs (gold_video_id, trainee_video_id, status, score_json, created_at, "
        "updated_at) values (?, ?, ?, ?, ?, ?)",
        (*pair, status, None if content is None else json.dumps(content), TIME, TIME),
    )
    return int(cursor.lastrowid or 0)
