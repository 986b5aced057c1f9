"""Step annotations of golds: who says when each step begins and ends."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from upath import UPath

from sopilot_assets.errors import GoldError
from sopilot_assets.segments import Segment

COLUMNS: Final = ("video", "step", "start_s", "end_s")


@dataclass(frozen=True, slots=True)
class StepInterval:
    """One step of one gold: ``step`` is the index of the step in the task."""

    step: int
    segment: Segment


def read_steps_csv(path: UPath, step_ids: Sequence[str]) -> dict[str, tuple[StepInterval, ...]]:
    """The annotated steps of each gold by the name in the ``video`` column, in order of time; empty when
    there is no such file.

    Raises `GoldError` naming the line for an unknown step, a time that is no number, an end before its
    start, or steps that overlap.
    """
    if not path.exists():
        return {}
    reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise GoldError(
            f"{path}: expected the columns {','.join(COLUMNS)}, found "
            f"{','.join(reader.fieldnames or ())}. Mend the first line."
        )
    found: dict[str, list[StepInterval]] = {}
    for number, line in enumerate(reader, start=2):
        found.setdefault(str(line["video"]), []).append(
            _interval(line, where=f"{path}, line {number}", step_ids=step_ids)
        )
    return {video: _ordered(intervals, where=f"{path}, video {video}") for video, intervals in found.items()}


def _interval(line: Mapping[str, str | None], *, where: str, step_ids: Sequence[str]) -> StepInterval:
    step = line["step"] or ""
    if step not in step_ids:
        raise GoldError(f"{where}: unknown step {step!r}; the task's steps are {', '.join(step_ids)}.")
    try:
        segment = Segment(float(line["start_s"] or ""), float(line["end_s"] or ""))
    except ValueError as error:
        raise GoldError(
            f"{where}: expected seconds in start_s and end_s, found {line['start_s']!r} and "
            f"{line['end_s']!r}."
        ) from error
    if not segment or segment.start_s < 0 or not math.isfinite(segment.end_s):
        raise GoldError(
            f"{where}: expected 0 <= start_s < end_s, found {segment.start_s:g} and {segment.end_s:g}."
        )
    return StepInterval(step_ids.index(step), segment)


def _ordered(intervals: list[StepInterval], *, where: str) -> tuple[StepInterval, ...]:
    ordered = tuple(sorted(intervals, key=lambda interval: interval.segment))
    for one, other in pairwise(ordered):
        if (one.segment & other.segment).duration_s > 0.05:
            raise GoldError(
                f"{where}: the steps at {one.segment.start_s:g} s and {other.segment.start_s:g} s "
                "overlap; mend their times."
            )
    return ordered
