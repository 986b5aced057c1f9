"""Taking dropped files in: each becomes a registered video or lies in quarantine with a reason.

The order makes a crash harmless: a file is copied and published first, then written to a ledger, and only
then removed from the capture folder: at once where its container says that it is whole, else later
(`clearing`), since whoever copies it may only pause. When it goes on, the whole file is taken in, and a
recording that was made of its beginning is replaced, also where it is called otherwise by then. Whatever
step a killed intake had reached, the next one finds the file still in the capture folder and does the same
again, with the same names and the same rows.

The same bytes twice in one task are one video, whatever they are called. In another task they are a video of
that task too, flagged ``same_bytes_as:<key>``. A trainee recording that is dropped again as a gold becomes a
gold, its trainee partition is retired; a gold is never scored as a trainee of its own task.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from sopilot_assets.capture.clearing import remove_dropped, taken_note
from sopilot_assets.capture.erasures import Erasure, erased_hashes, erasures, removed_videos
from sopilot_assets.capture.examine import Examination, examine, reason_of
from sopilot_assets.capture.facts import corrected, facts_of
from sopilot_assets.capture.identity import copy_hashed, file_state, stored_suffix
from sopilot_assets.capture.ledgers import (
    DAMAGED,
    REPLACED,
    changed_row,
    duplicate_row,
    duplicates_ledger,
    partition_key,
    quarantine_ledger,
    quarantine_row,
    retired_row,
    video_row,
    videos_ledger,
)
from sopilot_assets.capture.lock import only_intake
from sopilot_assets.capture.open_files import open_for_writing
from sopilot_assets.capture.quarantine import DroppedCopy, Refusal, put_in_quarantine
from sopilot_assets.capture.reasons import Reason
from sopilot_assets.capture.registry import Recording, Registry
from sopilot_assets.capture.scan import CapturePlace, DroppedFile
from sopilot_assets.capture.sidecar import Sidecar, read_sidecar
from sopilot_assets.capture.taken import TakenFile, read_taken, write_taken
from sopilot_assets.capture.whole import is_continued_by
from sopilot_assets.disk import Room, any_room
from sopilot_assets.errors import ConfigError, SopilotError, UnreadableVideo, WorkerLimit
from sopilot_assets.processes.limited import LimitedWorker
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Row
from sopilot_assets.store.publish import (
    local_path,
    remove_unfinished,
    scratch_folder,
)
from sopilot_assets.tasks.spec import TaskSpec
from sopilot_assets.texts.names import printable

UNFINISHED_S: Final = 120.0
"""How long a file that looks unfinished has to be unchanged before it is judged as it is."""


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """How much one call may use. ``total_s`` bounds the call: no file is begun that could pass it (but one
    always is). ``unfinished_s`` is how long a file whose end is missing waits for it.
    """

    file_s: float = 25.0
    total_s: float = 38.0
    memory_bytes: int = 3 << 30
    unfinished_s: float = 0.0


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
    capture folder together with their sidecar, or are noted as taken (see `clearing`). A file that is still
    changing, is open, or cannot be read or stored now, stays where it is, as one does for which ``room`` says
    no. ``clock`` gives the time for the ledgers.
    """
    with only_intake(home) as alone:
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
    now = clock()
    taken = read_taken(home)
    opened = open_for_writing(candidate.path for candidate in candidates)
    with LimitedWorker(limits.memory_bytes) as worker, scratch_folder(home.videos) as scratch:
        registry, erased = Registry.read(home), erasures(home)
        intake = _Intake(home, tasks, registry, worker, scratch, limits, room, now, opened, taken, erased)
        for candidate in golds_first:
            if settled and time.monotonic() - started_s + limits.file_s > limits.total_s:
                break
            settled.append(intake.settle(candidate))
            intake.registry.add(settled[-1].videos)
    _write_ledgers(home, settled, run_id=run_id, written_at=now.isoformat())
    for one in settled:
        if one.outcome.status is not IntakeStatus.LEFT:
            taken.pop(one.candidate.identity, None)
            problem = remove_dropped(one.candidate) if one.whole else None
            if problem or not one.whole:
                taken[one.candidate.identity] = taken_note(
                    one.candidate, at_s=now.timestamp(), key=one.outcome.key, problem=problem
                )
    write_taken(home, taken)
    return IntakeReport(
        outcomes=tuple(one.outcome for one in settled),
        remaining=tuple(candidate.relative for candidate in golds_first[len(settled) :]),
    )


@dataclass(frozen=True, slots=True)
class _Settled:
    """A decided file, published but neither in a ledger nor removed yet; ``whole`` where no more of it is to
    come.
    """

    candidate: DroppedFile
    outcome: IntakeOutcome
    whole: bool = True
    videos: tuple[Row, ...] = ()
    quarantine: tuple[Row, ...] = ()
    duplicates: tuple[Row, ...] = ()


class _Unfinished(Exception):
    """Ends the examination of one file: its end seems to be missing, and may come."""


