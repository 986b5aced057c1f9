"""A whole simulated set: golds, trainee recordings, labels, steps and the task file."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from sopilot_assets.capture.simulate.camera import Camera
from sopilot_assets.capture.simulate.labels import label_fields
from sopilot_assets.capture.simulate.people import MOST, PEOPLE, Person, expanded, find_person
from sopilot_assets.capture.simulate.performance import NOMINAL_STEP_S, Performance, perform
from sopilot_assets.capture.simulate.plan import SOP, Plan, make_plan, split_variant
from sopilot_assets.capture.simulate.render import Renderer, Wardrobe, open_wardrobe
from sopilot_assets.capture.simulate.sites import BENCH, SITES, Site
from sopilot_assets.capture.simulate.sprites import Image
from sopilot_assets.capture.simulate.task_file import TASK_ID, task_yaml
from sopilot_assets.errors import ConfigError
from sopilot_assets.store.publish import publish_text
from sopilot_assets.video.write import write_h264

DEFAULT_TRAINEES: Final = (
    "correct",
    "missing_step:one",
    "order_swap:adjacent",
    "wrong_step",
    "over_time:slow",
    "freeze:stays",
    "correct",
    "cut_tail:whole",
    "skip_start:whole",
    "order_swap:distant",
    "over_time:repeat",
    "missing_step:two",
    "correct",
    "freeze:resumes",
    "cut_tail:partial",
    "missing_step:one",
    "skip_start:partial",
    "correct",
    "order_swap:adjacent",
    "wrong_step",
    "over_time:repeat",
    "double:missing_step+over_time",
    "double:order_swap+wrong_step",
    "correct",
    "other_task",
    "empty_bench",
)
"""The variants (``variant:mode``) of the trainee recordings, in turn; after the last it begins again."""

_FIRST_DAY: Final = datetime(2025, 3, 3, 8, 0, tzinfo=UTC)
_BETWEEN: Final = timedelta(minutes=37)
_GOLD_SHARE: Final = 0.4
_FEWEST_GOLD_PEOPLE: Final = 2
_SMALLEST: Final = 64


@dataclass(frozen=True)
class SimulatedRecording:
    """One recording to be made: the file's stem, who is seen where, and ``variant[:mode]``."""

    name: str
    role: str
    number: int
    person: Person
    site: Site
    variant: str

    @property
    def session(self) -> str:
        """The recording session: one person's work at one site."""
        return f"{self.site.name}-{self.person.name}"

    @property
    def recorded_at(self) -> str:
        """The time in the sidecar, made up from the recording's number."""
        day = _FIRST_DAY if self.role == "gold" else _FIRST_DAY + timedelta(days=7)
        return (day + self.number * _BETWEEN).isoformat()


@dataclass(frozen=True)
class SimulatedSet:
    """What was written: the folder and the video files in it, golds and trainees."""

    folder: Path
    golds: tuple[Path, ...]
    trainees: tuple[Path, ...]
    labels: Path
    steps_csv: Path
    task_file: Path


@dataclass(frozen=True)
class Format:
    """Size (width, height) in pixels, whole frames a second, and the nominal length of a step in seconds."""

    size: tuple[int, int]
    fps: int
    step_seconds: float
    pauses: bool

    @property
    def scale(self) -> float:
        """Pixels per bench unit."""
        return max(self.size[0] / BENCH[0], self.size[1] / (BENCH[1] - 20))


Progress = Callable[[int, int, str], None]
"""Called before each video with (videos done, videos in all, name of the next)."""


def simulate(
    out: Path,
    *,
    seed: int,
    golds: int = 4,
    trainees: int = 18,
    variants: Sequence[str] | None = None,
    sites: Sequence[str] = ("site_a", "site_b"),
    gold_sites: Sequence[str] | None = None,
    persons: Sequence[str] | None = None,
    size: tuple[int, int] = (480, 320),
    fps: int = 25,
    step_seconds: float = NOMINAL_STEP_S,
    pauses: bool = False,
    on_progress: Progress | None = None,
) -> SimulatedSet:
    """The set written to ``out``: labels.jsonl, tasks.json, steps.csv, tasks/ and videos/ with sidecars.

    ``variants`` (``variant`` or ``variant:mode``, see ``plan.MODES``) are given to the trainees in turn,
    ``DEFAULT_TRAINEES`` unless told. The first two fifths of ``persons`` (at least two; ranges as in
    ``p01-p40`` are understood) are seen in the golds, at ``gold_sites`` (by default the first site); the
    others are the trainees, every third of them at the second site. Every video depends on the seed, its own
    name and these options, never on how many others there are, and the same call writes the same bytes again.

    Raises ``ConfigError`` for an unknown variant, site or person, or sizes that cannot be drawn.
    """
    form = Format(size=size, fps=fps, step_seconds=step_seconds, pauses=pauses)
    _check(form, golds=golds, trainees=trainees)
    people = _people(persons)
    places = _sites(sites)
    gold_places = _sites(gold_sites or sites[:1])
    recordings = [
        *_golds(golds, people, gold_places),
        *_trainees(trainees, people, places, tuple(variants or DEFAULT_TRAINEES)),
    ]
    studio = _Studio(form, seed)
    lines = []
    for done, recording in enumerate(recordings):
        if on_progress:
            on_progress(done, len(recordings), recording.name)
        lines.append(_record(out, recording, studio, gold_sites=[site.name for site in gold_places]))
    return _describe(out, recordings, lines)


