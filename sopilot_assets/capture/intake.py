"""Taking dropped files in: each becomes a registered video or lies in quarantine with a reason.

The order makes a crash harmless: a file is published first, then written to a ledger, and only then removed
from the capture folder. Whatever step a killed intake had reached, the next one finds the file still in the
capture folder and does the same again, with the same names and the same rows.

The same bytes twice in one task are one video, whatever they are called. In another task they are a video of
that task too, flagged ``same_bytes_as:<key>``. A trainee recording that is dropped again as a gold becomes a
gold, its trainee partition is retired; a gold is never scored as a trainee of its own task.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from sopilot_assets.capture.examine import Examination, examine, reason_of
from sopilot_assets.capture.identity import FileState, copy_hashed, file_state, stored_suffix
from sopilot_assets.capture.ledgers import (
    duplicate_row,
    duplicates_ledger,
    partition_key,
    quarantine_ledger,
    quarantine_row,
    retired_row,
    video_row,
    videos_ledger,
)
from sopilot_assets.capture.reasons import Reason
from sopilot_assets.capture.registry import Recording, Registry
from sopilot_assets.capture.scan import CapturePlace, DroppedFile
from sopilot_assets.capture.sidecar import Sidecar, read_sidecar
from sopilot_assets.disk import Room, any_room
from sopilot_assets.errors import ConfigError, StoreError, UnreadableVideo, WorkerLimit
from sopilot_assets.processes.limited import LimitedWorker
from sopilot_assets.store.home import VIDEO_ID_DIGITS, Home
from sopilot_assets.store.ledgers import Row
from sopilot_assets.store.publish import (
    TEMPORARY_PREFIX,
    local_path,
    publish_path,
    publish_text,
    scratch_folder,
)
from sopilot_assets.tasks.spec import TaskSpec
from sopilot_assets.texts.names import printable, safe_name

REASON_SUFFIX: Final = ".reason.json"


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """How much one call may use. ``total_s`` bounds the call: no file is begun that could pass it (but one
    always is).
    """

    file_s: float = 25.0
    total_s: float = 38.0
    memory_bytes: int = 3 << 30


class IntakeStatus(StrEnum):
    """What became of a file."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class IntakeOutcome:
    """What became of one file: its partition ``key`` when registered, the ``reason`` when refused, and a
    ``detail`` for a person.
    """

    relative: str
    status: IntakeStatus
    key: str | None = None
    reason: Reason | None = None
    detail: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IntakeReport:
    """What became of the files of one call; ``remaining`` wait for the next call, since the time was up or
    another intake runs.
    """

    outcomes: tuple[IntakeOutcome, ...]
    remaining: tuple[str, ...] = ()

    def with_status(self, status: IntakeStatus) -> tuple[IntakeOutcome, ...]:
        """The outcomes of one kind."""
        return tuple(outcome for outcome in self.outcomes if outcome.status is status)

    @property
    def new_keys(self) -> tuple[str, ...]:
        """The partition keys registered by this call, ascending."""
        return tuple(
            sorted(outcome.key for outcome in self.with_status(IntakeStatus.ACCEPTED) if outcome.key)
        )


def take_in(
    home: Home,
    candidates: Sequence[DroppedFile],
    *,
    tasks: Mapping[str, TaskSpec],
    run_id: str,
    clock: Callable[[], datetime],
    limits: IntakeLimits = IntakeLimits(),
    room: Room = any_room,
) -> IntakeReport:
    """What became of each candidate, which should have settled (see `scan.Stability`).

    Accepted files end in ``videos/``, refused ones in ``quarantine/`` with a ``.reason.json``; both leave the
    capture folder together with their sidecar. A file that is still changing, or cannot be read or stored
    now, stays where it is, as one does for which ``room`` says no. ``clock`` gives the time for the ledgers.
    """
    with _only_intake(home) as alone:
        if not alone:
            return IntakeReport((), tuple(candidate.relative for candidate in candidates))
        _sweep(home)
        return _take_in_alone(
            home, candidates, tasks=tasks, run_id=run_id, clock=clock, limits=limits, room=room
        )


def _take_in_alone(
    home: Home,
    candidates: Sequence[DroppedFile],
    *,
    tasks: Mapping[str, TaskSpec],
    run_id: str,
    clock: Callable[[], datetime],
    limits: IntakeLimits,
    room: Room,
) -> IntakeReport:
    started_s = time.monotonic()
    golds_first = sorted(
        candidates, key=lambda candidate: candidate.place is None or candidate.place.role != "gold"
    )
    settled: list[_Settled] = []
    with LimitedWorker(limits.memory_bytes) as worker, scratch_folder(home.videos) as scratch:
        desk = _Desk(home, tasks, Registry.read(home), worker, scratch, limits, room)
        for candidate in golds_first:
            if settled and time.monotonic() - started_s + limits.file_s > limits.total_s:
                break
            settled.append(desk.settle(candidate))
            desk.registry.add(settled[-1].videos)
    _write_ledgers(home, settled, run_id=run_id, written_at=clock().isoformat())
    for one in settled:
        if one.outcome.status is not IntakeStatus.LEFT:
            _remove(one.candidate)
    return IntakeReport(
        outcomes=tuple(one.outcome for one in settled),
        remaining=tuple(candidate.relative for candidate in golds_first[len(settled) :]),
    )


