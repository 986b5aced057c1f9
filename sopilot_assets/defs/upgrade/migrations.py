"""All migrations of an upgrade, in the order in which they are applied."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sopilot_assets.defs.dagster_internals.schema import bring_up_to_date, newest_revision, older_databases
from sopilot_assets.upkeep.upgrade.instance_settings import INSTANCE_SETTINGS
from sopilot_assets.upkeep.upgrade.migrations import Migration, Touched

_FOLDER: Final = "dagster"


def _older(root: Path) -> Touched:
    newest = newest_revision()
    older = older_databases(root / _FOLDER)
    return {f"{_FOLDER}/{path}": f"goes from {said} to {newest}" for path, said in older.items()}


INSTANCE_TABLES: Final = Migration(
    name="instance tables",
    what="Dagster's databases get the tables of the installed Dagster (`dagster instance migrate`)",
    since=None,
    touched=_older,
    apply=lambda folder: bring_up_to_date(folder / _FOLDER),
)

MIGRATIONS: Final = (INSTANCE_SETTINGS, INSTANCE_TABLES)
