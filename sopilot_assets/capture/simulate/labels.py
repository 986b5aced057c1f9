"""The exact labels of a recording, from its plan, in the fields of a ``labels.jsonl`` line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sopilot_assets.capture.simulate.plan import (
    FROZEN,
    SOP,
    CutTail,
    Edit,
    Freeze,
    MissingStep,
    OrderSwap,
    OtherTask,
    OverTime,
    Plan,
    SkipStart,
    Slot,
    WrongStep,
)

_CRITICAL: Final = (MissingStep, Freeze, CutTail, SkipStart, OtherTask)
_MIN_DIGITS: Final = 3


@dataclass(frozen=True)
class SimulatedSpan:
    """The visible part of a slot, in frames of the file; ``shown`` is its share of the whole slot."""

    slot: Slot | None
    start: int
    end: int
    shown: float = 1.0

    @property
    def label(self) -> str:
        """The span's label."""
        return self.slot.label if self.slot else FROZEN

    @property
    def gold_step(self) -> int | None:
        """The index of the step that is seen."""
        return self.slot.gold_step if self.slot else None


def visible_spans(plan: Plan) -> list[SimulatedSpan]:
    """What the file shows, in order, in frames from its beginning."""
    first, last = plan.window
    frozen = plan.frozen or (last, last)
    spans = []
    for slot, start, end in zip(plan.slots, plan.starts, plan.starts[1:], strict=False):
        begin = max(start, first) if start < frozen[0] else max(start, frozen[1])
        finish = min(end, last, frozen[0]) if start < frozen[0] else min(end, last)
        if finish > begin:
            spans.append(SimulatedSpan(slot, begin - first, finish - first, (finish - begin) / slot.frames))
    if frozen[1] > frozen[0]:
        spans.append(SimulatedSpan(None, frozen[0] - first, frozen[1] - first))
    return sorted(spans, key=lambda span: span.start)


def label_fields(plan: Plan, *, fps: int, source: str, tempo: float) -> dict[str, object]:
    """The fields ``duration_sec``, ``steps``, ``deviations``, ``critical_expected`` and
    ``physically_missing_gold_steps``; ``source`` names what takes the place of source clips."""
    spans = visible_spans(plan)
    seen = {span.gold_step for span in spans}
    return {
        "duration_sec": _seconds(plan.window[1] - plan.window[0], fps),
        "steps": [_step(span, fps=fps, source=source, tempo=tempo) for span in spans],
        "deviations": [_Teller(plan, spans, fps).deviation(edit) for edit in plan.edits],
        "critical_expected": any(isinstance(edit, _CRITICAL) for edit in plan.edits),
        "physically_missing_gold_steps": [step for step in range(len(SOP)) if step not in seen],
    }


def _seconds(frames: int, fps: int) -> float:
    return round(frames / fps, _MIN_DIGITS)


def _step(span: SimulatedSpan, *, fps: int, source: str, tempo: float) -> Mapping[str, object]:
    return {
        "start_sec": _seconds(span.start, fps),
        "end_sec": _seconds(span.end, fps),
        "label": span.label,
        "gold_step": span.gold_step,
        "truncated": span.shown < 1,
        "src": _sources(span, fps=fps, source=source, tempo=tempo),
    }


def _sources(span: SimulatedSpan, *, fps: int, source: str, tempo: float) -> list[Mapping[str, object]]:
    """Where the span comes from, one entry for each time the action is done."""
    if span.slot is None or span.slot.action is None:
        return []
    speed = tempo * span.slot.speed
    length_s = round((span.end - span.start) / fps * speed / span.slot.passes, _MIN_DIGITS)
    entry = {
        "clip": f"{source}/{span.label}",
        "src_start": 0.0,
        "src_end": length_s,
        "speed": round(speed, 3),
    }
    return [entry] * span.slot.passes