@dataclass(slots=True)
class _Intake:
    """Decides and publishes one file after the other."""

    home: Home
    tasks: Mapping[str, TaskSpec]
    registry: Registry
    worker: LimitedWorker
    scratch: Path
    limits: IntakeLimits
    room: Room
    now: datetime
    opened: Mapping[Path, str]
    taken: Mapping[str, TakenFile]
    erased: Mapping[str, Erasure]
    _count: int = field(default=0)

    def settle(self, candidate: DroppedFile) -> _Settled:
        """The file, decided and published; nothing has happened to it when the outcome is ``left``."""
        why = self._why_not_now(candidate)
        if why is not None:
            return _left(candidate, why)
        try:
            copy = self._copy(candidate)
            if copy is None:
                return _left(candidate, "it is still changing")
            return self._decide(candidate, copy)
        except _Unfinished:
            wait = f"it is judged once nothing has changed it for {self.limits.unfinished_s:g} s"
            return _left(candidate, f"its end is missing, it may still be being written; {wait}")
        except (OSError, SopilotError) as error:
            return _left(candidate, printable(str(error)))

    def _why_not_now(self, candidate: DroppedFile) -> str | None:
        """Why a file has to wait before anybody looks into it."""
        if candidate.path in self.opened:
            return f"still being written: {self.opened[candidate.path]} has it open"
        if candidate.state.size_bytes == 0 and self._is_young(candidate, UNFINISHED_S):
            return "it is empty; somebody may be about to write it"
        full = self.room(candidate.state.size_bytes)
        return None if full is None else full.en

    def _is_young(self, candidate: DroppedFile, limit_s: float) -> bool:
        # the clock of the machine that writes it may be ahead of this one's
        return abs(self.now.timestamp() - candidate.state.mtime_ns / 1e9) < limit_s

    def _require_finished(self, candidate: DroppedFile, copy: DroppedCopy) -> None:
        if not copy.closed and self._is_young(candidate, self.limits.unfinished_s):
            raise _Unfinished

    def _copy(self, candidate: DroppedFile) -> DroppedCopy | None:
        """A private copy, ``None`` when the file is not the one that was scanned."""
        self._count += 1
        suffix = candidate.path.suffix if candidate.path.suffix[1:].isalnum() else ""
        target = self.scratch / f"{self._count}{suffix[:8]}"
        sha256, state = copy_hashed(candidate.path, target)
        if state != candidate.state or not _unchanged(candidate):
            target.unlink()
            return None
        return DroppedCopy.of(target, sha256)

    def _decide(self, candidate: DroppedFile, copy: DroppedCopy) -> _Settled:
        place = candidate.place
        if copy.sha256 in erased_hashes(self.erased):
            return self._refuse_erased(candidate, copy)
        if place is None:
            return self._refuse(candidate, copy, Refusal(candidate.problem or Reason.WRONG_FOLDER))
        known = self.registry.of(place.task_id, copy.sha256)
        known = known or self.registry.withdrawn(place.task_id, place.role, copy.sha256)
        again = known is not None and place.role in (known.role, known.key.role)
        if known is not None and known.role == "gold" and not again:
            return self._refuse(
                candidate, copy, Refusal(Reason.ALREADY_A_GOLD, f"it is registered as {known.key}")
            )
        try:
            if known is not None and again:
                return self._again(candidate, copy, known)
            return self._accept(candidate, place, copy, promoted=known)
        except Refusal as refusal:
            if copy.may_grow(refusal.reason):
                self._require_finished(candidate, copy)
            return self._refuse(candidate, copy, refusal)

    def _again(self, candidate: DroppedFile, copy: DroppedCopy, known: Recording) -> _Settled:
        """The same bytes again; the stored file is put back should it be gone, and what a sidecar says now
        corrects what is known.
        """
        facts = facts_of(_sidecar(candidate))
        at = self.now.isoformat()
        row = corrected(known, facts, who="sidecar", at=at, why=f"sidecar of {candidate.relative}")
        stored = local_path(self.home.videos / known.stored_name)
        if stored.exists() or str(known.key) in removed_videos(self.erased):
            copy.path.unlink()
        else:
            copy.publish(stored)
        repeated = candidate.relative != known.capture_path
        told = f"the same bytes as {known.capture_path}"
        if known.withdrawn:
            told += f", {known.retired}; `sopilot recording withdraw --undo {known.key}` brings it back"
        elif row is not None:
            told += "; corrected: " + ", ".join(f"{name} {value}" for name, value in facts.items())
        return _Settled(
            candidate,
            IntakeOutcome(
                candidate.relative,
                IntakeStatus.DUPLICATE,
                key=str(known.key),
                detail=told,
            ),
            whole=copy.closed,
            videos=(row,) if row is not None else (),
            duplicates=(duplicate_row(candidate, known.row),) if repeated else (),
        )

    def _accept(
        self, candidate: DroppedFile, place: CapturePlace, copy: DroppedCopy, *, promoted: Recording | None
    ) -> _Settled:
        sidecar = _sidecar(candidate)
        examination = self._examine(copy, place)
        if damaged := DAMAGED in examination.flags:
            self._require_finished(candidate, copy)
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
        key = str(partition_key(place, copy.sha256))
        beginning = self._beginning(candidate, copy)
        copy.publish(local_path(self.home.videos / stored_name))
        replaced = [
            changed_row(one.row, {"status": REPLACED}, who="intake", at=self.now.isoformat(), why=key)
            for one in beginning
        ]
        return _Settled(
            candidate,
            IntakeOutcome(
                candidate.relative,
                IntakeStatus.ACCEPTED,
                key=key,
                detail="; ".join(
                    [
                        *filter(None, [examination.detail]),
                        *(f"the whole of {one.key}, which it replaces" for one in beginning),
                    ]
                ),
                flags=flags,
            ),
            whole=copy.closed and not damaged,
            videos=(row, *([retired_row(promoted.row)] if promoted else []), *replaced),
        )

    def _beginning(self, candidate: DroppedFile, copy: DroppedCopy) -> list[Recording]:
        """The recordings that were made of this file before it was whole: when it was called as it is now, or
        as a file of its folder that is gone since.
        """
        folder = candidate.relative.rpartition("/")[0]
        keys = {
            PartitionKey.parse(note.key)
            for name, note in self.taken.items()
            if note.key and (name == candidate.identity or (note.gone and note.folder == folder))
        }
        earlier = [one for key in sorted(keys) if (one := self.registry.recordings.get(key)) is not None]
        return [one for one in earlier if one.retired is None and self._goes_on(one, copy)]

    def _goes_on(self, earlier: Recording, copy: DroppedCopy) -> bool:
        path = self.registry.path(earlier.key)
        return path.exists() and is_continued_by(path, copy.path)

    def _examine(self, copy: DroppedCopy, place: CapturePlace) -> Examination:
        """The examination of a usable file; raises `Refusal` for any other."""
        gate = self.tasks[place.task_id].quality_gate
        try:
            found = self.worker.run(examine, (str(copy.path), gate), time_limit_s=self.limits.file_s)
        except (UnreadableVideo, WorkerLimit) as error:
            raise Refusal(reason_of(error), str(error).replace(f"{copy.path}: ", "")) from error
        if found.problem is not None:
            raise Refusal(found.problem, found.detail)
        if place.role == "gold" and found.shortfalls:
            raise Refusal(found.shortfalls[0], found.detail)
        return found

    def _refuse_erased(self, candidate: DroppedFile, copy: DroppedCopy) -> _Settled:
        """The file of an erased recording: what is left of it is a row that says why."""
        copy.path.unlink()
        # its name is part of what was erased
        row = quarantine_row(candidate, sha256=copy.sha256, stored_name="", reason=Reason.ERASED, detail="")
        row = {
            **row,
            "capture_path": candidate.relative.rpartition("/")[0],
            "original_name": "",
            "quarantine_id": copy.sha256,
        }
        return _Settled(
            candidate,
            IntakeOutcome(candidate.relative, IntakeStatus.QUARANTINED, reason=Reason.ERASED),
            quarantine=(row,),
        )

    def _refuse(self, candidate: DroppedFile, copy: DroppedCopy, refusal: Refusal) -> _Settled:
        """The file moved to quarantine."""
        return _Settled(
            candidate,
            IntakeOutcome(
                candidate.relative, IntakeStatus.QUARANTINED, reason=refusal.reason, detail=refusal.detail
            ),
            whole=not copy.may_grow(refusal.reason),
            quarantine=(put_in_quarantine(self.home, candidate, copy, refusal),),
        )


