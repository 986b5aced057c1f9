"""What a composed recording consists of: segments, cuts, parts, timelines, and who picks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]


Json: TypeAlias = dict[str, Any]


Tap: TypeAlias = tuple[str, int, float]


"""A source file, the number of a frame in it, and its weight in the composed picture."""


FPS: Final = 25


CRF: Final = 28


DOMAINS: Final = 2


GOLD_PERFORMERS: Final = 2


GOLDS_EACH: Final = 2


MIRROR: Final = {"_left": "_right", "_right": "_left"}


SEGMENT_SPEED: Final = (0.85, 1.15)


PACE: Final = (0.8, 1.25)


"""A recording's own pace; one with an overlong step keeps near 1, or it would not be overlong."""


EVEN_PACE: Final = (0.9, 1.1)


WINDOW: Final = {"hw": (0.55, 1.0), "ut": (0.8, 1.0)}


"""Share of a segment that is shown: washing repeats itself, an interaction is shown nearly whole."""


SHORTEST_S: Final = 2.0


LONGEST_S: Final = 6.0


SOURCE_SPEED: Final = (0.75, 1.35)


"""Segments that the source itself shows slower or faster are not used."""


PAUSE_S: Final = (0.8, 4.0)


PAUSE_SPEED: Final = 0.3


PAUSE_FRAMES: Final = 12


FADE_S: Final = (0.2, 0.6)


SLIVER: Final = 12


"""No step comes back from a freeze for fewer frames than this."""


SHAKE_PX: Final = 2.0


DRIFT: Final = 0.15


SHARES: Final[Mapping[str, float]] = {
    "correct": 0.30,
    "missing_step": 0.10,
    "order_swap": 0.10,
    "wrong_step": 0.10,
    "over_time": 0.08,
    "freeze": 0.06,
    "cut_tail": 0.04,
    "skip_start": 0.04,
    "extra_step": 0.07,
    "double": 0.07,
    "other_task": 0.03,
    "empty_bench": 0.01,
}


DOUBLES: Final = (
    ("missing_step", "order_swap"),
    ("missing_step", "over_time"),
    ("order_swap", "wrong_step"),
    ("missing_step", "wrong_step"),
    ("missing_step", "extra_step"),
    ("over_time", "order_swap"),
)


CRITICAL: Final = frozenset({"missing_step", "freeze", "cut_tail", "skip_start", "other_task", "empty_bench"})


@dataclass(frozen=True, slots=True)
class Segment:
    """One labeled step of a source recording, in seconds of that file; ``clip`` is where it came from."""

    file: str
    label: str
    domain: str
    performer: str
    site: str
    start_s: float
    end_s: float
    clip: str
    clip_start_s: float
    clip_speed: float


@dataclass(frozen=True, slots=True)
class Cut:
    """``frames`` composed frames of a segment from ``start_s`` (seconds of its file), at ``speed``."""

    segment: Segment
    start_s: float
    speed: float
    frames: int

    def taps(self) -> list[list[Tap]]:
        """The source frame of each composed frame."""
        first, last = round(self.segment.start_s * FPS), round(self.segment.end_s * FPS) - 1
        at = np.clip(np.round(self.start_s * FPS + np.arange(self.frames) * self.speed), first, last)
        return [[(self.segment.file, int(number), 1.0)] for number in at]

    def source(self, begin: int, end: int) -> Json:
        """Composed frames [begin, end) of this cut, as a ``src`` entry."""
        start_s, end_s = (self.start_s + frame / FPS * self.speed for frame in (begin, end))
        clip = [
            self.segment.clip_start_s + (time - self.segment.start_s) * self.segment.clip_speed
            for time in (start_s, end_s)
        ]
        return {
            "clip": self.segment.clip,
            "src_start": round(clip[0], 3),
            "src_end": round(clip[1], 3),
            "speed": round(self.speed * self.segment.clip_speed, 3),
            "file": self.segment.file,
            "file_start": round(start_s, 3),
            "file_end": round(end_s, 3),
        }


@dataclass(frozen=True, slots=True)
class Part:
    """One step (or pause, without cuts) of a plan; ``taps`` has one list per composed frame."""

    label: str
    gold_step: int | None
    cuts: tuple[Cut, ...]
    taps: list[list[Tap]]


@dataclass(frozen=True, slots=True)
class Span:
    """Where a part lies in the composed recording: frames [begin, end), of which the first shows the part's
    frame ``offset``.
    """

    part: Part
    begin: int
    end: int
    offset: int = 0
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Shot:
    """One composed picture: what it shows, and the moment of the camera's movement and exposure."""

    taps: tuple[Tap, ...]
    moment: int


