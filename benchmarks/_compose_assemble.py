"""From the parts of a recording to its timeline of frames and its labels: pauses, fades, freezes and cuts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from benchmarks._compose_parts import (
    CRITICAL,
    FADE_S,
    FPS,
    PAUSE_FRAMES,
    PAUSE_S,
    PAUSE_SPEED,
    SLIVER,
    Cut,
    Director,
    Json,
    Manner,
    Part,
    Recording,
    Span,
    Tap,
    Timeline,
)


def assemble(parts: Sequence[Part], manner: Manner, rng: Generator) -> Timeline:
    """The parts one after another, with pauses and fades as the manner says."""
    timeline = Timeline()
    rate = rng.uniform(0.3, 0.7) if manner.pauses else 0.0
    for number, part in enumerate(parts):
        if manner.pauses and rng.random() < (rate if number else rate / 2):
            frames = round(float(rng.uniform(*PAUSE_S)) * FPS)
            before = number == 0 or bool(rng.random() < 0.5)
            cut = part.cuts[0] if before else parts[number - 1].cuts[-1]
            pause = pause_part(cut, frames, before=before)
            timeline.append(pause, fade=_fade(manner, rng) if before else 0)
            timeline.append(part, fade=0 if before else _fade(manner, rng))
        else:
            timeline.append(part, fade=_fade(manner, rng))
    if manner.pauses and rng.random() < rate / 2:
        timeline.append(
            pause_part(parts[-1].cuts[-1], round(float(rng.uniform(*PAUSE_S)) * FPS), before=False), fade=0
        )
    return timeline


def _fade(manner: Manner, rng: Generator) -> int:
    return round(float(rng.uniform(*FADE_S)) * FPS) if manner.fades and rng.random() < 0.6 else 0


def pause_part(cut: Cut, frames: int, *, before: bool) -> Part:
    """The first half second of a cut slowly back and forth so that it ends where the cut begins; or the last
    one, beginning where the cut ends.
    """
    reach = min(PAUSE_FRAMES, cut.frames - 1)
    walk = PAUSE_SPEED * (np.arange(frames)[::-1] if before else np.arange(frames))
    bounce = reach - np.abs(walk % (2 * reach) - reach)
    played = bounce if before else cut.frames - 1 - bounce
    first, last = round(cut.segment.start_s * FPS), round(cut.segment.end_s * FPS) - 1
    at = np.clip(cut.start_s * FPS + played * cut.speed, first, last)
    return Part("__pause__", None, (), [_between(cut.segment.file, float(one)) for one in at])


def _between(file: str, position: float) -> list[Tap]:
    low, share = int(position), position % 1
    return [(file, low, 1.0)] if share < 1e-3 else [(file, low, 1 - share), (file, low + 1, share)]


def freeze(timeline: Timeline, rng: Generator, mode: int) -> tuple[Timeline, Json]:
    """The picture stands still from within a step: for 0.5 to 1.6 steps' length, or (every other time) to
    the end.
    """
    steps = [span for span in timeline.spans if span.part.gold_step is not None]
    resumes = mode % 2 == 0
    at = int(rng.integers(1, len(steps) - 1)) if resumes else int(rng.integers(1, len(steps)))
    span = steps[at]
    length = span.end - span.begin
    begin = span.begin + round(float(rng.uniform(0.3, 0.75)) * length)
    typical = float(np.median([one.end - one.begin for one in steps]))
    end = len(timeline.shots)
    if resumes:
        end = min(begin + round(float(rng.uniform(0.5, 1.6)) * typical), end - FPS)
        border = next(one.end for one in timeline.spans if one.begin <= end < one.end)
        end = border if border - end < SLIVER and border < len(timeline.shots) else end
    shots = list(timeline.shots)
    shots[begin:end] = [shots[begin - 1]] * (end - begin)
    held = Span(Part("__frozen__", None, (), []), begin, end)
    spans = [
        piece
        for one in timeline.spans
        for piece in (_clipped(one, 0, begin), _clipped(one, end, len(shots)))
        if piece is not None
    ]
    spans = sorted([*spans, held], key=lambda one: one.begin)
    told = _visible(timeline, spans) | {"start_sec": begin / FPS, "end_sec": end / FPS, "resumes": resumes}
    return Timeline(shots, spans, timeline.fades), {"type": "freeze", **told}


def shorten(timeline: Timeline, rng: Generator, mode: int, *, tail: bool) -> tuple[Timeline, Json]:
    """Without its end (or start): part of a step, one step, or one and part of the next."""
    steps = [span for span in timeline.spans if span.part.gold_step is not None]
    if not tail:
        steps.reverse()
    outer, inner = steps[-1], steps[-2]
    share = float(rng.uniform(0.3, 0.7))
    match mode % 3:
        case 0:
            at = round(outer.begin + (share if tail else 1 - share) * (outer.end - outer.begin))
        case 1:
            at = outer.begin if tail else outer.end
        case _:
            at = round(inner.begin + (share if tail else 1 - share) * (inner.end - inner.begin))
    low, high = (0, at) if tail else (at, len(timeline.shots))
    kept = [piece for one in timeline.spans if (piece := _clipped(one, low, high)) is not None]
    told = _visible(timeline, kept) | {"nominal_duration_sec": len(timeline.shots) / FPS}
    told |= {"start_sec": at / FPS} if tail else {"skipped_sec": at / FPS}
    spans = [replace(one, begin=one.begin - low, end=one.end - low) for one in kept]
    result = Timeline(timeline.shots[low:high], spans, timeline.fades)
    return result, {"type": "cut_tail" if tail else "skip_start", **told}


def _clipped(span: Span, low: int, high: int) -> Span | None:
    """The part of a span within frames [low, high)."""
    begin, end = max(span.begin, low), min(span.end, high)
    if begin >= end:
        return None
    cut = (begin, end) != (span.begin, span.end)
    return replace(
        span, begin=begin, end=end, offset=span.offset + begin - span.begin, truncated=cut or span.truncated
    )


def _visible(timeline: Timeline, kept: Sequence[Span]) -> Json:
    """Which steps of the timeline are gone or partly gone in what is kept."""
    shares = {}
    for span in timeline.spans:
        step = span.part.gold_step
        if step is not None:
            left = sum(one.end - one.begin for one in kept if one.part is span.part)
            shares[step] = left / (span.end - span.begin)
    return {
        "missing_gold_steps": sorted(step for step, share in shares.items() if share == 0),
        "partial_gold_steps": sorted(step for step, share in shares.items() if 0 < share < 1),
        "visible_fraction": {str(step): round(share, 3) for step, share in shares.items() if 0 < share < 1},
    }


def recording(
    director: Director,
    role: str,
    number: int,
    variant: str,
    manner: Manner,
    timeline: Timeline,
    deviations: list[Json],
) -> Recording:
    task = director.task
    shown = {span.part.gold_step for span in timeline.spans}
    missing = [step for step in range(len(task.steps)) if step not in shown]
    label = {
        "file": f"videos/{task.name}/{role}_{number:03d}.mp4",
        "split": "composed",
        "task": task.name,
        "domain": task.domain,
        "role": role,
        "variant": variant,
        "subject_ids": [director.performer],
        "site": director.pool.site(director.performer),
        "gold_sites": list(task.gold_sites),
        "duration_sec": len(timeline.shots) / FPS,
        "fps": FPS,
        "size": [480, 320],
        "sop_steps": list(task.steps),
        "steps": [_step_line(span) for span in timeline.spans],
        "deviations": deviations,
        "critical_expected": any(one["type"] in CRITICAL for one in deviations),
        "physically_missing_gold_steps": missing,
        "composition": {
            "pauses": sum(span.part.label == "__pause__" for span in timeline.spans),
            "fades": timeline.fades,
            "camera": manner.camera,
            "pace": round(director.pace, 3),
        },
    }
    camera_seed = int(director.rng.integers(2**31)) if manner.camera else None
    return Recording(label, timeline.shots, camera_seed)


def _step_line(span: Span) -> Json:
    sources = []
    at = -span.offset
    for cut in span.part.cuts:
        begin, end = max(-at, 0), min(span.end - span.begin - at, cut.frames)
        if begin < end:
            sources.append(cut.source(begin, end))
        at += cut.frames
    return {
        "start_sec": span.begin / FPS,
        "end_sec": span.end / FPS,
        "label": span.part.label,
        "gold_step": span.part.gold_step,
        "truncated": span.truncated,
        "src": sources,
    }
