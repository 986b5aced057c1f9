"""What happens in one recording: which actions, in which order and pace, and what is done to the feed."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sopilot_assets.capture.simulate.actions import ACTIONS
from sopilot_assets.capture.simulate.people import Person
from sopilot_assets.errors import ConfigError

SOP: Final = (
    "loosen_housing",
    "lift_off_cover",
    "pull_old_filter",
    "wipe_seat",
    "oil_gasket",
    "insert_new_filter",
    "close_housing",
)
WRONG_ACTIONS: Final = ("hammer_housing", "measure_with_ruler", "wipe_bench", "spray_cleaner")
OTHER_WORK: Final = ("drive_screws", "measure_with_ruler", "hammer_housing", "spray_cleaner", "wipe_bench")
_OPPOSITES: Final = (("lift_off_cover", "close_housing"), ("pull_old_filter", "insert_new_filter"))
"""What the second undoes of the first: nobody can put on what is not off, so these are never swapped."""

IDLE: Final = "__idle__"
FROZEN: Final = "__frozen__"

MODES: Final[Mapping[str, tuple[str, ...]]] = {
    "correct": ("",),
    "missing_step": ("one", "two"),
    "order_swap": ("adjacent", "distant"),
    "wrong_step": ("other_action",),
    "over_time": ("slow", "repeat"),
    "freeze": ("stays", "resumes"),
    "cut_tail": ("whole", "partial", "both"),
    "skip_start": ("whole", "partial", "both"),
    "double": (
        "missing_step+over_time",
        "order_swap+wrong_step",
        "missing_step+freeze",
        "over_time+missing_step",
        "wrong_step+cut_tail",
    ),
    "other_task": ("",),
    "empty_bench": ("",),
}
"""The variants and the modes each comes in, the first one being the default."""

_JITTER: Final = 0.12
_PAUSE_S: Final = 0.6
_SHORTEST_FRAMES: Final = 4
_Range = tuple[int, int]


@dataclass(frozen=True)
class Slot:
    """One action in the plan, ``frames`` long; ``gold_step`` is its index in the procedure, if it has one.

    ``speed`` below 1 is slow motion, ``passes`` 2 means done twice. ``action`` is ``None`` where nothing is
    done; ``present`` says whether anybody is there.
    """

    action: str | None
    gold_step: int | None
    speed: float = 1.0
    passes: int = 1
    frames: int = 0
    present: bool = True

    @property
    def label(self) -> str:
        """The label of the span."""
        return self.action or IDLE


@dataclass(frozen=True)
class MissingStep:
    """A step that is not done."""

    gold_step: int


@dataclass(frozen=True)
class OrderSwap:
    """Two steps in each other's place."""

    first: int
    second: int


@dataclass(frozen=True)
class WrongStep:
    """An action that is not in the procedure, in the place of a step."""

    gold_step: int
    action: str


@dataclass(frozen=True)
class OverTime:
    """A step done in slow motion (``slow``) or twice (``repeat``)."""

    gold_step: int
    mode: str


@dataclass(frozen=True)
class Freeze:
    """The feed stands still between two frames of the plan, for good unless it ``resumes``."""

    start: int
    end: int
    resumes: bool


@dataclass(frozen=True)
class CutTail:
    """The recording ends at a frame of the plan."""

    at: int


@dataclass(frozen=True)
class SkipStart:
    """The recording begins at a frame of the plan."""

    at: int


@dataclass(frozen=True)
class OtherTask:
    """Other work at the same bench, or (``empty``) nobody at work."""

    empty: bool


Edit = MissingStep | OrderSwap | WrongStep | OverTime | Freeze | CutTail | SkipStart | OtherTask


@dataclass(frozen=True)
class Plan:
    """The slots of one recording in order, and what was changed about the procedure or the feed.

    Frame numbers are those of the whole performance; ``window`` is the part of it that the file holds.
    """

    variant: str
    mode: str
    slots: tuple[Slot, ...]
    edits: tuple[Edit, ...] = ()
    window: _Range = (0, 0)

    @property
    def starts(self) -> tuple[int, ...]:
        """The first frame of each slot, and the end of the last."""
        return (0, *(int(total) for total in np.cumsum([slot.frames for slot in self.slots])))

    @property
    def frozen(self) -> _Range | None:
        """The frames during which the feed stands still."""
        return next(((edit.start, edit.end) for edit in self.edits if isinstance(edit, Freeze)), None)


