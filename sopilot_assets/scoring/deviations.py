"""From the edits of an alignment to deviations in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from sopilot_assets.alignment.spans import DOUBTFUL_LOG_ODDS, Edit, EditKind
from sopilot_assets.scoring.compared import Compared
from sopilot_assets.scoring.result import Deviation, GoldVote
from sopilot_assets.scoring.severity import severity_of
from sopilot_assets.scoring.text import clock, sentence
from sopilot_assets.segments import Segment
from sopilot_assets.tasks import DeviationType, Severity, TaskSpec
from sopilot_assets.texts.languages import Text

LONG_RATIO: Final = 1.5
"""A step is over-long from this multiple of its usual duration at the recording's own pace."""
PARTIAL_SHARE: Final = 0.7
"""A first or last step of which less than this share is in the recording counts as missing."""


def deviations_of(compared: Compared, edit: Edit) -> tuple[Deviation, ...]:
    """The deviations that an edit is, none where its times say that it does not count."""
    return tuple(_FROM_EDIT[edit.kind](compared, edit))


def _deviation(
    compared: Compared, edit: Edit, kind: DeviationType, text: Text, steps: Sequence[int]
) -> Deviation:
    return Deviation(
        type=kind,
        severity=severity_of(compared.task, kind, steps),
        step_ids=tuple(compared.task.steps[step].id for step in steps),
        trainee=edit.where,
        gold_id=compared.gold.video_id,
        gold=compared.gold_segment(steps) or _mapped(compared, edit.where),
        confidence=round(1.0 / (1.0 + math.exp(-edit.log_odds)), 6),
        text=text,
        votes=tuple(GoldVote(vote.gold_id, vote.log_odds) for vote in edit.votes),
    )


def _mapped(compared: Compared, where: Segment) -> Segment:
    warp = compared.alignment.warp
    return Segment(warp.to_gold_s(where.start_s), warp.to_gold_s(where.end_s))


def _missing(compared: Compared, edit: Edit) -> Iterator[Deviation]:
    last = len(compared.task.steps) - 1
    run = set(edit.steps)
    for step in edit.steps:
        at_start = edit.where.start_s <= 0.0 and set(range(step + 1)) <= run
        at_end = edit.where.end_s >= compared.alignment.duration_s and set(range(step, last + 1)) <= run
        key = "missing_start" if at_start else "missing_end" if at_end else "missing"
        text = sentence(key, step=compared.task.steps[step], start=clock(edit.where.start_s))
        yield _deviation(compared, edit, DeviationType.MISSING_STEP, text, (step,))


def _swap(compared: Compared, edit: Edit) -> Iterator[Deviation]:
    one, other = (compared.task.steps[step] for step in edit.steps)
    yield _deviation(
        compared, edit, DeviationType.ORDER_SWAP, sentence("swap", step=one, other=other), edit.steps
    )


def _wrong(compared: Compared, edit: Edit) -> Iterator[Deviation]:
    step = compared.task.steps[edit.steps[0]]
    text = sentence("wrong", step=step, start=clock(edit.where.start_s), end=clock(edit.where.end_s))
    yield _deviation(compared, edit, DeviationType.WRONG_STEP, text, edit.steps)


def _extra(compared: Compared, edit: Edit) -> Iterator[Deviation]:
    text = sentence("extra", start=clock(edit.where.start_s), end=clock(edit.where.end_s))
    yield _deviation(compared, edit, DeviationType.STEP_DEVIATION, text, ())


def _long(compared: Compared, edit: Edit) -> Iterator[Deviation]:
    step = edit.steps[0]
    usual_s = compared.usual_s(step)
    if _is_long(compared, step, edit.where):
        seconds = compared.seen_s(edit.where)
        text = sentence("long", step=compared.task.steps[step], seconds=seconds, usual=usual_s)
        yield _deviation(compared, edit, DeviationType.OVER_TIME, text, edit.steps)


def _is_long(compared: Compared, step: int, where: Segment) -> bool:
    return compared.seen_s(where) >= LONG_RATIO * compared.usual_s(step)


def _partial(compared: Compared, edit: Edit) -> Iterator[Deviation]:
    step = edit.steps[0]
    share = compared.seen_s(edit.where) / compared.usual_s(step)
    text = sentence("cut", step=compared.task.steps[step], share=f"{share:.0%}")
    yield _deviation(compared, edit, DeviationType.MISSING_STEP, text, edit.steps)


def counts_for(compared: Compared, kind: EditKind, steps: tuple[int, ...], where: Segment) -> float:
    """What an edit counts, in [0, 1], if the explanation that has it is right: what findings of its kind are
    worth and, of a first or last step cut short, how likely it is that too little of it is left. A step that
    takes somewhat longer than usual is no deviation.
    """
    if kind is EditKind.LONG and not _is_long(compared, steps[0], where):
        return 0.0
    worth = compared.worth(kind, steps)
    if kind is not EditKind.PARTIAL:
        return worth
    return worth * too_little_left(compared, steps[0], where)


def too_little_left(compared: Compared, step: int, where: Segment) -> float:
    """The probability that less than `PARTIAL_SHARE` of a first or last step is in a recording that cuts into
    it and shows it in ``where``; 0 without such a stretch, and beside a picture that stands still.

    How long this person would have taken for all of it is log-normal around the usual, and longer than what
    is seen.
    """
    if not where or compared.beside_still(where):
        return 0.0
    seen = math.log(max(compared.seen_s(where), 1e-3) / compared.usual_s(step))
    spread = compared.reference.durations.spread[step]
    return _beyond((seen - math.log(PARTIAL_SHARE)) / spread) / max(_beyond(seen / spread), 1e-300)


def _beyond(z: float) -> float:
    """The probability that a standard normal value exceeds ``z``."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def _frozen(compared: Compared, edit: Edit) -> Iterator[Deviation]:
    times = {"start": clock(edit.where.start_s), "end": clock(edit.where.end_s)}
    names = named(compared.task, [compared.task.steps[step].id for step in edit.steps])
    if edit.log_odds <= DOUBTFUL_LOG_ODDS:
        text = sentence("rests_or_frozen", steps=names, **times)
    else:
        text = sentence("frozen_hides", steps=names, **times) if edit.steps else sentence("frozen", **times)
    found = _deviation(compared, edit, DeviationType.FREEZE, text, edit.steps)
    doubtful = edit.log_odds <= DOUBTFUL_LOG_ODDS and found.severity is Severity.CRITICAL
    yield replace(found, severity=Severity.QUALITY) if doubtful else found


_FROM_EDIT: Final = {
    EditKind.MISSING: _missing,
    EditKind.SWAP: _swap,
    EditKind.WRONG: _wrong,
    EditKind.EXTRA: _extra,
    EditKind.LONG: _long,
    EditKind.PARTIAL: _partial,
    EditKind.FROZEN: _frozen,
}


def named(task: TaskSpec, step_ids: Sequence[str]) -> Text:
    """The names of these steps, in quotation marks."""
    steps = [step for step in task.steps if step.id in step_ids]
    return Text(
        ", ".join(f"“{step.name}”" for step in steps),
        "、".join(f"「{step.name_ja or step.name}」" for step in steps),
    )
