"""The recordings that intake registered, and how one of them is found by its name."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pandas as pd

from sopilot_assets.capture.ledgers import (
    ACTIVE,
    DAMAGED,
    ERASED,
    REPLACED,
    VIDEO_COLUMNS,
    WITHDRAWN,
    videos_ledger,
)
from sopilot_assets.capture.promotions import Promotion, promoted_golds, promotions_ledger
from sopilot_assets.errors import ConfigError, LedgerError
from sopilot_assets.store.home import ROLES, VIDEO_ID_DIGITS, Home, PartitionKey
from sopilot_assets.store.ledgers import Cell, Row, plain_rows
from sopilot_assets.store.publish import local_path
from sopilot_assets.texts.names import composed

_GOLD_KEYS: Final = "contains(key, '-g-')"
"""The condition on ``key`` by which queries find what was taken in as golds."""
_KEYS: Final = "select key, task_id from latest"


@dataclass(frozen=True, slots=True)
class Recording:
    """One registered recording: who and where, and the name that its file is stored by; ``row`` is its row in
    the videos ledger, ``promotion`` says that people made a gold of it.
    """

    key: PartitionKey
    sha256: str
    person: str | None
    site: str
    camera: str | None
    session: str | None
    original_name: str
    capture_path: str
    stored_name: str
    duration_s: float
    row: Row
    promotion: Promotion | None = None

    @classmethod
    def of(cls, row: Row, promotion: Promotion | None = None) -> Recording:
        """The recording that a row of the videos ledger is about."""
        return cls(
            key=PartitionKey(str(row["task_id"]), str(row["role"]), str(row["video_id"])),
            sha256=str(row["sha256"]),
            person=_optional(row["person"]),
            site=str(row["site"]),
            camera=_optional(row["camera"]),
            session=_optional(row["session"]),
            original_name=str(row["original_name"]),
            capture_path=str(row["capture_path"]),
            stored_name=str(row["stored_name"]),
            duration_s=float(row["duration_s"] or 0.0),
            row=row,
            promotion=promotion,
        )

    @property
    def task_id(self) -> str:
        """The task that the recording belongs to."""
        return self.key.task_id

    @property
    def role(self) -> str:
        """``gold`` or ``trainee``; a promoted recording is a gold, whatever its key says."""
        return self.key.role if self.promotion is None else "gold"

    @property
    def retired(self) -> str | None:
        """Why the recording is judged no more, for people to read; None while it is."""
        match self.row["status"]:
            case str(status) if status == ACTIVE:
                return None
            case str(status) if status == WITHDRAWN:
                return f"withdrawn by {self.row['changed_by']}: {self.row['why']}"
            case str(status) if status == REPLACED:
                return f"it was taken in before it was whole; {self.row['why']} is the whole recording"
            case str(status) if status == ERASED:
                return "it was erased at the wish of the person in it"
            case _:
                return "retired: this recording was made a gold of its task"

    @property
    def flags(self) -> tuple[str, ...]:
        """What intake noted about the file that it took in."""
        return tuple(filter(None, str(self.row["flags"] or "").split(",")))

    @property
    def damaged(self) -> bool:
        """Whether a part of the recording is missing or cannot be read."""
        return DAMAGED in self.flags

    @property
    def withdrawn(self) -> bool:
        """Whether somebody took the recording out; it can be restored."""
        return self.row["status"] == WITHDRAWN


def stored_file(home: Home, recording: Recording) -> Path:
    """Where the file of a recording is stored."""
    return local_path(home.videos / recording.stored_name)


@dataclass(slots=True)
class Registry:
    """All registered recordings by partition key, read once for a batch."""

    home: Home
    recordings: dict[PartitionKey, Recording] = field(default_factory=dict)
    promoted: Mapping[str, Promotion] = field(default_factory=dict)

    @classmethod
    def read(cls, home: Home) -> Registry:
        """What the ledgers of videos and of promotions say now."""
        registry = cls(home, promoted=promoted_golds(home))
        names = ", ".join(VIDEO_COLUMNS)
        registry.add(plain_rows(videos_ledger(home).query(f"select {names} from latest order by key")))  # noqa: S608 - constants
        return registry

    @classmethod
    def read_golds(cls, home: Home, *, also: Iterable[PartitionKey] = ()) -> Registry:
        """The same of golds alone, promoted ones included, and of those that ``also`` names."""
        promoted = promoted_golds(home)
        return cls._read_where(home, promoted, f"{_GOLD_KEYS} or {_are_named([*promoted, *also])}")

    @classmethod
    def read_those(cls, home: Home, keys: Iterable[PartitionKey | str]) -> Registry:
        """The same of the recordings with these keys alone."""
        return cls._read_where(home, promoted_golds(home), _are_named(keys))

    @classmethod
    def _read_where(cls, home: Home, promoted: Mapping[str, Promotion], which: str) -> Registry:
        """The recordings whose keys are so: a condition on keys alone, so that no other rows are sorted by
        time.
        """
        registry, names = cls(home, promoted=promoted), ", ".join(VIDEO_COLUMNS)
        sql = f"select {names} from latest where {which} order by key"  # noqa: S608 - constants, and keys without quotes
        registry.add(plain_rows(videos_ledger(home).query(sql)))
        return registry

    def add(self, rows: Iterable[Row]) -> None:
        """Take in rows of the videos ledger."""
        for row in rows:
            recording = Recording.of(row, self.promoted.get(str(row["key"])))
            self.recordings[recording.key] = recording

    def __getitem__(self, key: PartitionKey) -> Recording:
        try:
            return self.recordings[key]
        except KeyError:
            raise LedgerError(
                f"partition {key}: no such recording in the videos ledger. Was it taken in by another "
                "home folder?"
            ) from None

    def path(self, key: PartitionKey) -> Path:
        """Where the file of a recording is stored."""
        return stored_file(self.home, self[key])

    def gold_path(self, video_id: str, task_id: str) -> Path:
        """Where the file of a task's gold is stored, one that was promoted included."""
        keys = [PartitionKey(task_id, role, video_id) for role in ROLES]
        return self.path(next((key for key in keys if key in self.recordings), keys[0]))

    def golds(self, task_id: str) -> list[Recording]:
        """The golds of a task that count, those that were taken in as golds and promoted ones, by key."""
        golds = (one for one in self.recordings.values() if one.task_id == task_id and one.role == "gold")
        return sorted((one for one in golds if one.retired is None), key=lambda one: one.key)

    def active(self, task_id: str | None = None) -> dict[str, Recording]:
        """The recordings that are judged, of one task or of all, by the text of their key."""
        return {
            str(key): one
            for key, one in self.recordings.items()
            if task_id in (None, key.task_id) and one.retired is None
        }

    def shown(self) -> dict[str, Recording]:
        """The recordings that people may look at, by the text of their key: those that are judged, and those
        that were withdrawn.
        """
        return {str(key): one for key, one in self.recordings.items() if one.retired is None or one.withdrawn}

    def of(self, task_id: str, sha256: str) -> Recording | None:
        """The active recording with these bytes in this task."""
        keys = (PartitionKey(task_id, role, sha256[:VIDEO_ID_DIGITS]) for role in ROLES)
        found = (self.recordings.get(key) for key in keys)
        return next((one for one in found if one and one.sha256 == sha256 and one.retired is None), None)

    def withdrawn(self, task_id: str, role: str, sha256: str) -> Recording | None:
        """The recording with these bytes that was taken out of this task and role."""
        one = self.recordings.get(PartitionKey(task_id, role, sha256[:VIDEO_ID_DIGITS]))
        return one if one is not None and one.sha256 == sha256 and one.withdrawn else None

    def elsewhere(self, task_id: str, sha256: str) -> list[Recording]:
        """The active recordings with these bytes in other tasks, by key."""
        found = (one for one in self.active().values() if one.sha256 == sha256 and one.task_id != task_id)
        return sorted(found, key=lambda one: one.key)