def split_variant(text: str) -> tuple[str, str]:
    """Variant and mode of ``variant`` or ``variant:mode``; ``ConfigError`` where there is no such thing.

    >>> split_variant("order_swap:distant"), split_variant("freeze")
    (('order_swap', 'distant'), ('freeze', 'stays'))
    """
    variant, _, mode = text.partition(":")
    if variant not in MODES:
        raise ConfigError(f"variant {text!r}: expected one of {', '.join(MODES)}, found {variant!r}.")
    if mode and mode not in MODES[variant]:
        known = ", ".join(filter(None, MODES[variant])) or "no mode"
        raise ConfigError(f"variant {text!r}: expected one of the modes {known}, found {mode!r}.")
    return variant, mode or MODES[variant][0]


def make_plan(
    text: str, *, person: Person, fps: int, step_seconds: float, pauses: bool, rng: np.random.Generator
) -> Plan:
    """The plan of a recording of ``variant[:mode]`` by ``person``."""
    variant, mode = split_variant(text)
    slots, edits = _performed(variant, mode, rng)
    pace = [_frames(slot, person=person, fps=fps, step_seconds=step_seconds, rng=rng) for slot in slots]
    timed = [replace(slot, frames=frames) for slot, frames in zip(slots, pace, strict=True)]
    if pauses:
        timed = _with_pauses(timed, fps=fps, rng=rng, step_seconds=step_seconds)
    plan = Plan(variant, mode, tuple(timed), tuple(edits))
    return _feed(replace(plan, window=(0, plan.starts[-1])), rng)


def _performed(variant: str, mode: str, rng: np.random.Generator) -> tuple[list[Slot], list[Edit]]:
    """The actions as they are done, before they are given a length."""
    if variant == "other_task":
        return [Slot(str(action), None) for action in rng.permutation(OTHER_WORK)], [OtherTask(empty=False)]
    if variant == "empty_bench":
        return [Slot(None, None, speed=1 / 3, present=False)], [OtherTask(empty=True)]
    slots = [Slot(action, step) for step, action in enumerate(SOP)]
    edits: list[Edit] = []
    for kind, how, (low, high) in _kinds(variant, mode):
        slots, made = _edited(slots, kind, how, range(low, high), rng)
        edits += made
    return slots, edits


def _kinds(variant: str, mode: str) -> list[tuple[str, str, _Range]]:
    """(variant, mode, range of steps it may touch) of each single edit."""
    if variant != "double":
        return [(variant, mode, (0, len(SOP)))]
    early, late = mode.split("+")
    return [(early, MODES[early][0], (0, 3)), (late, MODES[late][0], (4, len(SOP)))]


def _edited(
    slots: list[Slot], variant: str, mode: str, steps: range, rng: np.random.Generator
) -> tuple[list[Slot], list[Edit]]:
    place = {slot.gold_step: index for index, slot in enumerate(slots)}
    step = int(rng.choice(steps))
    match variant:
        case "missing_step":
            gone = sorted(int(k) for k in rng.choice(steps, 2, replace=False)) if mode == "two" else [step]
            return [slot for slot in slots if slot.gold_step not in gone], [MissingStep(k) for k in gone]
        case "order_swap":
            first, second = _swapped(mode, steps, rng)
            a, b = place[first], place[second]
            slots[a], slots[b] = slots[b], slots[a]
            return slots, [OrderSwap(first, second)]
        case "wrong_step":
            action = str(rng.choice(WRONG_ACTIONS))
            slots[place[step]] = Slot(action, None)
            return slots, [WrongStep(step, action)]
        case "over_time":
            speed, passes = (0.5, 1) if mode == "slow" else (1.0, 2)
            slots[place[step]] = replace(slots[place[step]], speed=speed, passes=passes)
            return slots, [OverTime(step, mode)]
        case "freeze" | "cut_tail" | "skip_start":
            return slots, [_UNPLACED[variant, mode]]
    return slots, []


