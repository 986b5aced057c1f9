"""Harder labelled recordings, composed of the labelled steps of an existing folder in ProcBench's format.

    python -m benchmarks.compose --root DIR --out DIR --seed S [--variant-count N] [--processes N]

DIR holds labels.jsonl and videos/. Its labelled step segments are cut out, and new recordings of them are
written to the other DIR in the same format, for two tasks of each domain: ``<domain>A`` has hard cuts like
the source, ``<domain>B`` has pauses, cross-fades, camera shake and exposure drift. The order of the steps is
permuted by the seed, the golds are of two performers and the trainees of all others, and the trainees'
deviations are exactly known. The same folder and seed give the same labels.

Beyond the source's format: ``__pause__`` entries among the steps, the deviations ``extra_step``,
``other_task`` and ``empty_bench``, the variant ``double``, and ``composition``
(what was done to the picture).
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations, pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, TypeAlias

import av
import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from sopilot_assets.errors import ConfigError
from sopilot_assets.video.write import write_h264

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
    """One labelled step of a source recording, in seconds of that file; ``clip`` is where it came from."""

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


HARD_CUTS: Final = Manner(pauses=False, fades=False, camera=False)


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


def main() -> None:
    """Compose and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, required=True, help="the folder to cut segments out of")
    parser.add_argument("--out", type=Path, required=True, help="where the new folder goes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--variant-count", type=int, default=32, help="trainee recordings per task")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    labels = compose(
        options.root,
        options.out,
        seed=options.seed,
        variant_count=options.variant_count,
        processes=options.processes,
    )
    print(f"{len(labels)} recordings in {options.out}")


def compose(root: Path, out: Path, *, seed: int, variant_count: int = 32, processes: int = 2) -> list[Json]:
    """Write the composed folder and return its labels.

    Raises ``ConfigError`` when ``root`` has no labels, or ``out`` has some already.
    """
    if (out / "labels.jsonl").exists():
        raise ConfigError(f"{out}: expected a new folder, found labels.jsonl in it; choose another.")
    pool, lines = read_pool(root)
    tasks = plan_tasks(pool, lines, seed=seed)
    recordings = [
        recording
        for number, task in enumerate(tasks)
        for recording in plan_recordings(pool, task, seed=(seed, number), variant_count=variant_count)
    ]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as workers:
        list(workers.map(partial(write_recording, root, out), recordings))
    labels = [recording.label for recording in recordings]
    (out / "tasks.json").write_text(
        json.dumps([_task_line(task, labels) for task in tasks], indent=1), "utf-8"
    )
    (out / "labels.jsonl").write_text("".join(f"{json.dumps(label)}\n" for label in labels), "utf-8")
    return labels


def _task_line(task: Task, labels: Sequence[Json]) -> Json:
    golds = [one["file"] for one in labels if one["task"] == task.name and one["role"] == "gold"]
    return {"task": task.name, "domain": task.domain, "steps": list(task.steps), "gold_files": golds}


# --- the source -------------------------------------------------------------------------------------------


def read_pool(root: Path) -> tuple[Pool, list[Json]]:
    """The usable segments of a labelled folder, and its labels.

    Left out: truncated and frozen ones, ones shown at an unusual speed or twice, and recordings of several
    performers.
    """
    path = root / "labels.jsonl"
    if not path.is_file():
        raise ConfigError(f"{path}: expected the labels of a folder in ProcBench's format, found no file.")
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    segments = tuple(one for line in lines if len(line["subject_ids"]) == 1 for one in _segments(line))
    return Pool(segments), lines


def _segments(line: Json) -> Iterator[Segment]:
    for step in line["steps"]:
        if step["truncated"] or step["label"].startswith("__") or len(step["src"]) != 1:
            continue
        source = step["src"][0]
        if not SOURCE_SPEED[0] <= source["speed"] <= SOURCE_SPEED[1]:
            continue
        yield Segment(
            file=line["file"],
            label=step["label"],
            domain=line["domain"],
            performer=line["subject_ids"][0],
            site=line["site"],
            start_s=step["start_sec"],
            end_s=step["end_sec"],
            clip=source["clip"],
            clip_start_s=source["src_start"],
            clip_speed=source["speed"],
        )


