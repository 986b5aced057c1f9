"""Labeled folders without real videos, and hand-made results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from sopilot_assets.bench.expected import Fault
from sopilot_assets.bench.measures import ScoredRecording
from sopilot_assets.bench.run import Reported, Result
from sopilot_assets.bench.truth import Truth
from sopilot_assets.segments import Segment

SOP = ("boil", "pour", "stir")
STEPS = [
    {"start_sec": 2.0 * n, "end_sec": 2.0 * n + 2, "label": s, "gold_step": n} for n, s in enumerate(SOP)
]


def label(file: str, **fields: object) -> dict[str, object]:
    """A line of labels.jsonl, of a correct trainee recording unless told otherwise."""
    usual: dict[str, object] = {
        "file": file,
        "task": "tea",
        "role": "trainee",
        "variant": "correct",
        "subject_ids": ["anna"],
        "site": "kitchen",
        "sop_steps": SOP,
        "steps": STEPS,
        "deviations": [],
        "critical_expected": False,
    }
    return {**usual, **fields}


def gold(file: str, **fields: object) -> dict[str, object]:
    """A line of labels.jsonl for a gold."""
    return label(file, **{"role": "gold", "subject_ids": ["berta"], **fields})


def write_folder(
    root: Path,
    labels: Sequence[Mapping[str, object] | str],
    *,
    tasks: object = None,
    absent: Sequence[str] = (),
) -> Path:
    """The folder with these labels and an (unreadable) file for each of them."""
    root.mkdir(parents=True, exist_ok=True)
    lines = [one if isinstance(one, str) else json.dumps(one) for one in labels]
    (root / "labels.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    if tasks is not None:
        (root / "tasks.json").write_text(json.dumps(tasks), "utf-8")
    for one in labels:
        if not isinstance(one, str) and one["file"] not in absent:
            path = root / str(one["file"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(str(one["file"]).encode())
    return root


def said(
    *faults: Fault,
    decision: str = "pass",
    critical: bool = False,
    score: float | None = 90.0,
    suspected: Sequence[Fault] = (),
    probability: float | None = None,
) -> Result:
    """A result with these deviations, all from 1 to 2 s, and critical suspicions from 5 to 6 s."""
    return Result(
        decision=decision,
        score=score,
        probability=(0.9 if critical else 0.1) if probability is None else probability,
        reported=tuple(Reported(fault, Segment(1.0, 2.0), critical=critical) for fault in faults),
        suspected=tuple(Reported(fault, Segment(5.0, 6.0), critical=True) for fault in suspected),
    )


def truth(file: str = "a.mp4", **fields: object) -> Truth:
    """A correct recording by Anna, unless told otherwise."""
    usual: dict[str, object] = {
        "task_id": "tea",
        "file": file,
        "site": "kitchen",
        "performer": "anna",
        "variant": "correct",
        "needed": frozenset(),
        "allowed": frozenset(),
        "places": (),
        "critical": False,
        "other_work": False,
        "unscored": (),
    }
    return Truth(**{**usual, **fields})  # type: ignore[arg-type]


def case(result: Result, file: str = "a.mp4", *, same_site: bool = True, **fields: object) -> ScoredRecording:
    """A result beside what is true of it."""
    return ScoredRecording(truth(file, **fields), result, same_site)