def _swapped(mode: str, steps: range, rng: np.random.Generator) -> _Range:
    pairs = [
        (first, second)
        for first, second in itertools.combinations(steps, 2)
        if (second - first == 1) == (mode == "adjacent") and (SOP[first], SOP[second]) not in _OPPOSITES
    ]
    first, second = pairs[int(rng.integers(len(pairs)))]
    return first, second


_UNPLACED: Final[Mapping[tuple[str, str], Edit]] = {
    ("freeze", "stays"): Freeze(-1, -1, resumes=False),
    ("freeze", "resumes"): Freeze(-1, -1, resumes=True),
    **{("cut_tail", mode): CutTail(-1) for mode in MODES["cut_tail"]},
    **{("skip_start", mode): SkipStart(-1) for mode in MODES["skip_start"]},
}


def _frames(slot: Slot, *, person: Person, fps: int, step_seconds: float, rng: np.random.Generator) -> int:
    length = ACTIONS[slot.action].length if slot.action else 1.0
    nominal_s = step_seconds * length * float(np.exp(rng.normal(0, _JITTER))) / person.tempo
    return max(round(nominal_s * fps), _SHORTEST_FRAMES) * round(slot.passes / slot.speed)


def _with_pauses(
    slots: Sequence[Slot], *, fps: int, rng: np.random.Generator, step_seconds: float
) -> list[Slot]:
    """The slots with short rests between them, at most ``_PAUSE_S`` for steps of 4.5 s."""
    longest = _PAUSE_S * min(step_seconds / 4.5, 1.0) * fps
    paused: list[Slot] = []
    for slot in slots:
        rest = round(float(rng.uniform(0, longest)))
        if paused and rest > 0:
            paused.append(Slot(None, None, frames=rest))
        paused.append(slot)
    return paused


def _feed(plan: Plan, rng: np.random.Generator) -> Plan:
    """The plan with its cuts and freezes put at definite frames."""
    edits: list[Edit] = []
    window = plan.window
    steps = [index for index, slot in enumerate(plan.slots) if slot.action is not None]
    for edit in plan.edits:
        placed: Edit = edit
        match edit:
            case Freeze():
                placed = _placed_freeze(plan, steps, edit, rng)
                window = (window[0], placed.end if not edit.resumes else window[1])
            case CutTail():
                placed = CutTail(_boundary(plan, steps, rng, from_end=True))
                window = (window[0], placed.at)
            case SkipStart():
                placed = SkipStart(_boundary(plan, steps, rng, from_end=False))
                window = (placed.at, window[1])
        edits.append(placed)
    return replace(plan, edits=tuple(edits), window=window)


def _placed_freeze(plan: Plan, steps: Sequence[int], edit: Freeze, rng: np.random.Generator) -> Freeze:
    starts = plan.starts
    low, high = (3, len(steps) - 3) if plan.variant == "double" else (1, len(steps) - 2)
    order = int(rng.integers(low, max(high, low + 1)))
    index = steps[order]
    seen = round(float(rng.uniform(0.3, 0.75)) * plan.slots[index].frames)
    end = starts[steps[order + 1] + 1] if edit.resumes else starts[-1]
    return Freeze(starts[index] + seen, end, edit.resumes)


def _boundary(plan: Plan, steps: Sequence[int], rng: np.random.Generator, *, from_end: bool) -> int:
    """The frame at which a recording is cut, counting whole and partial steps from one end."""
    starts = plan.starts
    partial = plan.mode in ("partial", "both")
    whole = 0 if plan.mode == "partial" else int(rng.integers(1, 2 if partial else 3))
    share = float(rng.uniform(0.35, 0.65))
    if from_end:
        index = steps[-1 - whole]
        return starts[index] + round(share * plan.slots[index].frames) if partial else starts[index + 1]
    index = steps[whole]
    return starts[index] + round(share * plan.slots[index].frames) if partial else starts[index]