@dataclass(frozen=True, slots=True)
class _Settled:
    """A decided file, published but neither in a ledger nor removed yet."""

    candidate: DroppedFile
    outcome: IntakeOutcome
    videos: tuple[Row, ...] = ()
    quarantine: tuple[Row, ...] = ()
    duplicates: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class _Copy:
    """The private copy of a candidate that is examined and then published."""

    path: Path
    sha256: str


class _Refusal(Exception):
    """Ends the examination of one file: it goes to quarantine for this reason."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


@dataclass(slots=True)
class _Desk:
    """Decides and publishes one file after the other."""

    home: Home
    tasks: Mapping[str, TaskSpec]
    registry: Registry
    worker: LimitedWorker
    scratch: Path
    limits: IntakeLimits
    room: Room
    _count: int = field(default=0)

    def settle(self, candidate: DroppedFile) -> _Settled:
        """The file, decided and published; nothing has happened to it when the outcome is ``left``."""
        full = self.room(candidate.state.size_bytes)
        if full is not None:
            return _left(candidate, full)
        try:
            copy = self._copy(candidate)
            if copy is None:
                return _left(candidate, "it is still changing")
            return self._decide(candidate, copy)
        except (OSError, StoreError) as error:
            return _left(candidate, str(error))

    def _copy(self, candidate: DroppedFile) -> _Copy | None:
        """A private copy, ``None`` when the file is not the one that was scanned."""
        self._count += 1
        suffix = candidate.path.suffix if candidate.path.suffix[1:].isalnum() else ""
        target = self.scratch / f"{self._count}{suffix[:8]}"
        sha256, state = copy_hashed(candidate.path, target)
        if state != candidate.state or not _unchanged(candidate):
            target.unlink()
            return None
        return _Copy(target, sha256)

    def _decide(self, candidate: DroppedFile, copy: _Copy) -> _Settled:
        place = candidate.place
        if place is None:
            return self._refuse(candidate, copy, _Refusal(candidate.problem or Reason.WRONG_FOLDER))
        known = self.registry.of(place.task_id, copy.sha256)
        if known is not None and known.role == place.role:
            return self._again(candidate, copy, known)
        if known is not None and known.role == "gold":
            return self._refuse(
                candidate, copy, _Refusal(Reason.ALREADY_A_GOLD, f"it is registered as {known.key}")
            )
        try:
            return self._accept(candidate, place, copy, promoted=known)
        except _Refusal as refusal:
            return self._refuse(candidate, copy, refusal)

    def _again(self, candidate: DroppedFile, copy: _Copy, known: Recording) -> _Settled:
        """The same bytes again; the stored file is put back should it be gone."""
        stored = local_path(self.home.videos / known.stored_name)
        if stored.exists():
            copy.path.unlink()
        else:
            _publish_copy(copy, stored)
        repeated = candidate.relative != known.capture_path
        return _Settled(
            candidate,
            IntakeOutcome(
                candidate.relative,
                IntakeStatus.DUPLICATE,
                key=str(known.key),
                detail=f"the same bytes as {known.capture_path}",
            ),
            duplicates=(duplicate_row(candidate, known.row),) if repeated else (),
        )

    def _accept(
        self, candidate: DroppedFile, place: CapturePlace, copy: _Copy, *, promoted: Recording | None
    ) -> _Settled:
        sidecar = _sidecar(candidate)
        examination = self._examine(copy, place)
        stored_name = f"{copy.sha256}.{stored_suffix(candidate.path.name, examination.probe.container)}"
        others = self.registry.elsewhere(place.task_id, copy.sha256)
        stored_name = next(
            (one.stored_name for one in [*others, *([promoted] if promoted else [])]), stored_name
        )
        flags = (*examination.flags, *(f"same_bytes_as:{other.key}" for other in others))
        row = video_row(
            candidate,
            place,
            sha256=copy.sha256,
            stored_name=stored_name,
            sidecar=sidecar,
            examination=examination,
            flags=flags,
        )
        _publish_copy(copy, local_path(self.home.videos / stored_name))
        key = str(partition_key(place, copy.sha256))
        return _Settled(
            candidate,
            IntakeOutcome(
                candidate.relative, IntakeStatus.ACCEPTED, key=key, detail=examination.detail, flags=flags
            ),
            videos=(row, *([retired_row(promoted.row)] if promoted else [])),
        )

    def _examine(self, copy: _Copy, place: CapturePlace) -> Examination:
        """The examination of a usable file; raises `_Refusal` for any other."""
        gate = self.tasks[place.task_id].quality_gate
        try:
            found = self.worker.run(examine, (str(copy.path), gate), time_limit_s=self.limits.file_s)
        except (UnreadableVideo, WorkerLimit) as error:
            raise _Refusal(reason_of(error), str(error).replace(f"{copy.path}: ", "")) from error
        if found.problem is not None:
            raise _Refusal(found.problem, found.detail)
        if place.role == "gold" and found.shortfalls:
            raise _Refusal(found.shortfalls[0], found.detail)
        return found

    def _refuse(self, candidate: DroppedFile, copy: _Copy, refusal: _Refusal) -> _Settled:
        """The file moved to quarantine, with its sidecar and the reason beside it."""
        name = f"{copy.sha256[:VIDEO_ID_DIGITS]}-{safe_name(candidate.path.name)}"
        folder = local_path(self.home.quarantine)
        if candidate.sidecar is not None:
            publish_path(folder / f"{name}.json", _copier(candidate.sidecar))
        publish_text(folder / f"{name}{REASON_SUFFIX}", _reason_text(candidate, copy, refusal))
        _publish_copy(copy, folder / name)
        row = quarantine_row(
            candidate,
            sha256=copy.sha256,
            stored_name=name,
            reason=refusal.reason,
            detail=printable(refusal.detail),
        )
        return _Settled(
            candidate,
            IntakeOutcome(
                candidate.relative, IntakeStatus.QUARANTINED, reason=refusal.reason, detail=refusal.detail
            ),
            quarantine=(row,),
        )


def _sidecar(candidate: DroppedFile) -> Sidecar:
    if candidate.sidecar is None:
        return Sidecar()
    try:
        return read_sidecar(candidate.sidecar)
    except ConfigError as error:
        raise _Refusal(Reason.UNREADABLE_SIDECAR, str(error)) from error


def _reason_text(candidate: DroppedFile, copy: _Copy, refusal: _Refusal) -> str:
    text = refusal.reason.text
    content = {
        "reason": refusal.reason.value,
        "en": {"what": text.english, "do": text.do_english},
        "ja": {"what": text.japanese, "do": text.do_japanese},
        "detail": refusal.detail,
        "capture_path": candidate.relative,
        "original_name": printable(candidate.path.name),
        "size_bytes": candidate.state.size_bytes,
        "sha256": copy.sha256,
    }
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def _write_ledgers(home: Home, settled: Sequence[_Settled], *, run_id: str, written_at: str) -> None:
    """One append per ledger, the videos first."""
    for ledger, rows in (
        (videos_ledger(home), [row for one in settled for row in one.videos]),
        (quarantine_ledger(home), [row for one in settled for row in one.quarantine]),
        (duplicates_ledger(home), [row for one in settled for row in one.duplicates]),
    ):
        if rows:
            ledger.append(rows, run_id=run_id, written_at=written_at)


def _publish_copy(copy: _Copy, target: Path) -> None:
    def rename(temporary: Path) -> None:
        copy.path.replace(temporary)

    publish_path(target, rename)


def _copier(source: Path) -> Callable[[Path], None]:
    def copy(target: Path) -> None:
        shutil.copyfile(source, target, follow_symlinks=False)

    return copy


def _left(candidate: DroppedFile, why: str) -> _Settled:
    return _Settled(candidate, IntakeOutcome(candidate.relative, IntakeStatus.LEFT, detail=why))


def _unchanged(candidate: DroppedFile) -> bool:
    sidecar = candidate.sidecar
    return file_state(candidate.path) == candidate.state and (
        sidecar is None or file_state(sidecar) == candidate.sidecar_state
    )


def _remove(candidate: DroppedFile) -> None:
    """Remove a settled file and its sidecar, unless somebody replaced them meanwhile."""
    _unlink(candidate.path, candidate.state)
    if candidate.sidecar is not None and candidate.sidecar_state is not None:
        _unlink(candidate.sidecar, candidate.sidecar_state)


def _unlink(path: Path, state: FileState) -> None:
    if file_state(path) == state:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


@contextlib.contextmanager
def _only_intake(home: Home) -> Iterator[bool]:
    """Whether no other process takes in files of this home; the lock ends with the process that holds it."""
    folder = local_path(home.videos)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".intake.lock").open("wb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _sweep(home: Home) -> None:
    """Remove what a killed intake left unfinished; the lock says that nobody is at work."""
    tables = [ledger(home) for ledger in (videos_ledger, quarantine_ledger, duplicates_ledger)]
    for folder in (home.videos, home.quarantine, *(table.folder / table.name for table in tables)):
        for path in local_path(folder).glob(f"{TEMPORARY_PREFIX}*"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