def registered_recording(home: Home, key: PartitionKey) -> Recording | None:
    """The recording of a key, whatever its status; None where none was registered. Reads only its row, and
    that once as long as nothing was registered or promoted since.
    """
    return _registered(home, key, tuple(videos_ledger(home).files()), tuple(promotions_ledger(home).files()))


@functools.lru_cache(maxsize=512)
def _registered(home: Home, key: PartitionKey, *_: tuple[str, ...]) -> Recording | None:
    """Kept by the names of the ledgers' files, which are never written twice."""
    names = ", ".join(VIDEO_COLUMNS)
    found = videos_ledger(home).query(f"select {names} from latest where key = '{key}'")  # noqa: S608 - partition keys hold no quotes
    if found.empty:
        return None
    return Recording.of(plain_rows(found)[0], promoted_golds(home).get(str(key)))


def tasks_of_file(home: Home, stored_name: str) -> tuple[str, ...]:
    """The tasks that have a recording with this file, whatever its status."""
    return _tasks_of_file(home, stored_name, tuple(videos_ledger(home).files()))


@functools.lru_cache(maxsize=512)
def _tasks_of_file(home: Home, stored_name: str, *_: tuple[str, ...]) -> tuple[str, ...]:
    named = pd.DataFrame({"stored_name": [stored_name]})
    sql = "select distinct task_id from latest semi join named using (stored_name) order by task_id"
    return tuple(videos_ledger(home).query(sql, named=named)["task_id"])


