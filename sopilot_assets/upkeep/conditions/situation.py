"""What all questions are asked about: a home at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from sopilot_assets.capture.ledgers import ACTIVE, videos_ledger
from sopilot_assets.capture.promotions import promoted_golds
from sopilot_assets.settings import Settings, load_settings
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.tasks import TaskSet, find_tasks
from sopilot_assets.upkeep.conditions.dagster_files import DagsterState, read_dagster

_RECORDED: Final = "key, video_id, sha256, task_id, role, person, original_name, stored_name, written_at"


@dataclass(frozen=True)
class Situation:
    """A home at the moment ``now``, with the environment variables of whoever asks.

    ``dagster_told`` is what Dagster itself said; without it, it is read from the files that Dagster keeps in
    the home. ``seed`` chooses the few files that are read again.
    """

    home: Home
    now: datetime
    environment: Mapping[str, str]
    dagster_told: DagsterState | None = None
    seed: str = ""

    @cached_property
    def settings(self) -> Settings:
        """The settings, read once; `ConfigError` where they are not valid."""
        return load_settings(self.home)

    @cached_property
    def tasks(self) -> TaskSet:
        """The tasks, read once for all questions."""
        return find_tasks(self.home.root)

    @cached_property
    def dagster(self) -> DagsterState:
        """What is known of Dagster."""
        return self.dagster_told or read_dagster(self.home)

    @cached_property
    def recordings(self) -> Mapping[str, Mapping[str, Cell]]:
        """The active recordings, by key in ascending order; the role of a promoted one is gold."""
        frame = videos_ledger(self.home).query(
            f"select {_RECORDED} from latest where status = '{ACTIVE}' order by key"  # noqa: S608 - constants
        )
        promoted = promoted_golds(self.home)
        return {
            str(row["key"]): {**row, "role": "gold"} if row["key"] in promoted else row
            for row in plain_rows(frame)
        }
