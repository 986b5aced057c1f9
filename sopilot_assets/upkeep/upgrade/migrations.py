"""The migrations from one format of a home to the next, and which of them a home needs.

A migration changes files of the home and nothing else: it gets copies of those it names and changes the
copies. Putting them in place, and taking them out again, is the same for all (`upgrade.exchange`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from sopilot_assets.store.home_format import HOME_FORMAT, HomeFormat

Touched: TypeAlias = Mapping[str, str]
"""What a migration would change in a home: files by their paths below it, each with what becomes of it."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One change of form. ``since`` is the format that it leads to, from the one before; None where it
    depends on something else, e.g. the installed Dagster, and is asked for at every format.

    ``touched`` says what it would change in the home at a folder, and is empty where there is nothing to do.
    ``apply`` changes the copies of those files, which lie below another folder as they do in the home.
    """

    name: str
    what: str
    since: int | None
    touched: Callable[[Path], Touched]
    apply: Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class PlannedMigration:
    """A migration that a home needs, and what it would change there."""

    migration: Migration
    touched: Touched


@dataclass(frozen=True, slots=True)
class UpgradePlan:
    """What leads a home from its format to this version's: nothing where both formats are the same and no
    migration has anything to do.
    """

    before: HomeFormat
    migrations: tuple[PlannedMigration, ...]

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to do."""
        return self.before.number < HOME_FORMAT or bool(self.migrations)

    @property
    def files(self) -> tuple[str, ...]:
        """The files that change, by their paths below the home."""
        return tuple(sorted({path for one in self.migrations for path in one.touched}))


def plan_upgrade(root: Path, before: HomeFormat, migrations: Sequence[Migration]) -> UpgradePlan:
    """The migrations that the home ``root``, which is of the format ``before``, needs, in order."""
    due = [one for one in migrations if one.since is None or one.since > before.number]
    planned = (PlannedMigration(one, one.touched(root)) for one in due)
    return UpgradePlan(before, tuple(one for one in planned if one.touched))
