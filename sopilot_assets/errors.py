"""Every error this package raises on purpose, as one tree.

SopilotError
├── ConfigError            a setting or environment that cannot work
│   ├── TaskError          a task file that is missing, invalid or locked
│   │   └── TaskConflict   somebody else changed the task's file meanwhile
│   ├── AccountError       an account of the desk that cannot be made, changed or removed
│   └── FormatError        a home of another format than this version writes
├── VideoError             a video that cannot be used
│   ├── UnreadableVideo    no frames can be decoded from it
│   │   ├── NotAVideo      it is something else
│   │   ├── NoVideoStream  it holds sound or data only
│   │   ├── TruncatedVideo it was cut: the part that is there holds no usable frames
│   │   └── JoinedVideo    it holds several recordings one after the other
│   └── WorkerLimit        the child process that read it hit its time or memory limit
├── ModelError             an embedding model that is missing, damaged or not the one expected
│   └── ModelMismatch      two embeddings of different models were about to be compared
├── GoldError              the golds of a task do not make a reference
│   └── MarkConflict       somebody else confirmed the steps of a gold meanwhile
├── LedgerError            a ledger file or row that is not what it should be
├── ExchangeError          a file of another tool, or its format, that cannot be taken
├── LabelError             a label, or a sheet of labels, that cannot be taken
├── StudyError             a study that cannot be registered, split, fitted or evaluated
├── BackupError            a backup that cannot be made, read or restored, or is damaged
├── DossierError           a dossier, key or signature that is missing, damaged or not what it claims
├── SourceError            a site or server outside did not give what was asked for
├── ErasureError           a person who cannot be erased, or a broken chain of erasures
├── UploadError            an upload that cannot be begun, or go on
├── RunLost                a worker's process ended before the run it executed
└── StoreError             a file could not be published or is not what its name says
    └── StoreUnavailable   the disk or the object store takes or gives nothing now

A message says what went wrong, with which file or id, what was expected against what was found, and what to
do next.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

UploadProblem: TypeAlias = Literal[
    "invalid",
    "kind",
    "too_large",
    "too_many",
    "no_room",
    "busy",
    "offset",
    "checksum",
    "over",
    "landed",
]


class SopilotError(Exception):
    """Base of all errors raised on purpose by this package."""


class ConfigError(SopilotError):
    """A setting or environment that cannot work."""


class TaskError(ConfigError):
    """A task file that is missing, invalid or locked."""


class TaskConflict(TaskError):
    """Somebody else changed the task's file meanwhile; ``ja`` says so in Japanese."""

    def __init__(self, message: str, *, ja: str) -> None:
        super().__init__(message)
        self.ja = ja


class AccountError(ConfigError):
    """An account of the desk that cannot be made, changed or removed; ``ja`` says so in Japanese."""

    def __init__(self, message: str, *, ja: str) -> None:
        super().__init__(message)
        self.ja = ja


class FormatError(ConfigError):
    """A home of another format than this version writes."""


class VideoError(SopilotError):
    """A video that cannot be used."""


class UnreadableVideo(VideoError):
    """No frames can be decoded from the video."""


class NotAVideo(UnreadableVideo):
    """The file is something else than a video."""


class NoVideoStream(UnreadableVideo):
    """The file holds sound or data, but no moving pictures."""


class TruncatedVideo(UnreadableVideo):
    """The file starts like a video, but was cut before any frame can be decoded."""


class JoinedVideo(UnreadableVideo):
    """The file holds several recordings one after the other: its time runs back."""


class WorkerLimit(VideoError):
    """The child process that read the video hit its time or memory limit, or died.

    ``limit`` says which: ``time``, ``memory``, or ``crash`` (a signal, or an error nobody foresaw).
    """

    def __init__(self, message: str, *, limit: Literal["time", "memory", "crash"] = "crash") -> None:
        super().__init__(message)
        self.limit: Literal["time", "memory", "crash"] = limit


class ModelError(SopilotError):
    """An embedding model that is missing, damaged or not the one expected."""


class ModelMismatch(ModelError):
    """Two embeddings of different models were about to be compared."""


class GoldError(SopilotError):
    """The golds of a task do not make a reference; ``ja`` says so in Japanese, where trainers read it."""

    def __init__(self, message: str, *, ja: str | None = None) -> None:
        super().__init__(message)
        self.ja = ja


class MarkConflict(GoldError):
    """Somebody else confirmed the steps of a gold meanwhile."""


class ErasureError(SopilotError):
    """A person who cannot be erased, or a broken chain of erasures."""


class LedgerError(SopilotError):
    """A ledger file or row that is not what it should be."""


class ExchangeError(SopilotError):
    """A file of another tool that cannot be taken; ``ja`` says so in Japanese."""

    def __init__(self, message: str, *, ja: str) -> None:
        super().__init__(message)
        self.ja = ja


class LabelError(SopilotError):
    """A label, or a sheet of labels, that cannot be taken; ``ja`` says so in Japanese, where it is said on a
    page.
    """

    def __init__(self, message: str, *, ja: str | None = None) -> None:
        super().__init__(message)
        self.ja = ja


class StudyError(SopilotError):
    """A study that cannot be registered, split, fitted or evaluated; ``ja`` says so in Japanese, where the
    desk shows it.
    """

    def __init__(self, message: str, *, ja: str | None = None) -> None:
        super().__init__(message)
        self.ja = ja


class DossierError(SopilotError):
    """A dossier, key or signature that is missing, damaged or not what it claims to be; ``ja`` says so in
    Japanese, where the desk shows it.
    """

    def __init__(self, message: str, *, ja: str | None = None) -> None:
        super().__init__(message)
        self.ja = ja


class BackupError(SopilotError):
    """A backup that cannot be made, read or restored, or is damaged."""


class UploadError(SopilotError):
    """An upload that cannot be begun, or cannot go on; ``why`` says which, ``ja`` the message in Japanese.

    ``invalid``: what was said of it; ``kind``: no recording by its name; ``too_large``; ``too_many``
    unfinished ones; ``no_room`` on the disk; ``busy``: another process writes it; ``offset``: its bytes end
    elsewhere; ``checksum``: they arrived changed; ``over``: its time is over; ``landed``: nothing of it is
    left to be cancelled.
    """

    def __init__(self, why: UploadProblem, message: str, *, ja: str) -> None:
        super().__init__(message)
        self.why: UploadProblem = why
        self.ja = ja


class RunLost(SopilotError):
    """A worker's process ended before the run that it executed."""


class StoreError(SopilotError):
    """A file could not be published, or is not what its name says."""


class StoreUnavailable(StoreError):
    """The disk or the object store takes or gives nothing now. That says nothing of a recording, and is to be
    tried again.
    """


class SourceError(SopilotError):
    """A site or server outside did not give what was asked for."""