# --- tasks ------------------------------------------------------------------------------------------------


def plan_tasks(pool: Pool, lines: Sequence[Json], *, seed: int) -> list[Task]:
    """Two tasks of each domain, with other gold performers each.

    The site with the fewest performers is the other site: its performers are golds in no first task, and in
    the second only of every other seed.
    """
    sops = {line["domain"]: tuple(line["sop_steps"]) for line in lines}
    if len(sops) != DOMAINS:
        raise ConfigError(
            f"Expected labels of {DOMAINS} domains, so that each lends the other foreign actions, found "
            f"{sorted(sops)}; add recordings of another domain."
        )
    tasks = []
    for domain, sop in sorted(sops.items()):
        rng = np.random.default_rng([seed, len(domain), *domain.encode()])
        complete = pool.performers(domain, sop)
        away = _away(pool, complete)
        rich = [name for name in complete if _suffices(pool, name, sop)]
        pairs = list(combinations([name for name in rich if name not in away], GOLD_PERFORMERS))
        if not pairs:
            raise ConfigError(
                f"Domain {domain}: expected {GOLD_PERFORMERS} performers at the main site with {GOLDS_EACH} "
                f"whole segments of each of {list(sop)}, found {rich}; add recordings."
            )
        pairs = [pairs[at] for at in np.random.default_rng([*domain.encode()]).permutation(len(pairs))]
        orders: list[tuple[str, ...]] = [sop]
        for number, letter in enumerate("AB"):
            golds = list(pairs[(2 * (seed - 1) + number) % len(pairs)])
            if number == 1 and seed % 2 == 0 and away:
                golds[-1] = away[0]
            orders.append(_other_order(sop, orders, rng))
            tasks.append(
                Task(
                    name=f"{domain}{letter}",
                    domain=domain,
                    steps=orders[-1],
                    golds=tuple(golds),
                    trainees=tuple(name for name in complete if name not in golds),
                    gold_sites=tuple(sorted({pool.site(name) for name in golds})),
                    soft=number == 1,
                )
            )
    return tasks


def _suffices(pool: Pool, performer: str, labels: Sequence[str]) -> bool:
    """Whether there is enough for golds that share no cut."""
    return all(len(pool.of(performer, label)) >= GOLDS_EACH for label in labels)


def _away(pool: Pool, performers: Sequence[str]) -> list[str]:
    sites = defaultdict(list)
    for name in performers:
        sites[pool.site(name)].append(name)
    return min(sites.values(), key=len) if len(sites) > 1 else []


def _other_order(sop: Sequence[str], taken: Sequence[tuple[str, ...]], rng: Generator) -> tuple[str, ...]:
    """A permutation that shares few neighbours with the orders already taken."""
    pairs = {pair for order in taken for pair in pairwise(order)}
    drawn = [tuple(sop[number] for number in rng.permutation(len(sop))) for _ in range(50)]
    return min(drawn, key=lambda order: sum(pair in pairs for pair in pairwise(order)))


# --- recordings -------------------------------------------------------------------------------------------


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
            label = _pick(self.rng, self.pool.labels(domain=domain))
            return label, _pick(self.rng, self.pool.performers(domain, [label]))
        labels = [one for one in self.pool.labels(domain=self.task.domain) if one not in self.task.steps]
        own = [one for one in labels if self.pool.of(self.performer, one)]
        label = _pick(self.rng, own or labels)
        return label, self.performer_of(label)

    def performer_of(self, label: str) -> str:
        """Who shows a label: this performer if possible, else one of the same site, else any."""
        names = self.pool.performers(self.task.domain, [label])
        near = [name for name in names if self.pool.site(name) == self.pool.site(self.performer)]
        return self.performer if self.performer in names else _pick(self.rng, near or names)

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
        segment = _pick(self.rng, found)
        length_s = segment.end_s - segment.start_s
        share = 1.0 if whole else self.rng.uniform(*WINDOW.get(segment.domain, (0.8, 1.0)))
        shown_s = min(max(length_s * share, min(SHORTEST_S, length_s)), length_s, longest_s)
        start_s = segment.start_s + self.rng.uniform(0, length_s - shown_s)
        speed = self.pace * self.rng.uniform(*SEGMENT_SPEED) * slow
        return Cut(segment, float(start_s), float(speed), max(round(shown_s / speed * FPS), 2))


