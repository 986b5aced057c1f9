"""The layout of the home folder: where every kind of file lives."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from upath import UPath

from sopilot_assets.errors import ConfigError

DEFAULT_HOME = "./sopilot_home"
HOME_VARIABLE = "SOPILOT_HOME"
ROLES = ("gold", "trainee")
VIDEO_ID_DIGITS = 12
"""Hex digits of a video's content hash that name it."""

_ID = re.compile(r"[a-z][a-z0-9_]{0,47}")
_KEY = re.compile(r"(?P<task>[a-z][a-z0-9_]{0,47})-(?P<role>[gt])-(?P<video>[0-9a-f]{12})")


@dataclass(frozen=True, slots=True)
class Home:
    """Paths below one home folder.

    >>> str(Home.at("/data/sopilot").steps_csv("filter_change"))
    '/data/sopilot/capture/filter_change/gold/steps.csv'
    """

    root: UPath

    @classmethod
    def at(cls, root: str | Path | UPath) -> Home:
        """The home folder at ``root``, made absolute when it is on this machine."""
        path = UPath(root)
        return cls(UPath(Path(str(path)).absolute()) if path.protocol in ("", "file") else path)

    @property
    def tasks(self) -> UPath:
        """Task files, ``<task_id>.yaml``."""
        return self.root / "tasks"

    @property
    def capture(self) -> UPath:
        """The folder that people drop recordings into."""
        return self.root / "capture"

    @property
    def uploads(self) -> UPath:
        """Recordings that are being uploaded, a folder each, until all of their bytes are there."""
        return self.root / "uploads"

    @property
    def quarantine(self) -> UPath:
        """Files that intake refused, each with its reason beside it."""
        return self.root / "quarantine"

    @property
    def videos(self) -> UPath:
        """Accepted videos under their content hash."""
        return self.root / "videos"

    @property
    def ledgers(self) -> UPath:
        """Append-only tables, one folder each."""
        return self.root / "ledgers"

    @property
    def models(self) -> UPath:
        """Compiled and preloaded embedding models."""
        return self.root / "models"

    @property
    def reviews(self) -> UPath:
        """Review pages, one self-contained HTML file a video."""
        return self.root / "reviews"

    @property
    def proxies(self) -> UPath:
        """Small copies of videos, and pictures of them, for whoever looks; can be made again."""
        return self.root / "proxies"

    @property
    def studies(self) -> UPath:
        """Pre-registered evaluations: ``<study_id>.yaml``, and a folder of results for each."""
        return self.root / "studies"

    @property
    def dossiers(self) -> UPath:
        """Evidence dossiers, a folder for each study."""
        return self.root / "dossiers"

    @property
    def keys(self) -> UPath:
        """Signing keys; the private ones are readable by their owner only."""
        return self.root / "keys"

    @property
    def campaigns(self) -> UPath:
        """Unattended campaigns: a folder for each, with its plan and the logs of its steps."""
        return self.root / "campaigns"

    @property
    def reports(self) -> UPath:
        """Daily reports, one page a day."""
        return self.root / "reports"

    @property
    def alerts(self) -> UPath:
        """Alerts, and those that could not be delivered yet."""
        return self.root / "alerts"

    @property
    def outbox(self) -> UPath:
        """Which results other programs were told, and which could not be delivered yet."""
        return self.root / "outbox"

    @property
    def erasing(self) -> UPath:
        """What is being erased just now: a plan for each person, gone when it is done."""
        return self.root / "erasing"

    @property
    def desk_database(self) -> UPath:
        """The accounts and sessions of the desk, in SQLite."""
        return self.root / "desk" / "desk.sqlite"

    def relative_text(self, text: str) -> str:
        """The text with paths below the home written from there, so that it does not say where the home lies.

        >>> Home.at("/data/sopilot").relative_text("/data/sopilot/videos/1f.mp4: cannot be read.")
        'videos/1f.mp4: cannot be read.'
        """
        return text.replace(f"{self.root}/", "")

    def study(self, study_id: str) -> UPath:
        """The folder of one study's results."""
        return self.studies / plain_id(study_id, "study")

    def embedding(self, model_id: str, video_id: str) -> UPath:
        """The embedding of one video by one model."""
        return self.root / "embeddings" / model_id / f"{video_id}.npz"

    def reference(self, task_id: str, reference_id: str) -> UPath:
        """One version of a task's reference."""
        return self.root / "references" / task_id / f"{reference_id}.npz"

    def calibration(self, task_id: str, reference_id: str) -> UPath:
        """The calibration of one version of a task's reference."""
        return self.root / "references" / task_id / f"{reference_id}.calibration.json"

    def alignment(self, reference_id: str, video_id: str) -> UPath:
        """The alignment of one video against one reference."""
        return self.root / "alignments" / reference_id / f"{video_id}.npz"

    def review(self, key: PartitionKey | str) -> UPath:
        """The review page of one recording for its task."""
        return self.reviews / f"{key}.html"

    def steps_csv(self, task_id: str) -> UPath:
        """The step annotations of a task's golds."""
        return self.capture / task_id / "gold" / "steps.csv"


def plain_id(name: str, kind: str) -> str:
    """The name itself where it can only name something in its own folder; raises ``ConfigError`` else."""
    if not _ID.fullmatch(name):
        raise ConfigError(
            f"{kind} {name!r}: expected a-z, 0-9 and _, beginning with a letter; nothing was read."
        )
    return name


@dataclass(frozen=True, order=True, slots=True)
class PartitionKey:
    """The name of one video's partition: task, role and the first 12 hex digits of its content hash.

    >>> str(PartitionKey("filter_change", "trainee", "1f3a9c2b7d04"))
    'filter_change-t-1f3a9c2b7d04'
    >>> PartitionKey.parse("filter_change-t-1f3a9c2b7d04").role
    'trainee'
    """

    task_id: str
    role: str
    video_id: str

    def __post_init__(self) -> None:
        if self.role not in ROLES or not _KEY.fullmatch(str(self)):
            raise ConfigError(
                f"{self!r}: expected a task id of a-z, 0-9 and _, a role of {' or '.join(ROLES)}, and "
                "12 hex digits as video id."
            )

    def __str__(self) -> str:
        return f"{self.task_id}-{self.role[0]}-{self.video_id}"

    @classmethod
    def parse(cls, key: str) -> PartitionKey:
        """The parts of a partition key; refuses anything that is not one."""
        match = _KEY.fullmatch(key)
        if match is None:
            raise ConfigError(
                f"partition key {key!r}: expected <task>-<g|t>-<12 hex digits>, e.g. "
                "filter_change-t-1f3a9c2b7d04."
            )
        role = "gold" if match["role"] == "g" else "trainee"
        return cls(match["task"], role, match["video"])
