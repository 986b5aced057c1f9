"""One recording beside what the golds of its task say, as all of scoring reads it."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from sopilot_assets.alignment.calibration import Calibration
from sopilot_assets.alignment.spans import Alignment, EditKind, SpanKind
from sopilot_assets.reference.model import Gold, Reference
from sopilot_assets.scoring.result import Deviation
from sopilot_assets.scoring.verifiability import worth
from sopilot_assets.segments import Segment
from sopilot_assets.tasks import TaskSpec


@dataclass(frozen=True, eq=False)
class Compared:
    """An alignment with the task, the reference and the calibration that it is judged by; ``damaged`` says
    that a part of the recording is missing or cannot be read.
    """

    task: TaskSpec
    alignment: Alignment
    reference: Reference
    calibration: Calibration
    damaged: bool = False

    def places(self, deviation: Deviation) -> tuple[int, ...]:
        """Where in the procedure a deviation's steps stand; none for an addition, which has no step."""
        return tuple(map(self.task.step_ids.index, deviation.step_ids))

    def worth(self, kind: EditKind, steps: tuple[int, ...]) -> float:
        """What a finding of a kind at these steps is worth (see `verifiability.worth`)."""
        key = (kind, steps)
        if key not in self._worths:
            self._worths[key] = worth(self.calibration, kind, steps)
        return self._worths[key]

    @functools.cached_property
    def _worths(self) -> dict[tuple[EditKind, tuple[int, ...]], float]:
        return {}

    @functools.cached_property
    def gold(self) -> Gold:
        """The gold that the recording is shown beside."""
        return next(g for g in self.reference.golds if g.video_id == self.alignment.warp.gold_id)

    def gold_segment(self, steps: Sequence[int]) -> Segment | None:
        """The stretch of the compared gold that shows the steps; None when it shows none of them."""
        shown = [interval.segment for interval in self.gold.intervals if interval.step in steps]
        return Segment(min(s.start_s for s in shown), max(s.end_s for s in shown)) if shown else None

    def usual_s(self, step: int) -> float:
        """The usual duration of a step at this recording's own pace, in seconds."""
        return self._usual_s[step]

    @functools.cached_property
    def _usual_s(self) -> list[float]:
        durations = self.reference.durations
        return [durations.seconds(step) * self.pace for step in range(len(self.task.steps))]

    @functools.cached_property
    def stills(self) -> tuple[Segment, ...]:
        """Where the picture stands still, in order."""
        return tuple(edit.where for edit in self.alignment.edits if edit.kind is EditKind.FROZEN)

    def seen_s(self, where: Segment) -> float:
        """How much of a stretch can be seen, in seconds: nothing has a duration in a picture that stands
        still.
        """
        return where.duration_s - sum((where & still).duration_s for still in self.stills)

    def beside_unseen(self, where: Segment) -> bool:
        """Whether a stretch, or a moment, borders on what cannot be seen: a picture that stands still, or
        what came after the end of a damaged recording.
        """
        return self.beside_still(where) or (
            self.damaged and where.end_s >= self.alignment.duration_s - self._about_s(where)
        )

    def beside_still(self, where: Segment) -> bool:
        """Whether a stretch, or a moment, lies in a picture that stands still, or borders on one."""
        about_s = self._about_s(where)
        return any(
            where.start_s <= still.end_s + about_s and still.start_s - about_s <= where.end_s
            for still in self.stills
        )

    def _about_s(self, where: Segment) -> float:
        """How much of the place of a finding is not known, in seconds.

        A moment at which something is missing is known to half a clip: what a clip shows lies around its
        middle.
        """
        return 0.0 if where else self.reference.golds[0].embedding.clip_length_s / 2

    @functools.cached_property
    def pace(self) -> float:
        """The median over the steps that were seen of their duration against the usual one; 1 where fewer
        than two were: one would be measured by itself. Of an even number it is the mean of the middle two:
        the upper one makes everybody slow.
        """
        seconds: dict[int, float] = defaultdict(float)
        for span in self.alignment.spans:
            if span.kind is SpanKind.STEP and span.step is not None and not self.beside_unseen(span.segment):
                seconds[span.step] += span.segment.duration_s
        if len(seconds) < 2:
            return 1.0
        durations = self.reference.durations
        return median(taken / durations.seconds(step) for step, taken in seconds.items())
