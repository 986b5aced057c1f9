"""The demonstration: simulated recordings with known deviations, dropped like real ones, and the findings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, TypeAlias

from sopilot_assets.bench.expected import (
    Fault,
    RecordingLabel,
    comparable,
    expectation,
    read_labels,
    reported,
)
from sopilot_assets.capture.add import AddReport, capture_add
from sopilot_assets.capture.simulate import TASK_ID, SimulatedSet, simulate
from sopilot_assets.errors import ConfigError
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.scoring.verifiability import verifiability
from sopilot_assets.stations.judging import Judge
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.store.publish import file_sha256, local_path, publish_bytes
from sopilot_assets.tasks import lock_task

PASS_SCORE: Final = 90.0
RETRAIN_SCORE: Final = 80.0

SHOWN: Final = (
    "correct",
    "missing_step:one",
    "order_swap:adjacent",
    "wrong_step",
    "over_time:slow",
    "freeze:stays",
    "cut_tail:whole",
    "skip_start:whole",
    "order_swap:distant",
    "over_time:repeat",
    "missing_step:two",
    "correct",
    "freeze:resumes",
    "other_task",
)
"""The variants of the demonstration's trainee recordings, in turn: every kind of deviation."""


@dataclass(frozen=True, slots=True)
class DemoSet:
    """What is simulated; the same show is simulated once and then used again.

    ``size`` is (width, height) in pixels, ``step_seconds`` the nominal length of a step.
    """

    seed: int = 7
    golds: int = 4
    trainees: int = len(SHOWN)
    size: tuple[int, int] = (480, 320)
    fps: int = 15
    step_seconds: float = 4.5

    @property
    def recordings(self) -> int:
        """How many recordings it has."""
        return self.golds + self.trainees

    def folder(self, home: Home) -> Path:
        """Where its recordings are kept, below the home."""
        text = json.dumps([asdict(self), SHOWN], sort_keys=True)
        return local_path(home.root) / "demo" / hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class DemoRecording:
    """One simulated recording and the partition it becomes."""

    key: PartitionKey
    label: RecordingLabel


Powers: TypeAlias = Mapping[Fault, float | None]


@dataclass(frozen=True, slots=True)
class Overlooked:
    """A deviation that was made and is neither found nor suspected. ``power`` is in what share of golds,
    edited that way on purpose, it is found; None where golds do not say.
    """

    fault: Fault
    power: float | None


@dataclass(frozen=True, slots=True)
class DemoVerdict:
    """One judged recording beside its label; ``score`` is None where nothing can be said. ``suspected`` is
    what else is at least one in ten likely, with how likely it is.
    """

    recording: DemoRecording
    person: str | None
    expected: str
    found: str
    suspected: str
    score: float | None
    decision: str
    matches: bool
    overlooked: tuple[Overlooked, ...]
    page: Path | None


def record_show(
    home: Home, show: DemoSet, *, on_progress: Callable[[int, int, str], None] | None
) -> SimulatedSet:
    """The simulated recordings of the show; those of an earlier call are used again."""
    folder = show.folder(home)
    known = _recorded(folder)
    if known is not None:
        return known
    return simulate(
        folder,
        seed=show.seed,
        golds=show.golds,
        trainees=show.trainees,
        variants=SHOWN,
        size=show.size,
        fps=show.fps,
        step_seconds=show.step_seconds,
        on_progress=on_progress,
    )


def install_task(home: Home, simulated: SimulatedSet, *, locked_at: datetime) -> Path:
    """The simulated task's file in the home, locked; refuses (``ConfigError``) to replace another one."""
    target = local_path(home.tasks) / f"{TASK_ID}.yaml"
    text = simulated.task_file.read_bytes()
    if target.exists() and target.read_bytes() != text:
        raise ConfigError(
            f"{target}: expected the demonstration's task, found another one of the same name. "
            "Run the demonstration in a home of its own: `sopilot demo run --home ./demo_home`."
        )
    if not target.exists():
        publish_bytes(target, text)
    lock_task(target, locked_at=locked_at, pass_score=PASS_SCORE, retrain_score=RETRAIN_SCORE)
    return target


