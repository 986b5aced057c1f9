"""The recordings that intake registered, by partition key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sopilot_assets.capture.ledgers import ACTIVE, videos_ledger
from sopilot_assets.errors import LedgerError
from sopilot_assets.scoring.ledger import Subject
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.store.publish import local_path


@dataclass(frozen=True, slots=True)
class Recording:
    """One registered recording: who and where, and where its file is stored."""

    subject: Subject
    sha256: str
    path: Path
    duration_s: float
    facts: Mapping[str, Cell]

    @property
    def retired(self) -> str | None:
        """Why the recording is judged no more, for people to read; None while it is."""
        return (
            None if self.facts["status"] == ACTIVE else "retired: this recording was made a gold of its task"
        )

    @property
    def key(self) -> PartitionKey:
        """The recording's partition key."""
        return self.subject.key


@dataclass(frozen=True, slots=True)
class Registry:
    """All registered recordings, read once for a batch."""

    recordings: Mapping[PartitionKey, Recording]

    @classmethod
    def load(cls, home: Home) -> Registry:
        """The registry as the videos ledger has it now."""
        frame = videos_ledger(home).latest()
        rows = frame.astype(object).where(pd.notna(frame), None).to_dict("records")
        found = (_recording(home, {str(name): value for name, value in row.items()}) for row in rows)
        return cls({recording.key: recording for recording in found})

    def __getitem__(self, key: PartitionKey) -> Recording:
        try:
            return self.recordings[key]
        except KeyError:
            raise LedgerError(
                f"partition {key}: no such recording in the videos ledger. Was it taken in by another "
                "home folder?"
            ) from None

    def gold_path(self, video_id: str, task_id: str) -> Path:
        """Where the file of a task's gold is stored."""
        return self[PartitionKey(task_id, "gold", video_id)].path

    def golds(self, task_id: str) -> list[Recording]:
        """The gold recordings of a task, by video id."""
        keys = sorted(key for key in self.recordings if key.task_id == task_id and key.role == "gold")
        return [self.recordings[key] for key in keys]


def _recording(home: Home, row: Mapping[str, Cell]) -> Recording:
    key = PartitionKey(str(row["task_id"]), str(row["role"]), str(row["video_id"]))
    subject = Subject(
        key=key,
        person=_optional(row["person"]),
        site=str(row["site"]),
        camera=_optional(row["camera"]),
        session=_optional(row["session"]),
        original_name=str(row["original_name"]),
    )
    return Recording(
        subject,
        str(row["sha256"]),
        local_path(home.videos / str(row["stored_name"])),
        float(row["duration_s"] or 0.0),
        row,
    )


def _optional(value: Cell) -> str | None:
    return None if value is None else str(value)
