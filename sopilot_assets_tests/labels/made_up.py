"""A made-up task with registered recordings and scores, and labels of it; no video is made."""

from __future__ import annotations

import hashlib
from typing import Any

from sopilot_assets.capture.ledgers import ACTIVE, VIDEO_COLUMNS, videos_ledger
from sopilot_assets.labels.chain import append_events
from sopilot_assets.labels.events import Draft, LabelEvent
from sopilot_assets.scoring.ledger import COLUMNS, scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, Row
from sopilot_assets.store.publish import publish_text
from sopilot_assets.tasks import Step
from sopilot_assets.tasks.starter import new_task

TASK = "tea"
STEPS = ("boil", "pour", "stir")
AT = "2026-02-23T09:30:00+00:00"
FOUND = """[
{"type": "missing_step", "severity": "critical", "steps": ["pour"], "trainee_start_s": 3.0,
 "trainee_end_s": 3.0, "confidence": 0.9, "en": "Pour is missing.", "ja": "Pour がない。"},
{"type": "order_swap", "severity": "quality", "steps": ["pour", "stir"], "trainee_start_s": 5.0,
 "trainee_end_s": 6.0, "confidence": 0.8, "en": "The wrong order.", "ja": "順番が逆。"}]"""


def key_of(name: str) -> str:
    """The partition key of the recording with this file name."""
    return f"{TASK}-t-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def register(home: Home, *names: str) -> list[str]:
    """Register trainee recordings with these file names, and score them; returns their keys."""
    if not (home.tasks / f"{TASK}.yaml").exists():
        steps = [Step(id=step, name=step.title()) for step in STEPS]
        new_task(home.root, TASK, name="Tea", name_ja=None, steps=steps)
    videos: list[Row] = []
    scores: list[Row] = []
    for name in names:
        digest = hashlib.sha256(name.encode()).hexdigest()
        what = {
            "key": key_of(name),
            "video_id": digest[:12],
            "task_id": TASK,
            "role": "trainee",
            "site": "site_a",
            "original_name": name,
        }
        stored = {"sha256": digest, "stored_name": f"{digest}.mp4", "capture_path": name, "status": ACTIVE}
        videos.append({**dict.fromkeys(VIDEO_COLUMNS), **what, **stored})
        found: dict[str, Cell] = {"score": 61.25, "decision": "fail", "deviations": FOUND}
        scores.append({**dict.fromkeys(COLUMNS), **what, **found})
        publish_text(home.review(key_of(name)), "a page")
    videos_ledger(home).append(videos, run_id="intake", written_at=AT)
    scores_ledger(home).append(scores, run_id="score", written_at=AT)
    return [key_of(name) for name in names]


def draft(key: str = "job-1", who: str = "ann", critical: bool | None = True, **more: Any) -> Draft:
    """A blind label, unless told otherwise."""
    fields = {"task_id": TASK, "at": AT, "source": "blind_human", **more}
    return Draft.model_validate({"key": key, "who": who, "critical_expected": critical, **fields})


def append(home: Home, *drafts: Draft) -> list[LabelEvent]:
    """Append the labels; returns the new events."""
    return append_events(home, drafts, run_id="test", written_at=AT)