class _Studio:
    """Makes plans, performances and pictures; keeps what recordings share."""

    def __init__(self, form: Format, seed: int) -> None:
        self.form, self.seed = form, seed
        self._wardrobes: dict[tuple[str, str], Wardrobe] = {}

    def plan(self, recording: SimulatedRecording) -> Plan:
        form = self.form
        return make_plan(
            recording.variant,
            person=recording.person,
            fps=form.fps,
            step_seconds=form.step_seconds,
            pauses=form.pauses,
            rng=self._chance(recording, 1),
        )

    def frames(self, recording: SimulatedRecording, plan: Plan) -> Iterator[Image]:
        form = self.form
        camera = Camera(
            recording.site, scale=form.scale, size=form.size, fps=form.fps, rng=self._chance(recording, 2)
        )
        chance = self._chance(recording, 3)
        show = perform(
            plan, person=recording.person, fps=form.fps, step_seconds=form.step_seconds, rng=chance
        )
        renderer = Renderer(
            self._wardrobe(recording), layout=show.layout, person=recording.person, camera=camera
        )
        return _shot(plan, show, renderer)

    def _chance(self, recording: SimulatedRecording, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, purpose, *recording.name.encode()])

    def _wardrobe(self, recording: SimulatedRecording) -> Wardrobe:
        key = (recording.site.name, recording.person.name)
        if key not in self._wardrobes:
            self._wardrobes[key] = open_wardrobe(recording.site, recording.person, scale=self.form.scale)
        return self._wardrobes[key]


def _shot(plan: Plan, show: Performance, renderer: Renderer) -> Iterator[Image]:
    """The file's frames; a feed that stands still repeats the picture before it, noise included."""
    frozen = plan.frozen or (0, 0)
    picture: Image | None = None
    for frame in range(*plan.window):
        if picture is None or not frozen[0] <= frame < frozen[1]:
            picture = renderer.picture(show.moment(frame), number=frame)
        yield picture


def _record(out: Path, recording: SimulatedRecording, studio: _Studio, *, gold_sites: Sequence[str]) -> str:
    """Write one video and its sidecar; returns its line of the labels."""
    plan = studio.plan(recording)
    file = Path("videos") / TASK_ID / f"{recording.name}.mp4"
    write_h264(out / file, studio.frames(recording, plan), fps=studio.form.fps)
    sidecar = {
        "person": recording.person.name,
        "session": recording.session,
        "recorded_at": recording.recorded_at,
    }
    publish_text(out / f"{file}.json", json.dumps(sidecar, indent=1) + "\n")
    label = _label(recording, plan, studio, file=file, gold_sites=gold_sites)
    return json.dumps(label, ensure_ascii=False)


def _label(
    recording: SimulatedRecording, plan: Plan, studio: _Studio, *, file: Path, gold_sites: Sequence[str]
) -> dict[str, object]:
    form, person = studio.form, recording.person
    spans = label_fields(plan, fps=form.fps, source=f"simulated/{person.name}", tempo=person.tempo)
    duration_sec = spans.pop("duration_sec")
    return {
        "file": file.as_posix(),
        "split": "simulated",
        "task": TASK_ID,
        "domain": "sim",
        "role": recording.role,
        "variant": plan.variant,
        "subject_ids": [person.name],
        "site": recording.site.name,
        "gold_sites": list(gold_sites),
        "duration_sec": duration_sec,
        "fps": form.fps,
        "size": list(form.size),
        "sop_steps": list(SOP),
        **spans,
        "mode": plan.mode,
        "person": person.name,
        "camera": recording.site.camera,
        "session": recording.session,
        "recorded_at": recording.recorded_at,
        "seed": studio.seed,
    }