def _sidecar(candidate: DroppedFile) -> Sidecar:
    if candidate.sidecar is None:
        return Sidecar()
    try:
        return read_sidecar(candidate.sidecar)
    except ConfigError as error:
        raise Refusal(Reason.UNREADABLE_SIDECAR, str(error)) from error


def _write_ledgers(home: Home, settled: Sequence[_Settled], *, run_id: str, written_at: str) -> None:
    """One append per ledger, the videos first."""
    for ledger, rows in (
        (videos_ledger(home), [row for one in settled for row in one.videos]),
        (quarantine_ledger(home), [row for one in settled for row in one.quarantine]),
        (duplicates_ledger(home), [row for one in settled for row in one.duplicates]),
    ):
        if rows:
            ledger.append(rows, run_id=run_id, written_at=written_at)


def _left(candidate: DroppedFile, why: str) -> _Settled:
    return _Settled(candidate, IntakeOutcome(candidate.relative, IntakeStatus.LEFT, detail=why))


def _unchanged(candidate: DroppedFile) -> bool:
    sidecar = candidate.sidecar
    return file_state(candidate.path) == candidate.state and (
        sidecar is None or file_state(sidecar) == candidate.sidecar_state
    )


def _sweep(home: Home) -> None:
    """Remove what a killed intake left unfinished of recordings; the lock says that nobody is at work. What
    lies beside ledgers may be of somebody who merges them.
    """
    for folder in (home.videos, home.quarantine):
        remove_unfinished(folder)
