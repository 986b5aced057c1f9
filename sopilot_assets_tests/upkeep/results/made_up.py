"""A home with made-up recordings and results, to be told of."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from sopilot_assets.capture.ledgers import VIDEO_COLUMNS, videos_ledger
from sopilot_assets.scoring.ledger import COLUMNS, scores_ledger
from sopilot_assets.store.home import Home

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FOUND = {
    "type": "missing_step",
    "severity": "critical",
    "steps": ["oil"],
    "trainee_start_s": 12.2,
    "trainee_end_s": 12.2,
    "gold_id": "0" * 12,
    "gold_start_s": 17.7,
    "gold_end_s": 22.1,
    "confidence": 0.97,
    "votes": {"0" * 12: 21.4},
    "en": "“Oil the gasket” is missing.",
    "ja": "「ガスケットに油を塗る」が見つかりません。",
}


def key_of(number: int) -> str:
    return f"gasket-t-{number:012x}"


def after(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def taken_in(
    home: Home, number: int, *, minutes: float = 0, status: str = "active", person: str = "p1"
) -> None:
    key = key_of(number)
    row = {
        **dict.fromkeys(VIDEO_COLUMNS),
        "key": key,
        "video_id": key[-12:],
        "task_id": "gasket",
        "role": "trainee",
        "person": person,
        "site": "line 1",
        "status": status,
    }
    at = after(minutes).isoformat()
    videos_ledger(home).append([row], run_id=f"v{number}-{minutes}", written_at=at)


def judged(home: Home, number: int, *, minutes: float = 0, **said: object) -> None:
    key = key_of(number)
    found = said.pop("found", [FOUND] if said.get("decision", "fail") == "fail" else [])
    row = {
        **dict.fromkeys(COLUMNS),
        "key": key,
        "video_id": key[-12:],
        "task_id": "gasket",
        "role": "trainee",
        "person": "p1",
        "site": "line 1",
        "original_name": f"p1 take {number}.mp4",
        "score": 64.5,
        "score_low": 60.0,
        "score_high": 70.0,
        "decision": "fail",
        "cause": "critical",
        "reason_en": "Critical.",
        "reason_ja": "重大です。",
        "deviations": json.dumps(found, ensure_ascii=False),
        "deviation_types": ",".join(one["type"] for one in found),  # type: ignore[attr-defined]
        "suspected": "[]",
        "critical_deviations": len(found),  # type: ignore[arg-type]
        "quality_deviations": 0,
        "efficiency_deviations": 0,
        "task_version": 3,
        "decided_by": "golds",
        "algorithm": "a1",
        **said,
    }
    at = after(minutes).isoformat()
    scores_ledger(home).append([row], run_id=f"s{number}-{minutes}", written_at=at)  # type: ignore[list-item]


def one_judged(home: Home, number: int = 1, *, minutes: float = 0, **said: object) -> str:
    taken_in(home, number, minutes=minutes)
    judged(home, number, minutes=minutes, **said)
    return key_of(number)
