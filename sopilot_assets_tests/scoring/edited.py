"""Alignments of a made-up recording with edits in it, and what each of these costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sopilot_assets.alignment.spans import (
    Alignment,
    Alternative,
    Edit,
    EditKind,
    Span,
    SpanKind,
    Warp,
)
from sopilot_assets.capture.ledgers import VIDEO_COLUMNS
from sopilot_assets.capture.registry import Recording
from sopilot_assets.scoring.result import Decision
from sopilot_assets.segments import Segment
from sopilot_assets_tests.scoring.made_up import calibration

MISSING, SWAP, WRONG, EXTRA = EditKind.MISSING, EditKind.SWAP, EditKind.WRONG, EditKind.EXTRA
LONG, PARTIAL, FROZEN = EditKind.LONG, EditKind.PARTIAL, EditKind.FROZEN
CALIBRATED = calibration()
RECORDING = Recording.of(
    dict.fromkeys(VIDEO_COLUMNS)
    | {"task_id": "job", "role": "trainee", "video_id": "0123456789ab", "site": "site"}
    | {"original_name": "a.mp4"}
)
UNEDITED = Alternative((), 0.0)
HARMLESS_MISSING = Alternative(((MISSING, (2,)),), 0.0)


def alignment(
    edits: Sequence[Edit] = (),
    *,
    fit: float = 1.0,
    order_evidence: float | None = 20.0,
    duration_s: float = 20.0,
    alternatives: tuple[Alternative, ...] | None = None,
) -> Alignment:
    """Four steps of five seconds each, with these edits; explained by them unless otherwise by these."""
    spans = tuple(Span(SpanKind.STEP, Segment(5.0 * step, 5.0 * step + 5.0), step, -0.1) for step in range(4))
    line = np.arange(0.5, duration_s, 0.5)
    return Alignment(
        video_id="0123456789ab",
        reference_id="r",
        spans=spans,
        edits=tuple(edits),
        log_odds=2.0,
        fit=fit,
        warp=Warp("000000000000", line, line, 0.2),
        clip_middle_s=line,
        posterior=np.full((len(line), 5), 0.2, dtype=np.float32),
        duration_s=duration_s,
        held_out="person",
        order_evidence=order_evidence,
        alternatives=explained(edits) if alternatives is None else alternatives,
    )


def explained(edits: Sequence[Edit]) -> tuple[Alternative, ...]:
    """The explanation with all that is reported, and far below it the one without any edit."""
    reported = [one for one in edits if one.reported and one.kind is not FROZEN]
    if not reported:
        return (UNEDITED,)
    best = Alternative(
        tuple((one.kind, one.steps) for one in reported), 0.0, tuple(one.where for one in reported)
    )
    return best, Alternative((), -3.0)


def edit(
    kind: EditKind,
    *steps: int,
    start_s: float = 5.0,
    end_s: float = 10.0,
    log_odds: float = 3.0,
    reported: bool = True,
) -> Edit:
    return Edit(kind, steps, Segment(start_s, end_s), log_odds, reported)


CASES = [
    ("nothing found", [], set(), 100.0, Decision.PASS),
    (
        "a critical step is missing",
        [edit(MISSING, 1, end_s=5.0)],
        {"missing_step"},
        90.0,
        Decision.FAIL,
    ),
    (
        "a harmless step is missing",
        [edit(MISSING, 2, end_s=5.0)],
        {"missing_step"},
        90.0,
        Decision.NEEDS_REVIEW,
    ),
    ("two steps are swapped", [edit(SWAP, 1, 2)], {"order_swap"}, 91.67, Decision.NEEDS_REVIEW),
    ("something else was done", [edit(WRONG, 1)], {"wrong_step"}, 93.75, Decision.NEEDS_REVIEW),
    ("something was added", [edit(EXTRA, 2)], {"step_deviation"}, 93.75, Decision.NEEDS_REVIEW),
    ("a step took twice as long", [edit(LONG, 1, end_s=15.0)], {"over_time"}, 97.5, Decision.PASS),
    ("a step was hardly longer", [edit(LONG, 1, end_s=11.0)], set(), 100.0, Decision.PASS),
    ("the picture froze", [edit(FROZEN)], {"freeze"}, 93.75, Decision.NEEDS_REVIEW),
    ("the picture froze over two steps", [edit(FROZEN, 1, 2)], {"freeze"}, 80.0, Decision.NEEDS_REVIEW),
    (
        "a step is missing where the picture froze",
        [edit(MISSING, 1, end_s=5.0), edit(FROZEN)],
        {"missing_step", "freeze"},
        83.75,
        Decision.NEEDS_REVIEW,
    ),
    (
        "a long step is mostly a frozen picture",
        [edit(LONG, 1, end_s=15.0), edit(FROZEN, start_s=6.0, end_s=13.0)],
        {"freeze"},
        93.75,
        Decision.NEEDS_REVIEW,
    ),
    (
        "the end is cut",
        [edit(PARTIAL, 3, start_s=15.0, end_s=17.0)],
        {"missing_step"},
        90.0,
        Decision.FAIL,
    ),
    (
        "the end is nearly whole",
        [edit(PARTIAL, 3, start_s=15.0, end_s=19.9)],
        set(),
        100.0,
        Decision.PASS,
    ),
    (
        "something that may be a pause",
        [edit(EXTRA, 2, log_odds=0.8, reported=False)],
        set(),
        100.0,
        Decision.PASS,
    ),
    (
        "an edit that is hardly likelier than none",
        [edit(MISSING, 1, log_odds=0.1, reported=False)],
        set(),
        100.0,
        Decision.PASS,
    ),
    (
        "three steps are missing and one froze",
        [edit(MISSING, 1, 2, end_s=5.0), edit(FROZEN, 3, start_s=15.0, end_s=20.0)],
        {"missing_step", "freeze"},
        70.0,
        Decision.FAIL,
    ),
]