@dataclass(slots=True)
class Timeline:
    """The composed recording: its pictures and what lies where."""

    shots: list[Shot] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    fades: int = 0

    def append(self, part: Part, *, fade: int) -> None:
        """Put the part at the end, faded into what is there over ``fade`` frames."""
        fade = max(min(fade, len(part.taps) // 3, self._last_length() // 3), 0)
        at = len(self.shots) - fade
        for number in range(fade):
            weight = (number + 1) / (fade + 1)
            old = [(file, frame, share * (1 - weight)) for file, frame, share in self.shots[at + number].taps]
            new = [(file, frame, share * weight) for file, frame, share in part.taps[number]]
            self.shots[at + number] = Shot((*old, *new), at + number)
        self.shots += [
            Shot(tuple(taps), len(self.shots) + more) for more, taps in enumerate(part.taps[fade:])
        ]
        border = at + fade // 2
        if self.spans:
            self.spans[-1] = replace(self.spans[-1], end=border)
        self.spans.append(Span(part, border if at else 0, len(self.shots), offset=fade // 2 if at else 0))
        self.fades += fade > 0

    def _last_length(self) -> int:
        return self.spans[-1].end - self.spans[-1].begin if self.spans else 0


@dataclass(frozen=True, slots=True)
class Manner:
    """How a recording is put together."""

    pauses: bool
    fades: bool
    camera: bool


@dataclass(frozen=True, slots=True)
class Task:
    """A task to compose: ``golds`` and ``trainees`` are performers."""

    name: str
    domain: str
    steps: tuple[str, ...]
    golds: tuple[str, ...]
    trainees: tuple[str, ...]
    gold_sites: tuple[str, ...]
    soft: bool


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording to write: its label and its pictures; ``camera_seed`` is None for a still camera."""

    label: Json
    shots: list[Shot]
    camera_seed: int | None


@dataclass(frozen=True, slots=True)
class Pool:
    """All usable segments."""

    segments: tuple[Segment, ...]

    def of(self, performer: str, label: str) -> list[Segment]:
        """A performer's segments of a label in the order of their clip."""
        found = [one for one in self.segments if one.performer == performer and one.label == label]
        return sorted(found, key=lambda one: (one.clip, one.clip_start_s, one.file))

    def labels(self, *, domain: str | None = None, performer: str | None = None) -> list[str]:
        """The labels of a domain or performer."""
        return sorted(
            {
                one.label
                for one in self.segments
                if domain in (None, one.domain) and performer in (None, one.performer)
            }
        )

    def performers(self, domain: str, labels: Sequence[str] = ()) -> list[str]:
        """The performers in a domain who have segments of all ``labels``."""
        names = sorted({one.performer for one in self.segments if one.domain == domain})
        return [name for name in names if set(labels) <= set(self.labels(performer=name))]

    def site(self, performer: str) -> str:
        """Where a performer was recorded."""
        return next(one.site for one in self.segments if one.performer == performer)


@dataclass(frozen=True, slots=True)
class Director:
    """Draws the cuts of one recording."""

    pool: Pool
    task: Task
    performer: str
    rng: Generator
    pace: float
    half: int | None = None
    """Which half of the performer's material to use, for golds that must not share a cut."""

    def step(self, gold_step: int, *, whole: bool = False, slow: float = 1.0, times: int = 1) -> Part:
        """A step of the task."""
        label = self.task.steps[gold_step]
        cuts = [self._cut(self.performer, label, whole=whole, slow=slow) for _ in range(times)]
        return _part(label, gold_step, cuts)

    def foreign(self, label: str, performer: str, *, longest_s: float = LONGEST_S) -> Part:
        """An action that is no step of the procedure here."""
        return _part(label, None, [self._cut(performer, label, longest_s=longest_s)])

    def foreign_source(self, *, other_domain: bool) -> tuple[str, str]:
        """A label that is no step of the task and its performer: this one, else one of the same site, else
        any; or of the other domain.
        """
        if other_domain:
            domain = next(one.domain for one in self.pool.segments if one.domain != self.task.domain)
            label = pick(self.rng, self.pool.labels(domain=domain))
            return label, pick(self.rng, self.pool.performers(domain, [label]))
        labels = [one for one in self.pool.labels(domain=self.task.domain) if one not in self.task.steps]
        own = [one for one in labels if self.pool.of(self.performer, one)]
        label = pick(self.rng, own or labels)
        return label, self.performer_of(label)

    def performer_of(self, label: str) -> str:
        """Who shows a label: this performer if possible, else one of the same site, else any."""
        names = self.pool.performers(self.task.domain, [label])
        near = [name for name in names if self.pool.site(name) == self.pool.site(self.performer)]
        return self.performer if self.performer in names else pick(self.rng, near or names)

    def _cut(
        self,
        performer: str,
        label: str,
        *,
        whole: bool = False,
        slow: float = 1.0,
        longest_s: float = LONGEST_S,
    ) -> Cut:
        found = self.pool.of(performer, label)
        if self.half is not None and len(found) > 1:
            middle = len(found) // 2
            found = found[:middle] if self.half == 0 else found[middle:]
        segment = pick(self.rng, found)
        length_s = segment.end_s - segment.start_s
        share = 1.0 if whole else self.rng.uniform(*WINDOW.get(segment.domain, (0.8, 1.0)))
        shown_s = min(max(length_s * share, min(SHORTEST_S, length_s)), length_s, longest_s)
        start_s = segment.start_s + self.rng.uniform(0, length_s - shown_s)
        speed = self.pace * self.rng.uniform(*SEGMENT_SPEED) * slow
        return Cut(segment, float(start_s), float(speed), max(round(shown_s / speed * FPS), 2))


def _part(label: str, gold_step: int | None, cuts: Sequence[Cut]) -> Part:
    return Part(label, gold_step, tuple(cuts), [taps for cut in cuts for taps in cut.taps()])


def pick(rng: Generator, items: Sequence[Any]) -> Any:
    return items[int(rng.integers(len(items)))]
