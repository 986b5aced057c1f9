"""A home with recordings and results of people that were never filmed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sopilot_assets.capture.ledgers import VIDEO_COLUMNS, videos_ledger
from sopilot_assets.scoring.ledger import COLUMNS, algorithm_version, scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.times.ledger import COLUMNS as TIMES_COLUMNS
from sopilot_assets.times.ledger import step_times_ledger, times_version

AT = "2026-02-01T00:00:00+00:00"
BEGAN = datetime.fromisoformat("2026-01-05T08:00:00+09:00")
"""A Monday."""
SKIPPED: dict[str, Any] = {
    "type": "missing_step",
    "severity": "critical",
    "steps": ["oil"],
    "trainee_start_s": 12.2,
}
SLOW: dict[str, Any] = {
    "type": "over_time",
    "severity": "efficiency",
    "steps": ["close"],
    "trainee_start_s": 3.0,
}


def record(
    home: Home,
    person: str | None,
    decisions: Sequence[str | None],
    *,
    task: str = "gasket",
    days: float = 1.0,
    found: dict[int, list[dict[str, Any]]] | None = None,
    seconds: Sequence[float | None] | None = None,
    unknown: Sequence[int] = (),
    role: str = "trainee",
) -> list[str]:
    """Recordings of a person, one every ``days``, with these decisions (None: not judged), and the findings
    of some of them by their number from 0; ``unknown`` have no time of recording. ``seconds`` are their
    cycles, a quarter of each the step ``oil``; None: not all of it was seen. Gives their keys.
    """
    videos, scores, times = list[dict[str, Cell]](), list[dict[str, Cell]](), list[dict[str, Cell]]()
    keys = list[str]()
    for number, decision in enumerate(decisions):
        video_id = hashlib.sha256(f"{person}{task}{role}{number}".encode()).hexdigest()[:12]
        key = f"{task}-{role[0]}-{video_id}"
        about: dict[str, Cell] = {
            "key": key,
            "video_id": video_id,
            "task_id": task,
            "role": role,
            "person": person,
            "site": "line1",
            "original_name": f"{person}_{number}.mp4",
        }
        at = (BEGAN + timedelta(days=days * number)).isoformat()
        videos.append(
            {
                **dict.fromkeys(VIDEO_COLUMNS),
                **about,
                "sha256": f"{video_id:0<64}",
                "recorded_at": None if number in unknown else at,
                "stored_name": f"{video_id:0<64}.mp4",
                "duration_s": 20.0,
                "status": "active",
            }
        )
        if decision is not None:
            scores.append(_score(about, decision, (found or {}).get(number, [])))
        times += _times(key, task, seconds[number] if seconds else 20.0)
        keys.append(key)
    run = hashlib.sha256(f"{person}{task}{role}".encode()).hexdigest()[:12]
    videos_ledger(home).append(videos, run_id=f"v{run}", written_at=AT)
    scores_ledger(home).append(scores, run_id=f"s{run}", written_at=AT)
    step_times_ledger(home).append(times, run_id=f"t{run}", written_at=AT)
    return keys


def _score(about: dict[str, Cell], decision: str, found: list[dict[str, Any]]) -> dict[str, Cell]:
    return {
        **dict.fromkeys(COLUMNS),
        **about,
        "reference_id": "r1",
        "task_fingerprint": "f1",
        "algorithm": algorithm_version(),
        "score": None if decision == "not_verifiable" else 90.0,
        "decision": decision,
        "reason_en": "so",
        "reason_ja": "so",
        "deviations": json.dumps([{**one, "en": "x", "ja": "x", "confidence": 0.9} for one in found]),
        "deviation_types": ",".join(sorted({one["type"] for one in found})),
        "suspected": "[]",
    }


def _times(key: str, task: str, cycle_s: float | None) -> list[dict[str, Cell]]:
    about: dict[str, Cell] = {
        **dict.fromkeys(TIMES_COLUMNS),
        "key": key,
        "task_id": task,
        "reference_id": "r1",
        "task_fingerprint": "f1",
        "algorithm": times_version(),
    }
    whole, seconds = cycle_s is not None, cycle_s or 0.0
    step: dict[str, Cell] = {
        "step_id": "oil",
        "occurrence": 1,
        "rework": False,
        "seconds": seconds / 4,
        "whole": whole,
    }
    return [
        {**about, "place": f"{key}/000", "number": 0, "kind": "cycle", "whole": whole, "seconds": seconds},
        {**about, "place": f"{key}/001", "number": 1, "kind": "step", **step, "low_s": 4.0, "high_s": 8.0},
    ]