@dataclass(frozen=True)
class _Teller:
    """Writes each edit as a deviation of the labels."""

    plan: Plan
    spans: Sequence[SimulatedSpan]
    fps: int

    def deviation(self, edit: Edit) -> Mapping[str, object]:
        match edit:
            case MissingStep():
                return self._missing(edit)
            case OrderSwap():
                return self._swap(edit)
            case WrongStep():
                return self._wrong(edit)
            case OverTime():
                return self._over_time(edit)
            case OtherTask():
                return self._other(edit)
            case _:
                return self._feed(edit)

    def _missing(self, edit: MissingStep) -> Mapping[str, object]:
        later = [
            span for span in self.spans if span.gold_step is not None and span.gold_step > edit.gold_step
        ]
        expected = min((span.start for span in later), default=self.spans[-1].end)
        return {
            "type": "missing_step",
            "gold_step": edit.gold_step,
            "label": SOP[edit.gold_step],
            "expected_at_sec": self._s(expected),
        }

    def _swap(self, edit: OrderSwap) -> Mapping[str, object]:
        times = [self._times(step) for step in (edit.second, edit.first)]
        return {
            "type": "order_swap",
            "gold_steps": [edit.first, edit.second],
            "labels": [SOP[edit.first], SOP[edit.second]],
            "adjacent": edit.second - edit.first == 1,
            "positions": [self._position(edit.second), self._position(edit.first)],
            "times": times,
        }

    def _wrong(self, edit: WrongStep) -> Mapping[str, object]:
        index, span = next((i, s) for i, s in enumerate(self._acts()) if s.label == edit.action)
        return {
            "type": "wrong_step",
            "gold_step": edit.gold_step,
            "gold_label": SOP[edit.gold_step],
            "label": edit.action,
            "kind": "other_action",
            "position": index,
            "start_sec": self._s(span.start),
            "end_sec": self._s(span.end),
        }

    def _over_time(self, edit: OverTime) -> Mapping[str, object]:
        start_s, end_s = self._times(edit.gold_step)
        return {
            "type": "over_time",
            "gold_step": edit.gold_step,
            "label": SOP[edit.gold_step],
            "mode": edit.mode,
            "factor": 2.0,
            "position": self._position(edit.gold_step),
            "start_sec": start_s,
            "end_sec": end_s,
        }

    def _other(self, edit: OtherTask) -> Mapping[str, object]:
        return {
            "type": "empty_bench" if edit.empty else "other_task",
            "missing_gold_steps": list(range(len(SOP))),
            "start_sec": 0.0,
            "end_sec": self._s(self.plan.window[1]),
        }

    def _feed(self, edit: Freeze | CutTail | SkipStart) -> Mapping[str, object]:
        first, last = self.plan.window
        hidden = self._hidden()
        match edit:
            case Freeze():
                times = {"start_sec": self._s(edit.start - first), "end_sec": self._s(edit.end - first)}
                return {"type": "freeze", **hidden, **times, "resumes": edit.resumes}
            case CutTail():
                end_s = {
                    "start_sec": self._s(last - first),
                    "nominal_duration_sec": self._s(self.plan.starts[-1]),
                }
                return {"type": "cut_tail", **hidden, **end_s}
            case SkipStart():
                skipped = {
                    "skipped_sec": self._s(first),
                    "nominal_duration_sec": self._s(self.plan.starts[-1]),
                }
                return {"type": "skip_start", **hidden, **skipped}

    def _hidden(self) -> dict[str, object]:
        """The steps that were done but not, or only partly, recorded."""
        done = {slot.gold_step for slot in self.plan.slots if slot.gold_step is not None}
        shown = {span.gold_step: span.shown for span in self.spans if span.gold_step is not None}
        partly = sorted(step for step, share in shown.items() if share < 1)
        return {
            "missing_gold_steps": sorted(done - set(shown)),
            "partial_gold_steps": partly,
            "visible_fraction": {str(step): round(shown[step], 3) for step in partly},
        }

    def _acts(self) -> list[SimulatedSpan]:
        return [span for span in self.spans if span.slot is None or span.slot.action is not None]

    def _position(self, gold_step: int) -> int:
        return next(i for i, span in enumerate(self._acts()) if span.gold_step == gold_step)

    def _times(self, gold_step: int) -> list[float]:
        span = next(span for span in self.spans if span.gold_step == gold_step)
        return [self._s(span.start), self._s(span.end)]

    def _s(self, frames: int) -> float:
        return _seconds(frames, self.fps)