def file_names(home: Home) -> Mapping[str, str]:
    """The name that each registered recording was dropped by, by its key; read once as long as nothing is
    registered or changed.
    """
    return _file_names(home, tuple(videos_ledger(home).files()))


@functools.lru_cache(maxsize=1)
def _file_names(home: Home, *_: tuple[str, ...]) -> Mapping[str, str]:
    """Kept by the names of the ledger's files, which are never written twice."""
    found = videos_ledger(home).query("select key, original_name from latest order by key")
    return dict(zip(found["key"].tolist(), found["original_name"].tolist(), strict=True))


def active_keys(home: Home) -> dict[str, str]:
    """The task of each active recording, by partition key: all that most questions need of the registry."""
    found = videos_ledger(home).query(f"{_KEYS} where status = '{ACTIVE}' order by key")
    return dict(zip(found["key"].tolist(), found["task_id"].tolist(), strict=True))


def retired_keys(home: Home) -> set[str]:
    """The partition keys of registered recordings that count no more: withdrawn, replaced, or made a gold."""
    return set(videos_ledger(home).query(f"select key from latest where status != '{ACTIVE}'")["key"])  # noqa: S608 - a constant


def active_recordings(home: Home, task_id: str | None = None) -> dict[str, Recording]:
    """The recordings that are judged, by partition key; raises ``ConfigError`` for a task that has none."""
    registry = Registry.read(home)
    chosen = registry.active(task_id)
    if task_id is not None and not chosen:
        known = ", ".join(sorted({one.task_id for one in registry.active().values()})) or "none"
        raise ConfigError(f"task {task_id}: it has no recordings; tasks that have some: {known}.")
    return chosen


def withdrawn_recordings(home: Home) -> dict[str, Recording]:
    """The recordings that somebody took out, by partition key."""
    return {str(key): one for key, one in Registry.read(home).recordings.items() if one.withdrawn}


def find_recordings(recordings: Mapping[str, Recording], names: Sequence[str]) -> list[str]:
    """The keys of the recordings called ``names``, see `find_key`."""
    known = {key: one.original_name for key, one in recordings.items()}
    return [find_key(name, known) for name in names]


def unmistakable_names(recordings: Mapping[str, Recording]) -> dict[str, str]:
    """The key of each recording by the names that mean it alone, as `find_recordings` finds it: to look up
    many.
    """
    named: dict[str, str | None] = {}
    for key, one in recordings.items():
        for name in {key.rpartition("-")[2], composed(one.original_name)}:
            named[name] = None if name in named else key
    return {name: key for name, key in named.items() if key is not None} | {key: key for key in recordings}


def find_key(name: str, file_names: Mapping[str, str]) -> str:
    """The key of the recording called ``name``: its partition key, video id (12 hex digits) or file name;
    ``file_names`` are those of all recordings, by key.

    Raises ``ConfigError`` for a name that is none of them, with the nearest ones, or that means several.
    """
    if name in file_names:
        return name
    known = {key: (key.rpartition("-")[2], composed(file_name)) for key, file_name in file_names.items()}
    found = sorted(key for key, names in known.items() if composed(name) in names)
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(f"{name}: {len(found)} recordings are called so: {', '.join(found)}. Name one.")
    every = [*known, *(one for names in known.values() for one in names)]
    near = ", ".join(difflib.get_close_matches(name, every, n=3)) or "none"
    raise ConfigError(
        f"{name or 'nothing'}: expected the partition key, video id or file name of a recording; "
        f"similar ones: {near}. `sopilot recording list` lists them."
    )


def _are_named(keys: Iterable[PartitionKey | str]) -> str:
    """The condition that ``key`` is one of these; keys hold no quotes."""
    named = ", ".join(f"'{key}'" for key in keys)
    return f"key in ({named})" if named else "false"


def _optional(value: Cell) -> str | None:
    return None if value is None else str(value)