def _describe(out: Path, recordings: Sequence[SimulatedRecording], lines: Sequence[str]) -> SimulatedSet:
    """Write everything but the videos."""
    videos = {role: _videos(out, recordings, role) for role in ("gold", "trainee")}
    golds = [path.relative_to(out).as_posix() for path in videos["gold"]]
    tasks = [{"task": TASK_ID, "domain": "sim", "steps": list(SOP), "gold_files": golds}]
    written = SimulatedSet(
        folder=out,
        golds=videos["gold"],
        trainees=videos["trainee"],
        labels=out / "labels.jsonl",
        steps_csv=out / "steps.csv",
        task_file=out / "tasks" / f"{TASK_ID}.yaml",
    )
    publish_text(written.labels, "".join(f"{line}\n" for line in lines))
    publish_text(out / "tasks.json", json.dumps(tasks, indent=1) + "\n")
    publish_text(written.steps_csv, _steps_csv(lines))
    publish_text(written.task_file, task_yaml())
    return written


def _videos(out: Path, recordings: Sequence[SimulatedRecording], role: str) -> tuple[Path, ...]:
    return tuple(out / "videos" / TASK_ID / f"{r.name}.mp4" for r in recordings if r.role == role)


def _steps_csv(lines: Sequence[str]) -> str:
    """The steps of the golds: video,step,start_s,end_s."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("video", "step", "start_s", "end_s"))
    for label in map(json.loads, lines):
        if label["role"] == "gold":
            name = Path(label["file"]).name
            rows.writerows(
                (name, step["label"], f"{step['start_sec']:.3f}", f"{step['end_sec']:.3f}")
                for step in label["steps"]
                if step["gold_step"] is not None
            )
    return text.getvalue()


def _golds(count: int, people: Sequence[Person], sites: Sequence[Site]) -> list[SimulatedRecording]:
    shown = people[: _gold_people(people)]
    return [
        SimulatedRecording(
            f"gold_{n + 1:03}",
            "gold",
            n,
            shown[n % len(shown)],
            sites[n // len(shown) % len(sites)],
            "correct",
        )
        for n in range(count)
    ]


def _trainees(
    count: int, people: Sequence[Person], sites: Sequence[Site], variants: Sequence[str]
) -> list[SimulatedRecording]:
    for variant in variants:
        split_variant(variant)
    shown = people[_gold_people(people) :]
    recordings = []
    for n in range(count):
        which = (n + n // len(shown)) % len(shown)  # nobody gets the same variants in every round
        site = sites[-1] if which % 3 == 2 else sites[0]  # people work at one place
        name = f"trainee_{n + 1:03}"
        recordings.append(
            SimulatedRecording(name, "trainee", n, shown[which], site, variants[n % len(variants)])
        )
    return recordings


def _gold_people(people: Sequence[Person]) -> int:
    return max(round(len(people) * _GOLD_SHARE), _FEWEST_GOLD_PEOPLE)


def _people(names: Sequence[str] | None) -> list[Person]:
    chosen = list(expanded(names or PEOPLE))
    people = {name: person for name in chosen if (person := find_person(name)) is not None}
    if len(people) < len(chosen) or len(people) <= _FEWEST_GOLD_PEOPLE:
        raise ConfigError(
            f"persons {', '.join(chosen)}: expected at least {_FEWEST_GOLD_PEOPLE + 1} different ones of "
            f"p01 to p{MOST}; two or more are seen in the golds, the others are the trainees."
        )
    return list(people.values())


def _sites(names: Sequence[str]) -> list[Site]:
    unknown = [name for name in names if name not in SITES]
    if unknown or not names:
        raise ConfigError(f"sites {', '.join(names) or '(none)'}: expected some of {', '.join(SITES)}.")
    return [SITES[name] for name in names]


def _check(form: Format, *, golds: int, trainees: int) -> None:
    if min(golds, trainees) < 0 or golds + trainees == 0:
        raise ConfigError(f"golds {golds}, trainees {trainees}: expected at least one video in all.")
    if min(form.size) < _SMALLEST or form.size[0] % 2 or form.size[1] % 2:
        raise ConfigError(f"size {form.size}: expected even sides of at least {_SMALLEST} pixels.")
    if form.fps < 1 or not 0 < form.step_seconds < math.inf:
        raise ConfigError(
            f"fps {form.fps}, step_seconds {form.step_seconds:g}: expected both above 0, and finite."
        )