def drop_recordings(
    home: Home, simulated: SimulatedSet, *, on_progress: Callable[[int, int], None] | None
) -> list[AddReport]:
    """The reports of copying every recording to its place in the capture folder, golds with steps.csv."""
    labels = read_labels(simulated.labels)
    reports = []
    for label in labels:
        added = capture_add(
            simulated.folder, home, task_id=label.task, role=label.role, site=label.site, pattern=label.name
        )
        reports.append(added)
        if on_progress:
            on_progress(len(reports), len(labels))
    return reports


def demo_recordings(simulated: SimulatedSet) -> list[DemoRecording]:
    """The recordings with the partition keys that intake gives them, in the order of the labels."""
    found = []
    for label in read_labels(simulated.labels):
        sha256 = file_sha256(simulated.folder / label.file)
        found.append(DemoRecording(PartitionKey(label.task, label.role, sha256[:12]), label))
    return found


def unscored(home: Home, recordings: Sequence[DemoRecording]) -> list[str]:
    """The keys of the recordings that have no row in the scores ledger."""
    scored = set(scores_ledger(home).latest()["key"])
    return [str(one.key) for one in recordings if str(one.key) not in scored]


def verdicts(home: Home, recordings: Sequence[DemoRecording]) -> list[DemoVerdict]:
    """Each scored trainee recording beside its label, in the order of the labels."""
    rows = {str(row["key"]): row for row in plain_rows(scores_ledger(home).latest())}
    powers = _powers(home)
    return [
        _verdict(home, one, rows[str(one.key)], powers)
        for one in recordings
        if one.label.role == "trainee" and str(one.key) in rows
    ]


def _powers(home: Home) -> Powers:
    """How often the golds of the demonstration's task find each type of deviation at each step."""
    judge = Judge(home)
    if judge.references.get(TASK_ID) is None:
        return {}
    rows = verifiability(
        judge.task(TASK_ID), judge.references.calibration(TASK_ID), judge.limits(TASK_ID).review
    )
    return {Fault(row.type, (row.step_id,)): row.power for row in rows}


def _verdict(home: Home, recording: DemoRecording, row: Mapping[str, Cell], powers: Powers) -> DemoVerdict:
    wanted = expectation(recording.label)
    found = reported(str(row["deviations"] or "[]"))
    suspected = str(row["suspected"] or "[]")
    page = local_path(home.review(recording.key))
    score = row["score"]
    return DemoVerdict(
        recording=recording,
        person=None if row["person"] is None else str(row["person"]),
        expected=recording.label.variant if wanted.unknown_work else _listed(wanted.needed),
        found=_listed(found) if row["problem"] is None else "could not be scored",
        suspected=_suspected(suspected),
        score=None if score is None else float(score),
        decision=str(row["decision"]),
        matches=wanted.is_met(found, str(row["decision"])),
        overlooked=tuple(
            Overlooked(fault, _power(fault, powers))
            for fault in sorted(wanted.needed - {comparable(one) for one in (*found, *reported(suspected))})
        ),
        page=page if page.exists() else None,
    )


def _power(fault: Fault, powers: Powers) -> float | None:
    """That of the step where it is found least."""
    by_step = [powers.get(Fault(fault.type, (step,))) for step in fault.steps]
    known = [power for power in by_step if power is not None]
    return min(known, default=None) if len(known) == len(by_step) else None


def _listed(faults: Sequence[object] | frozenset[object]) -> str:
    return ", ".join(sorted(map(str, faults)))


def _suspected(suspected_json: str) -> str:
    shares = (one["confidence"] for one in json.loads(suspected_json))
    told = zip(reported(suspected_json), shares, strict=True)
    return ", ".join(f"{fault} {share:.0%}" for fault, share in told)


def _recorded(folder: Path) -> SimulatedSet | None:
    """What an earlier call simulated there; the task file is written last."""
    task_file, labels = folder / "tasks" / f"{TASK_ID}.yaml", folder / "labels.jsonl"
    if not (task_file.exists() and labels.exists()):
        return None
    videos = {
        role: tuple(folder / one.file for one in read_labels(labels) if one.role == role)
        for role in ("gold", "trainee")
    }
    if not all(path.exists() for path in (*videos["gold"], *videos["trainee"])):
        return None
    return SimulatedSet(
        folder=folder,
        golds=videos["gold"],
        trainees=videos["trainee"],
        labels=labels,
        steps_csv=folder / "steps.csv",
        task_file=task_file,
    )
