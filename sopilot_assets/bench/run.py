"""Running recordings through the product, task by task: intake, embedding, reference, alignment, scoring.

This module knows nothing of labels; what it gets of a trainee is the file, who is seen and where.
"""

from __future__ import annotations

import csv
import io
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias

from sopilot_assets.bench.expected import Fault, comparable
from sopilot_assets.bench.recordings import BenchRecording, BenchTask, NotScored
from sopilot_assets.capture.drain import drain_capture
from sopilot_assets.capture.identity import copy_hashed
from sopilot_assets.capture.names import is_ignored
from sopilot_assets.capture.registry import Registry
from sopilot_assets.capture.scan import sidecar_of
from sopilot_assets.errors import ConfigError
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.scoring.result import Decision
from sopilot_assets.segments import Segment
from sopilot_assets.stations.alignments import align_videos
from sopilot_assets.stations.clip_embeddings import embed_videos
from sopilot_assets.stations.gold_references import refresh_references
from sopilot_assets.stations.scores import score_videos
from sopilot_assets.store.home import VIDEO_ID_DIGITS, Home, PartitionKey
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.store.publish import file_sha256, local_path, publish_path, publish_text
from sopilot_assets.tasks import NEW_TASKS_USE, Severity, TaskSpec
from sopilot_assets.texts.names import safe_name

RUN_ID: Final = "bench"

Ticks: TypeAlias = Callable[[int, int], None]
Stages: TypeAlias = Callable[[str], AbstractContextManager[Ticks]]
"""Opens a stage with its name; calling what it gives says how many of how many recordings are done."""


def silent(_: str) -> AbstractContextManager[Ticks]:
    """Stages that nobody watches."""
    return nullcontext(lambda _done, _total: None)


@dataclass(frozen=True, slots=True)
class Reported:
    """A reported or suspected deviation: what, and where in the recording."""

    fault: Fault
    segment: Segment
    critical: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What was said about one recording; ``score`` in [0, 100] and ``probability`` of something critical are
    None where nothing was said.
    """

    decision: str
    score: float | None
    probability: float | None
    reported: tuple[Reported, ...] = ()
    problem: str | None = None
    suspected: tuple[Reported, ...] = ()
    """What was not found and is not ruled out either."""

    @property
    def critical(self) -> bool:
        """Whether something critical was found."""
        return self.decision == Decision.FAIL or any(one.critical for one in self.reported)

    @property
    def held_back(self) -> bool:
        """Whether nothing critical was found, but something critical suspected, so that a person looks."""
        suspicious = any(one.critical for one in self.suspected)
        return self.decision == Decision.NEEDS_REVIEW and suspicious and not self.critical

    @property
    def decided(self) -> bool:
        """Whether the recording was decided without a person."""
        return self.decision in (Decision.PASS, Decision.RETRAIN, Decision.FAIL)

    @property
    def abstained(self) -> bool:
        """Whether nothing could be said."""
        return self.decision == Decision.NOT_VERIFIABLE

    @property
    def types(self) -> frozenset[str]:
        """The types of what was reported."""
        return frozenset(one.fault.type for one in self.reported)


@dataclass(frozen=True, slots=True)
class TaskRun:
    """The results of a task's trainees by file, the golds that made its reference, what got no score, and the
    wall time in seconds.
    """

    task: BenchTask
    golds: tuple[BenchRecording, ...]
    results: Mapping[str, Result]
    not_scored: tuple[NotScored, ...]
    seconds: float


def run_product(
    task: BenchTask, home: Home, *, processes: int, now: Callable[[], datetime], stages: Stages
) -> TaskRun:
    """Every recording of the task through intake and all stations, in a home that may have seen them before.

    Raises ``ConfigError`` when the home holds other golds of the task than these.
    """
    started_s = time.monotonic()
    _install(task, home)
    keys, refused = _take_in(task, home, now=now, stages=stages)
    if not any(gold.file in keys for gold in task.golds):
        refused += tuple(
            NotScored(task.task_id, one.file, "intake refused all golds of its task")
            for one in task.trainees
            if one.file in keys
        )
        keys = {}
    written_at = now().isoformat()
    _score(task, home, sorted(set(keys.values())), processes=processes, written_at=written_at, stages=stages)
    rows = {str(row["key"]): row for row in plain_rows(scores_ledger(home).latest())}
    return TaskRun(
        task=task,
        golds=tuple(gold for gold in task.golds if gold.file in keys),
        results={
            one.file: result_of_row(rows[str(keys[one.file])]) for one in task.trainees if one.file in keys
        },
        not_scored=refused,
        seconds=time.monotonic() - started_s,
    )


def result_of_row(row: Mapping[str, Cell]) -> Result:
    """What a row of the scores ledger says."""
    return Result(
        decision=str(row["decision"]),
        score=_number(row["score"]),
        probability=_number(row["critical_probability"]),
        reported=tuple(_reported(str(row["deviations"] or "[]"))),
        problem=None if row["problem"] is None else str(row["problem"]),
        suspected=tuple(_reported(str(row["suspected"] or "[]"))),
    )


def _reported(deviations_json: str) -> Iterator[Reported]:
    for one in json.loads(deviations_json):
        yield Reported(
            comparable(Fault(one["type"], tuple(one["steps"]))),
            Segment(one["trainee_start_s"], one["trainee_end_s"]),
            critical=one["severity"] == Severity.CRITICAL,
        )


def _number(value: Cell) -> float | None:
    return None if value is None or not math.isfinite(float(value)) else float(value)


def _install(task: BenchTask, home: Home) -> None:
    """The task file and the golds' steps; one that this command wrote before has to be the same."""
    if task.task_file is not None:
        text = task.task_file.read_text("utf-8")
    else:
        # the golds are taken at the labels' word: no quality gate
        spec = TaskSpec(
            task_id=task.task_id, name=_name(task), version=1, steps=task.steps, embedder=NEW_TASKS_USE
        )
        text = spec.model_dump_json(indent=1, exclude_none=True) + "\n"
    for path, content in (
        (home.tasks / f"{task.task_id}.yaml", text),
        (home.steps_csv(task.task_id), _steps_csv(task)),
    ):
        if path.exists() and path.read_text("utf-8") != content:
            raise ConfigError(
                f"{path}: expected what this labeled folder says, found something else. Choose an empty "
                "folder for --home."
            )
        if not path.exists():
            publish_text(path, content)


