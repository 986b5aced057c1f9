"""What the checks of the doctor look at, and what they answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import TypeAlias

from sopilot_assets.settings import Settings, load_settings
from sopilot_assets.store.home import Home
from sopilot_assets.tasks import TaskSet, find_tasks


class State(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer of one check; ``action`` is empty where there is nothing to do."""

    check: str
    state: State
    what: str
    action: str = ""


@dataclass(frozen=True)
class Patient:
    """The home that is looked at; ``now_s`` is the time since the epoch, ``environment`` the variables."""

    home: Home
    now_s: float
    environment: Mapping[str, str]

    @property
    def now(self) -> datetime:
        """The time in UTC."""
        return datetime.fromtimestamp(self.now_s, UTC)

    @cached_property
    def tasks(self) -> TaskSet:
        """The tasks, read once for all checks."""
        return find_tasks(self.home.root)

    @cached_property
    def settings(self) -> Settings:
        """The settings, read once; `ConfigError` where they are not valid."""
        return load_settings(self.home)


Check: TypeAlias = Callable[[Patient], Iterator[Finding]]
