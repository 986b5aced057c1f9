"""The home's own files: whether it can be written, its settings, its ledgers, what killed processes left."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from sopilot_assets.errors import ConfigError, FormatError
from sopilot_assets.settings import settings_path
from sopilot_assets.store.compaction import fragmented
from sopilot_assets.store.home_format import HOME_FORMAT, read_format, refuse_unwritable
from sopilot_assets.store.publish import TEMPORARY_PREFIX, local_path, published_files, scratch_folder
from sopilot_assets.upkeep.chains import event_chains
from sopilot_assets.upkeep.conditions.condition import Answer, Condition, Fine, found, problem, warning
from sopilot_assets.upkeep.conditions.situation import Situation

SETTINGS: Final = "settings"


def writable(asked: Situation) -> Answer:
    """Whether a file can be made in the home."""
    root = asked.home.root
    if not local_path(root).is_dir():
        action = "sopilot home init, or name another with --home"
        return Answer((problem("home", "", f"{root} is not there", action),))
    try:
        with scratch_folder(root) as folder:
            (folder / "probe").write_bytes(b"probe")
    except OSError as error:
        what = f"{root} cannot be written: {error.strerror or error}"
        return Answer((problem("home", "", what, "mend the permissions or the disk"),))
    return found([], Fine("home", "", f"{root}, writable"))


def home_format(asked: Situation) -> Answer:
    """Whether this version may write into the home, and whether an upgrade is due."""
    root = local_path(asked.home.root)
    try:
        refuse_unwritable(root)
    except FormatError as error:
        return Answer((problem("format", "", str(error), "sopilot upgrade check"),))
    number = read_format(root).number
    what = f"{root} is of format {number}; this version makes {HOME_FORMAT}"
    older = [warning("format", "", what, "sopilot upgrade check")] if number < HOME_FORMAT else []
    return found(older, Fine("format", "", str(number)))


def settings(asked: Situation) -> Answer:
    """Whether settings.yaml is valid; without it the defaults hold."""
    path = settings_path(asked.home)
    try:
        _ = asked.settings
    except ConfigError as error:
        action = f"correct {path.name}: until then nothing is sent"
        return Answer((problem(SETTINGS, path.name, str(error), action),))
    return found([], Fine(SETTINGS, path.name, "valid" if path.exists() else "not there: the defaults"))


def ledgers(asked: Situation) -> Answer:
    """Ledger files that are cut or changed, broken chains of events, and ledgers of very many files."""
    root = local_path(asked.home.ledgers)
    names = published_files(root, "*/*.parquet")
    damaged = [path for path in names if not _is_whole(path)]
    if damaged:
        return Answer(tuple(_damaged(path.relative_to(root)) for path in damaged))
    for chain in event_chains(asked.home):
        for task_id in chain.tasks():
            chain.read(task_id)
    many = fragmented(asked.home.ledgers, at_least=asked.settings.limits.ledger_files)
    slow = (
        warning(
            "ledgers",
            name,
            f"{count} files make reading {name} slow",
            "sopilot retention apply merges them",
        )
        for name, count in many.items()
    )
    return found(slow, Fine("ledgers", "", f"{len(names)} files, all whole"))


def _damaged(path: Path) -> Condition:
    what = f"{path} is not a whole Parquet file"
    return problem("ledgers", str(path), what, "restore it: sopilot backup restore")


def _is_whole(path: Path) -> bool:
    try:
        pq.read_metadata(path)
    except FileNotFoundError:
        return True  # merged into another since it was listed
    except (OSError, pa.ArrowException):
        return False
    return True


def leftovers(asked: Situation) -> Answer:
    """Temporary files of processes that were killed."""
    limit_s = asked.settings.limits.leftover_minutes * 60
    count = sum(age_s > limit_s for age_s in _temporary_ages(asked))
    what = f"{count} temporary files that nobody will finish"
    left = [warning("leftovers", "", what, "sopilot home doctor --sweep")] if count else []
    return found(left, Fine("leftovers", "", "none"))


def _temporary_ages(asked: Situation) -> Iterator[float]:
    for folder, _, names in os.walk(local_path(asked.home.root)):
        for name in names:
            if name.startswith(TEMPORARY_PREFIX):
                with contextlib.suppress(FileNotFoundError):
                    yield asked.now.timestamp() - Path(folder, name).stat().st_mtime