def _name(task: BenchTask) -> str:
    return " ".join(task.title.split())[:120].strip() or task.task_id


def _steps_csv(task: BenchTask) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("video", "step", "start_s", "end_s"))
    for gold in task.golds:
        video_id = file_sha256(gold.path)[:VIDEO_ID_DIGITS]  # file names may come twice, in two folders
        for one in task.gold_steps.get(gold.file, ()):
            table.writerow((video_id, task.step_ids[one.step], one.segment.start_s, one.segment.end_s))
    return text.getvalue()


def _take_in(
    task: BenchTask, home: Home, *, now: Callable[[], datetime], stages: Stages
) -> tuple[dict[str, PartitionKey], tuple[NotScored, ...]]:
    """The partition keys of what intake accepted, by file; and what it refused."""
    desk = _Desk(task, home)
    registry = Registry.read(home)
    for role, recordings in (("gold", task.golds), ("trainee", task.trainees)):
        for recording in recordings:
            desk.drop(recording, role, registry)
    _require_golds(task, home, desk)
    with stages(f"{task.title}: intake") as ticks:
        drained = drain_capture(
            home,
            run_id=f"{RUN_ID}-{task.task_id}",
            now=now,
            wait=time.sleep,
            settle_s=0.0,  # they were published whole
            on_progress=ticks,
        ).whole()
    refused = {
        one.relative: f"{one.reason}: {one.detail}".rstrip(": ") for one in drained.outcomes if one.reason
    }
    refused |= dict.fromkeys(drained.waiting, "intake could not settle it")
    refused |= {one.relative: one.why for one in drained.skipped}
    for file, relative in desk.dropped.items():
        if relative in refused:
            del desk.keys[file]
            desk.not_scored.append(NotScored(task.task_id, file, f"refused by intake: {refused[relative]}"))
    return desk.keys, tuple(desk.not_scored)


def _require_golds(task: BenchTask, home: Home, desk: _Desk) -> None:
    mine = {str(key) for key in desk.keys.values()}
    others = Registry.read(home).active(task.task_id)
    strange = sorted(key for key, one in others.items() if one.role == "gold" and key not in mine)
    if strange:
        raise ConfigError(
            f"{home.root}: expected no other golds of task {task.task_id} than the chosen ones, found "
            f"{', '.join(strange[:3])}. Choose an empty folder for --home."
        )


class _Desk:
    """Drops recordings into the capture folder; knows which partition each becomes."""

    def __init__(self, task: BenchTask, home: Home) -> None:
        self.task = task
        self.capture = local_path(home.capture)
        self.keys: dict[str, PartitionKey] = {}
        self.dropped: dict[str, str] = {}
        self.not_scored: list[NotScored] = []
        self._first: dict[str, str] = {}

    def drop(self, recording: BenchRecording, role: str, registry: Registry) -> None:
        """Copy a recording and who is seen in it; not the same bytes twice, nor what the home has already."""
        sha256 = file_sha256(recording.path)
        if sha256 in self._first:
            why = f"the same bytes as {self._first[sha256]}"
            self.not_scored.append(NotScored(self.task.task_id, recording.file, why))
            return
        self._first[sha256] = recording.file
        self.keys[recording.file] = PartitionKey(self.task.task_id, role, sha256[:VIDEO_ID_DIGITS])
        known = registry.of(self.task.task_id, sha256)
        if known is not None and known.role == role:
            return
        target = self._target(recording, role, sha256)
        self.dropped[recording.file] = target.relative_to(self.capture).as_posix()
        if recording.person is not None:
            publish_text(sidecar_of(target), json.dumps({"person": recording.person[:200]}))
        publish_path(target, lambda temporary: _copy(recording, temporary))

    def _target(self, recording: BenchRecording, role: str, sha256: str) -> Path:
        folder = self.capture / self.task.task_id / role / recording.site
        name = safe_name(PurePosixPath(recording.file).name)
        if is_ignored(name) or (folder / name).exists():
            name = f"{sha256[:VIDEO_ID_DIGITS]}{PurePosixPath(name).suffix}"
        return folder / name


def _copy(recording: BenchRecording, target: Path) -> None:
    copy_hashed(recording.path, target)


def _score(
    task: BenchTask,
    home: Home,
    keys: Sequence[PartitionKey],
    *,
    processes: int,
    written_at: str,
    stages: Stages,
) -> None:
    if not keys:
        return
    stamp = {"run_id": f"{RUN_ID}-{task.task_id}", "written_at": written_at}
    with stages(f"{task.title}: embedding") as ticks:
        embed_videos(home, keys, processes=processes, on_progress=ticks, **stamp)
    with stages(f"{task.title}: reference"):
        refresh_references(home, [task.task_id], **stamp)
    with stages(f"{task.title}: alignment") as ticks:
        align_videos(home, keys, on_progress=ticks)
    with stages(f"{task.title}: scores") as ticks:
        score_videos(
            home,
            keys,
            processes=processes,
            on_progress=ticks,
            run_id=stamp["run_id"],
            written_at=stamp["written_at"],
        )
