"""The tables of Dagster's databases: whether those of a home are as the installed Dagster wants them, and
bringing copies of them there. And what Dagster refuses in an instance's settings.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Final

import dagster as dg
import yaml
from alembic.script import ScriptDirectory
from dagster._config.errors import EvaluationError
from dagster._core.errors import DagsterInvalidConfigError
from dagster._core.instance.config import dagster_instance_config
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.sql import get_alembic_config

from sopilot_assets.errors import StoreError
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.setting_up import dagster_home

_MAIN: Final = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
_RUNS: Final = "history/runs/*.db"
"""The databases below ``DAGSTER_HOME``: those of the instance, and one for each run."""


def newest_revision() -> str:
    """The revision that the installed Dagster brings databases to."""
    config = get_alembic_config(str(sqlite_run_storage.__file__))
    return str(ScriptDirectory.from_config(config).as_revision_number("head"))


def older_databases(folder: Path) -> dict[str, str]:
    """The databases below ``DAGSTER_HOME`` with older tables, by their paths, and the revision of each.

    Raises ``StoreError`` for one that cannot be read. Nothing is written.
    """
    newest = newest_revision()
    # Dagster leaves alone the one without a name, which holds events of no run
    of_runs = {path for path in folder.glob(_RUNS) if not path.name.startswith(".")}
    paths = sorted({folder / one for one in _MAIN} | of_runs)
    found = {path: _revision(path) for path in paths if path.is_file()}
    return {
        path.relative_to(folder).as_posix(): said
        for path, said in found.items()
        if said not in (newest, None)
    }


def bring_up_to_date(folder: Path) -> None:
    """Bring the databases below a folder that is laid out as ``DAGSTER_HOME`` to the newest tables, in place.

    Those that are not there are left out, although Dagster makes them on its way.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".publishing-") as name:
        beside = Path(name)
        there = [path.relative_to(folder) for path in sorted(folder.rglob("*.db"))]
        for path in there:
            (beside / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / path, beside / path)
        # Dagster prints how far it is
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            dg.DagsterInstance.local_temp(str(beside)) as instance,
        ):
            instance.upgrade()
        for path in there:
            with closing(sqlite3.connect(beside / path)) as database:
                database.execute("pragma wal_checkpoint(truncate)")
            (beside / path).replace(folder / path)


def settings_faults(home: Home) -> list[str]:
    """What Dagster refuses in the settings of the home's instance, a sentence each."""
    try:
        dagster_instance_config(str(dagster_home(home)))
    except DagsterInvalidConfigError as error:
        return [_sentence(one) for one in error.errors]
    except (dg.DagsterError, yaml.YAMLError, UnicodeDecodeError) as error:
        return [" ".join(str(error).split())]
    return []


def _sentence(error: EvaluationError) -> str:
    return " ".join(error.message.split())


def _revision(path: Path) -> str | None:
    """The revision of a database; None where it has no tables at all yet."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as database:
            names = {name for (name,) in database.execute("select name from sqlite_master")}
            if "alembic_version" not in names:
                return "none" if names else None
            rows = list(database.execute("select version_num from alembic_version"))
    except sqlite3.Error as error:
        raise StoreError(
            f"{path}: expected a database of Dagster, found that it cannot be read ({error}). Stop Dagster, "
            "and restore it: sopilot backup restore."
        ) from error
    return ", ".join(str(one) for (one,) in rows) or "none"