def _part(label: str, gold_step: int | None, cuts: Sequence[Cut]) -> Part:
    return Part(label, gold_step, tuple(cuts), [taps for cut in cuts for taps in cut.taps()])


def _pick(rng: Generator, items: Sequence[Any]) -> Any:
    return items[int(rng.integers(len(items)))]


def plan_recordings(pool: Pool, task: Task, *, seed: tuple[int, int], variant_count: int) -> list[Recording]:
    """The golds and ``variant_count`` trainees of a task."""
    rng = np.random.default_rng([*seed, 1])
    recordings = []
    for number in range(len(task.golds) * GOLDS_EACH):
        performer, half = task.golds[number // GOLDS_EACH], number % GOLDS_EACH
        draw = np.random.default_rng([*seed, 2, number])
        manner = Manner(pauses=task.soft and half == 1, fades=task.soft, camera=task.soft)
        director = Director(pool, task, performer, draw, float(draw.uniform(*PACE)), half=half)
        parts = [director.step(step) for step in range(len(task.steps))]
        timeline = assemble(parts, manner, draw)
        recordings.append(_recording(director, "gold", number + 1, "correct", manner, timeline, []))
    variants = [name for name, count in quotas(variant_count).items() for _ in range(count)]
    performers: list[str] = []
    while len(performers) < variant_count:
        performers += [task.trainees[one] for one in rng.permutation(len(task.trainees))]
    turn: dict[str, int] = defaultdict(lambda: seed[0] + seed[1])
    planned = []
    for variant, performer in zip(variants, performers, strict=False):
        planned.append((variant, performer, turn[variant]))
        turn[variant] += 1
    for number, at in enumerate(rng.permutation(len(planned))):
        variant, performer, mode = planned[at]
        draw = np.random.default_rng([*seed, 3, number])
        recordings.append(_trainee(pool, task, performer, variant, mode, number=number + 1, rng=draw))
    return recordings


def quotas(count: int) -> dict[str, int]:
    """How many of ``count`` recordings each variant gets: its share, and one at least if there is room."""
    exact = {name: share * count for name, share in SHARES.items()}
    given = {name: max(int(share), 1 if count >= 2 * len(SHARES) else 0) for name, share in exact.items()}
    while sum(given.values()) > count:
        given[max(given, key=lambda name: given[name] - exact[name])] -= 1
    while sum(given.values()) < count:
        given[max(given, key=lambda name: exact[name] - given[name])] += 1
    return given


def _trainee(
    pool: Pool, task: Task, performer: str, variant: str, mode: int, *, number: int, rng: Generator
) -> Recording:
    soft = task.soft
    manner = Manner(pauses=soft and bool(rng.random() < 0.75), fades=soft, camera=soft)
    kinds = DOUBLES[mode % len(DOUBLES)] if variant == "double" else (variant,)
    mode = int(rng.integers(12)) if variant == "double" else mode
    pace = float(rng.uniform(*(EVEN_PACE if "over_time" in kinds else PACE)))
    director = Director(pool, task, performer, rng, pace)
    if variant == "empty_bench":
        return _empty_bench(director, number, manner)
    if variant == "other_task":
        return _other_task(director, number, mode, manner)
    parts = {step: director.step(step) for step in range(len(task.steps))}
    order, edits, extra = _edit(director, parts, kinds, mode)
    sequence = [parts[step] for step in order if step in parts]
    if extra is not None:
        sequence.insert(extra[0], extra[1])
    timeline = assemble(sequence, manner, rng)
    told = [_located(edit, timeline) for edit in edits]
    match variant:
        case "freeze":
            timeline, edit = freeze(timeline, rng, mode)
            told.append(edit)
        case "cut_tail" | "skip_start":
            timeline, edit = shorten(timeline, rng, mode, tail=variant == "cut_tail")
            told.append(edit)
    return _recording(director, "trainee", number, variant, manner, timeline, told)


@dataclass(frozen=True, slots=True)
class Edit:
    """A deviation before the times are known; ``part`` is what it is about, ``swap`` the parts at both
    places, ``before`` what comes before a missing step.
    """

    told: Json
    part: Part | None = None
    swap: tuple[Part, ...] = ()
    before: tuple[Part, ...] = ()


def _edit(
    director: Director, parts: dict[int, Part], kinds: Sequence[str], mode: int
) -> tuple[list[int], list[Edit], tuple[int, Part] | None]:
    """Change ``parts``; the order, the edits, and an extra part with its position.

    Each edit takes steps that no other has taken. Swaps are made first, since they need two,
    and nothing extra is put where a step is missing: that would be a wrong step.
    """
    rng, steps = director.rng, director.task.steps
    order, free = list(parts), list(parts)
    edits: list[Edit] = []
    swaps: list[tuple[int, int]] = []
    missing: list[int] = []
    extra = None
    for kind in sorted(kinds, key=lambda one: (one != "order_swap", one == "extra_step")):
        match kind:
            case "order_swap":
                adjacent = mode % 2 == 0
                i, j = _pick(
                    rng,
                    [(a, b) for a in free for b in free if b > a if (b - a == 1) == adjacent],
                )
                order[i], order[j] = order[j], order[i]
                swaps.append((i, j))
                free = [step for step in free if step not in (i, j)]
            case "missing_step":
                gone = [_pick(rng, free)]
                if mode % 3 == 2 and len(kinds) == 1 and gone[0] + 1 in free:
                    gone.append(gone[0] + 1)
                for step in gone:
                    del parts[step]
                missing += gone
                free = [step for step in free if step not in gone]
            case "wrong_step":
                step = _pick(rng, free)
                parts[step], told = _wrong(director, step, mode)
                edits.append(
                    Edit(
                        {
                            "type": kind,
                            "gold_step": step,
                            "gold_label": steps[step],
                            **told,
                            "position": order.index(step),
                        },
                        part=parts[step],
                    )
                )
                free.remove(step)
            case "over_time":
                step = _pick(rng, free)
                repeat = mode % 2 == 0
                parts[step] = director.step(
                    step, whole=True, slow=1.0 if repeat else 0.5, times=2 if repeat else 1
                )
                edits.append(
                    Edit(
                        {
                            "type": kind,
                            "gold_step": step,
                            "label": steps[step],
                            "mode": "repeat" if repeat else "slow",
                            "factor": 2.0,
                            "position": order.index(step),
                        },
                        part=parts[step],
                    )
                )
                free.remove(step)
            case "extra_step":
                shown = [step for step in order if step in parts]
                gaps = [sum(order.index(one) < order.index(step) for one in shown) for step in missing]
                at = int(_pick(rng, [place for place in range(1, len(shown)) if place not in gaps]))
                part, told = _extra(director, shown, at, mode)
                extra = (at, part)
                edits.append(Edit({"type": kind, **told, "position": at}, part=part))
    edits += [
        Edit(
            {"type": "missing_step", "gold_step": step, "label": steps[step]},
            before=tuple(parts[one] for one in order[: order.index(step)] if one in parts),
        )
        for step in missing
    ]
    for i, j in swaps:
        edits.append(
            Edit(
                {
                    "type": "order_swap",
                    "gold_steps": [i, j],
                    "labels": [steps[i], steps[j]],
                    "adjacent": j - i == 1,
                    "positions": [i, j],
                },
                swap=(parts[order[i]], parts[order[j]]),
            )
        )
    return order, edits, extra


def _wrong(director: Director, step: int, mode: int) -> tuple[Part, Json]:
    gold = director.task.steps[step]
    mirrored = [gold.removesuffix(a) + b for a, b in MIRROR.items() if gold.endswith(a)]
    known = director.pool.labels(domain=director.task.domain)
    if mode % 3 == 0 and mirrored and mirrored[0] in known:
        label, performer = mirrored[0], director.performer_of(mirrored[0])
    else:
        label, performer = director.foreign_source(other_domain=mode % 3 == 2)
    part = director.foreign(label, performer)
    return part, {
        "label": label,
        "kind": "mirror_side" if label in mirrored else "other_action",
        "other_domain": label not in known,
        "performer": performer,
    }


def _extra(director: Director, order: Sequence[int], at: int, mode: int) -> tuple[Part, Json]:
    """Something of 2 to 4 s before position ``at`` of ``order``: foreign, or an own step out of its place."""
    near = order[max(at - 2, 0) : at + 2]
    apart = [step for step in order if step not in near]
    if mode % 2 == 0 and apart:
        label, performer, kind = (
            director.task.steps[_pick(director.rng, apart)],
            director.performer,
            "own_step",
        )
    else:
        label, performer = director.foreign_source(other_domain=mode % 4 == 3)
        kind = "other_domain" if mode % 4 == 3 else "foreign"
    part = director.foreign(label, performer, longest_s=float(director.rng.uniform(2.2, 4.0)) * director.pace)
    return part, {"label": label, "kind": kind, "after_gold_step": order[at - 1], "performer": performer}


def _located(edit: Edit, timeline: Timeline) -> Json:
    """The deviation with its times."""
    told = dict(edit.told)
    if edit.part is not None:
        told |= _times(_span_of(timeline, edit.part))
    if edit.swap:
        spans = [_span_of(timeline, part) for part in edit.swap]
        told["times"] = [list(_times(span).values()) for span in spans]
    if told["type"] == "missing_step":
        ends = [span.end for span in timeline.spans if any(span.part is part for part in edit.before)]
        told["expected_at_sec"] = max(ends, default=0) / FPS
    return told


def _span_of(timeline: Timeline, part: Part) -> Span:
    return next(span for span in timeline.spans if span.part is part)


def _times(span: Span) -> Json:
    return {"start_sec": span.begin / FPS, "end_sec": span.end / FPS}


def _other_task(director: Director, number: int, mode: int, manner: Manner) -> Recording:
    """The other domain's steps; or foreign actions, with a few own steps in a random order."""
    rng, task = director.rng, director.task
    count = len(task.steps)
    if mode % 2 == 0:
        domain = next(one.domain for one in director.pool.segments if one.domain != task.domain)
        who = _pick(
            rng,
            [
                name
                for name in director.pool.performers(domain)
                if len(director.pool.labels(performer=name)) >= 5
            ],
        )
        labels = director.pool.labels(performer=who)
        chosen = [labels[one] for one in rng.permutation(len(labels))[:count]]
        director = replace(director, performer=who)
        parts = [director.foreign(label, who) for label in chosen]
        kind = "other_domain"
    else:
        foreign = count // 2 + 1
        sources = [director.foreign_source(other_domain=more % 2 == 1) for more in range(foreign)]
        parts = [director.foreign(*source) for source in sources]
        parts += [director.step(int(step)) for step in rng.permutation(count)[: count - foreign]]
        parts = [parts[one] for one in rng.permutation(len(parts))]
        kind = "scrambled"
    timeline = assemble(parts, manner, rng)
    shown = {part.gold_step for part in parts}
    told = {
        "type": "other_task",
        "kind": kind,
        "missing_gold_steps": [step for step in range(count) if step not in shown],
    }
    return _recording(director, "trainee", number, "other_task", manner, timeline, [told])


def _empty_bench(director: Director, number: int, manner: Manner) -> Recording:
    """One moment going slowly back and forth, as long as the task takes."""
    rng = director.rng
    count = len(director.task.steps)
    moment = director.step(int(rng.integers(count))).cuts[0]
    timeline = Timeline()
    timeline.append(_pause(moment, round(rng.uniform(3.0, 5.0) * count * FPS), before=False), fade=0)
    told = {"type": "empty_bench", "missing_gold_steps": list(range(count))}
    return _recording(director, "trainee", number, "empty_bench", manner, timeline, [told])


# --- putting together -------------------------------------------------------------------------------------


def assemble(parts: Sequence[Part], manner: Manner, rng: Generator) -> Timeline:
    """The parts one after another, with pauses and fades as the manner says."""
    timeline = Timeline()
    rate = rng.uniform(0.3, 0.7) if manner.pauses else 0.0
    for number, part in enumerate(parts):
        if manner.pauses and rng.random() < (rate if number else rate / 2):
            frames = round(float(rng.uniform(*PAUSE_S)) * FPS)
            before = number == 0 or bool(rng.random() < 0.5)
            cut = part.cuts[0] if before else parts[number - 1].cuts[-1]
            pause = _pause(cut, frames, before=before)
            timeline.append(pause, fade=_fade(manner, rng) if before else 0)
            timeline.append(part, fade=0 if before else _fade(manner, rng))
        else:
            timeline.append(part, fade=_fade(manner, rng))
    if manner.pauses and rng.random() < rate / 2:
        timeline.append(
            _pause(parts[-1].cuts[-1], round(float(rng.uniform(*PAUSE_S)) * FPS), before=False), fade=0
        )
    return timeline


def _fade(manner: Manner, rng: Generator) -> int:
    return round(float(rng.uniform(*FADE_S)) * FPS) if manner.fades and rng.random() < 0.6 else 0


def _pause(cut: Cut, frames: int, *, before: bool) -> Part:
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


# --- labels -----------------------------------------------------------------------------------------------


def _recording(
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


# --- pictures ---------------------------------------------------------------------------------------------


def write_recording(root: Path, out: Path, recording: Recording) -> None:
    """Render and encode one recording."""
    cv2.setNumThreads(1)
    path = out / recording.label["file"]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_h264(path, _render(root, recording), fps=FPS, crf=CRF, preset="fast")


def _render(root: Path, recording: Recording) -> Iterator[Image]:
    wanted: dict[str, set[int]] = defaultdict(set)
    for shot in recording.shots:
        for file, number, _ in shot.taps:
            wanted[file].add(number)
    frames = {file: read_frames(root / file, numbers) for file, numbers in wanted.items()}
    moves = _camera(max(shot.moment for shot in recording.shots) + 1, recording.camera_seed)
    for shot in recording.shots:
        picture = _mixed([(frames[file][number], weight) for file, number, weight in shot.taps])
        yield picture if moves is None else _seen(picture, *moves[shot.moment])


def _mixed(pictures: Sequence[tuple[Image, float]]) -> Image:
    if len(pictures) == 1:
        return pictures[0][0]
    total = sum((picture.astype(np.float32) * weight for picture, weight in pictures), np.float32(0))
    return np.clip(np.round(total), 0, 255).astype(np.uint8)


def _camera(frames: int, seed: int | None) -> NDArray[np.float64] | None:
    """Shift in pixels (x, y) and gain of each frame: (frames, 3); None for a still camera."""
    if seed is None:
        return None
    rng = np.random.default_rng(seed)
    shake = gaussian_filter1d(rng.standard_normal((frames, 2)), sigma=8, axis=0, mode="reflect")
    shake *= SHAKE_PX / max(float(np.abs(shake).max()), 1e-6)
    start, end = rng.uniform(-DRIFT, DRIFT, 2)
    swing = (1 - np.cos(np.linspace(0, np.pi, frames))) / 2
    return np.column_stack([shake, 1 + start + (end - start) * swing])


def _seen(picture: Image, x: float, y: float, gain: float) -> Image:
    height, width = picture.shape[:2]
    shift = np.array([[1, 0, x], [0, 1, y]], np.float64)
    moved = cv2.warpAffine(
        picture, shift, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return cv2.convertScaleAbs(moved, alpha=gain).astype(np.uint8, copy=False)


def read_frames(path: Path, numbers: set[int]) -> dict[int, Image]:
    """Frames of a constant-rate video by number, RGB; a number beyond its end gives its last frame."""
    found: dict[int, Image] = {}
    last = max(numbers)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        assert stream.time_base is not None
        origin = stream.start_time or 0
        container.seek(origin + round(min(numbers) / FPS / stream.time_base), stream=stream)
        image: Image | None = None
        for frame in container.decode(stream):
            assert frame.pts is not None
            number = round(float((frame.pts - origin) * stream.time_base) * FPS)
            if number in numbers:
                found[number] = image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            if number >= last:
                break
    late = numbers - found.keys()
    if late and (image is None or min(late) < max(found)):
        raise ConfigError(f"{path}: expected the frames {sorted(late)[:5]}, found none; is it 25 fps?")
    assert image is not None
    return found | dict.fromkeys(late, image)


if __name__ == "__main__":
    main()
