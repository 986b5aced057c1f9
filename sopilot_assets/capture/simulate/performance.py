"""What is to be seen at each frame of a plan."""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sopilot_assets.capture.simulate.actions import ACTIONS, idle
from sopilot_assets.capture.simulate.motion import Stage
from sopilot_assets.capture.simulate.people import Person
from sopilot_assets.capture.simulate.plan import OtherTask, Plan, Slot
from sopilot_assets.capture.simulate.state import Layout, PartPlace, Point, SceneMoment, SceneState

NOMINAL_STEP_S: Final = 4.5
"""The step length that strokes per second are given for; shorter steps have quicker strokes."""

_TAKEN_BACK: Final = (0.84, 0.13)
"""Doing a carrying action twice: forward to the first progress, back to the second, then to the end."""
_TREMOR_HERTZ: Final = (2.3, 5.1, 8.7)


@dataclass(frozen=True)
class Performance:
    """One person carrying out a plan: a picture of the bench for each frame.

    ``before`` are the states at the start of each slot, ``phases`` where in its stroke each slot begins.
    """

    plan: Plan
    person: Person
    layout: Layout
    fps: int
    hurry: float
    before: tuple[SceneState, ...]
    phases: tuple[float, ...]

    def moment(self, frame: int) -> SceneMoment:
        """What is on the bench at a frame of the plan."""
        starts = self.plan.starts
        index = min(bisect.bisect_right(starts, frame) - 1, len(self.plan.slots) - 1)
        slot = self.plan.slots[index]
        stage = Stage(
            progress=_progress(slot, (frame - starts[index] + 0.5) / slot.frames),
            clock_s=(frame - starts[index]) / self.fps * slot.speed * self.person.rhythm * self.hurry,
            before=self.before[index],
            layout=self.layout,
            person=self.person,
            phase=self.phases[index],
        )
        if not slot.present:
            return SceneMoment(state=stage.before)
        shown = ACTIONS[slot.action].show(stage) if slot.action else idle(stage)
        return self._trembling(shown, frame)

    def _trembling(self, moment: SceneMoment, frame: int) -> SceneMoment:
        time_s = frame / self.fps
        hands = tuple(
            replace(hand, at=_shaken(hand.at, time_s, self.person.tremor, hand.side)) for hand in moment.hands
        )
        return replace(moment, hands=hands)


def perform(
    plan: Plan, *, person: Person, fps: int, step_seconds: float, rng: np.random.Generator
) -> Performance:
    """The plan carried out by ``person``; ``rng`` puts things a little elsewhere in every recording."""
    state = SceneState(board=any(isinstance(edit, OtherTask) and not edit.empty for edit in plan.edits))
    before = []
    for slot in plan.slots:
        before.append(state)
        state = ACTIONS[slot.action].leave(state) if slot.action else state
    return Performance(
        plan=plan,
        person=person,
        layout=_laid_out(rng),
        fps=fps,
        hurry=NOMINAL_STEP_S / step_seconds,
        before=tuple(before),
        phases=tuple(float(phase) for phase in rng.uniform(0, 2 * np.pi, len(plan.slots))),
    )


def _progress(slot: Slot, share: float) -> float:
    if slot.passes == 1:
        return share
    if slot.action is None or not ACTIONS[slot.action].carries:
        return share * slot.passes % 1.0
    top, bottom = _TAKEN_BACK
    way = share * (top + (top - bottom) + (1 - bottom))
    if way < top:
        return way
    return 2 * top - way if way < 2 * top - bottom else way - 2 * (top - bottom)


def _laid_out(rng: np.random.Generator) -> Layout:
    usual = Layout()
    places = {}
    for place, (x, y) in usual.places.items():
        spread = 2.0 if place is PartPlace.SEAT else 4.0
        places[place] = (x + float(rng.normal(0, spread)), y + float(rng.normal(0, spread)))
    tools = {
        tool: (
            (at[0] + float(rng.normal(0, 5)), at[1] + float(rng.normal(0, 5))),
            angle + float(rng.normal(0, 9)),
        )
        for tool, (at, angle) in usual.tools.items()
    }
    return Layout(places=places, tools=tools)


def _shaken(at: Point, time_s: float, size: float, side: int) -> Point:
    x = sum(math.sin(2 * math.pi * hertz * time_s + side + k) for k, hertz in enumerate(_TREMOR_HERTZ))
    y = sum(math.sin(2 * math.pi * hertz * time_s + 2 * side - k) for k, hertz in enumerate(_TREMOR_HERTZ))
    return (at[0] + size * x / 2, at[1] + size * y / 2)
