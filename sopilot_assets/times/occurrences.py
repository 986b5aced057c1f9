"""What was done when in one recording, read off its alignment: steps, other work, and waiting between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import Final

import numpy as np

from sopilot_assets.alignment.spans import Alignment, EditKind, Span, SpanKind
from sopilot_assets.segments import Segment

SAME_EVIDENCE: Final = 1e-2
"""How far (nats) a span's evidence may lie from that of its clips for a step, to be the evidence for it."""
SHORTEST_GAP_S: Final = 0.01
"""A shorter gap is rounding."""


class OccurrenceKind(StrEnum):
    """What a stretch of a recording is: a step, work that is none of the steps, a gap in which nothing was
    done, or a picture that stood still.
    """

    STEP = "step"
    OTHER = "other"
    GAP = "gap"
    STANDSTILL = "standstill"


WAITING: Final = frozenset({OccurrenceKind.GAP, OccurrenceKind.STANDSTILL})
_WORK: Final = frozenset({OccurrenceKind.STEP, OccurrenceKind.OTHER})


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One stretch of a recording, from ``begin_s`` to ``end_s``, of which ``seconds`` count.

    ``step`` is the index of the step done; of waiting and of other work that of the step it comes before or
    stands in for, None where there is none. ``occurrence`` counts a step's own stretches from 1; from the
    second on it is rework. A step that is not ``whole`` borders on a standstill or was cut by the recording's
    beginning or end, and its seconds are no duration.
    """

    kind: OccurrenceKind
    step: int | None
    begin_s: float
    end_s: float
    seconds: float
    occurrence: int = 0
    whole: bool = True

    @property
    def rework(self) -> bool:
        """Whether a step was done once more."""
        return self.kind is OccurrenceKind.STEP and self.occurrence > 1


def occurrences(alignment: Alignment) -> tuple[Occurrence, ...]:
    """The stretches from the beginning of the first step to the end of the last one, in order of time; none
    where no step was found. What lies before and after is filming.

    A step that is interrupted by a pause or a standstill is one occurrence, and what interrupts it waiting.
    Something added or done instead is another occurrence of a known step where the decoder took it for one.
    """
    pieces = [_piece(alignment, span) for span in alignment.spans]
    steps = [one for one in pieces if one.kind is OccurrenceKind.STEP]
    if not steps:
        return ()
    begin_s, end_s = min(one.begin_s for one in steps), max(one.end_s for one in steps)
    inside = [one for one in pieces if one.begin_s < end_s and one.end_s > begin_s]
    work = [one for one in inside if one.kind in _WORK]
    waiting = [one for one in inside if one.kind in WAITING]
    waiting += [*_gaps(inside)]
    done = _counted(_whole(alignment, one) for one in _joined(work))
    found = [*done, *(replace(one, step=_next_step(one, work)) for one in waiting)]
    return tuple(sorted(found, key=lambda one: (one.begin_s, one.end_s)))


def _piece(alignment: Alignment, span: Span) -> Occurrence:
    begin_s, end_s = span.segment.start_s, span.segment.end_s
    kind, step = OccurrenceKind.STANDSTILL, None
    if span.kind is SpanKind.STEP:
        kind, step = OccurrenceKind.STEP, span.step
    elif span.kind is SpanKind.UNKNOWN:
        shown = shown_step(alignment, span)
        kind = OccurrenceKind.OTHER if shown is None else OccurrenceKind.STEP
        step = span.step if shown is None else shown
    return Occurrence(kind, step, begin_s, end_s, span.segment.duration_s)


def shown_step(alignment: Alignment, span: Span) -> int | None:
    """The step that the decoder took an unexpected stretch for: the one whose evidence it has. None where it
    was taken for none of the task's steps.
    """
    middles = alignment.clip_middle_s
    inside = (middles >= span.segment.start_s) & (middles < span.segment.end_s)
    if not inside.any():
        return None
    evidence = np.log(np.maximum(alignment.posterior[inside].astype(np.float64), 1e-30)).mean(axis=0)
    nearest = int(np.abs(evidence - span.evidence).argmin())
    known = nearest < len(evidence) - 1 and abs(evidence[nearest] - span.evidence) <= SAME_EVIDENCE
    return nearest if known else None


def _gaps(inside: Sequence[Occurrence]) -> Iterator[Occurrence]:
    ordered = sorted(inside, key=lambda one: one.begin_s)
    reached = ordered[0].end_s
    for one in ordered[1:]:
        if one.begin_s - reached >= SHORTEST_GAP_S:
            yield Occurrence(OccurrenceKind.GAP, None, reached, one.begin_s, one.begin_s - reached)
        reached = max(reached, one.end_s)


def _joined(work: Sequence[Occurrence]) -> Iterator[Occurrence]:
    """The stretches of work, pieces of the same step with no other work between them taken together."""
    if not work:
        return
    current = work[0]
    for last, one in pairwise(work):
        if one.kind is last.kind and one.step == last.step and one.step is not None:
            current = replace(current, end_s=one.end_s, seconds=current.seconds + one.seconds)
        else:
            yield current
            current = one
    yield current


def _whole(alignment: Alignment, one: Occurrence) -> Occurrence:
    cut = any(edit.kind is EditKind.PARTIAL and one.step in edit.steps for edit in alignment.edits)
    stills = (span.segment for span in alignment.spans if span.kind is SpanKind.FROZEN)
    beside = any(one.begin_s <= still.end_s and still.start_s <= one.end_s for still in stills)
    return replace(one, whole=not (cut or beside))


def _counted(done: Iterator[Occurrence]) -> Iterator[Occurrence]:
    counts: Counter[int] = Counter()
    for one in done:
        if one.kind is OccurrenceKind.STEP and one.step is not None:
            counts[one.step] += 1
            yield replace(one, occurrence=counts[one.step])
        else:
            yield one


def _next_step(waiting: Occurrence, work: Sequence[Occurrence]) -> int | None:
    return next((one.step for one in work if one.begin_s >= waiting.end_s - SHORTEST_GAP_S), None)


def cycle(found: Sequence[Occurrence], step_count: int) -> tuple[Segment, bool] | None:
    """From the beginning of the first step to the end of the last one, and whether it is complete: every one
    of the ``step_count`` steps was done and seen whole, and no picture stood still. None without any step.
    """
    if not found:
        return None
    steps = [one for one in found if one.kind is OccurrenceKind.STEP]
    seen = {one.step for one in steps if one.whole}
    still = any(one.kind is OccurrenceKind.STANDSTILL for one in found)
    complete = len(seen) == step_count and not still and all(one.whole for one in steps)
    return Segment(steps[0].begin_s, max(one.end_s for one in steps)), complete
