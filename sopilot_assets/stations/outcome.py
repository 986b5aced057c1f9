"""What a station says about each video of a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from sopilot_assets.store.home import PartitionKey
from sopilot_assets.store.ledgers import Cell

Progress: TypeAlias = Callable[[int, int], None]
"""Called with how many of how many videos (or files) are done."""


@dataclass(frozen=True, slots=True)
class StationOutcome:
    """One video's result at one station.

    ``problem`` is None when all went well; otherwise the reason why there is no result, for people to read.
    ``metadata`` holds a few scalars, ``table`` rows to show, ``picture_png`` a small picture and ``page``
    the review page.
    """

    key: PartitionKey
    problem: str | None = None
    metadata: Mapping[str, Cell] = field(default_factory=dict)
    table: Sequence[Mapping[str, Cell]] = ()
    picture_png: bytes | None = None
    page: Path | None = None


@dataclass(frozen=True, slots=True)
class ReferenceOutcome:
    """The state of one task's reference: its id (None with a ``problem``), whether it is new, a row per step,
    and what can be verified.
    """

    task_id: str
    reference_id: str | None
    changed: bool
    problem: str | None = None
    metadata: Mapping[str, Cell] = field(default_factory=dict)
    table: Sequence[Mapping[str, Cell]] = ()
    verifiability: Sequence[Mapping[str, Cell]] = ()
