"""Backups while others work in the home: each is a state that the home was in, and none waits for a pause."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.backup import contents
from sopilot_assets.upkeep.backup.create import create_backup
from sopilot_assets.upkeep.backup.drill import drill, stored_row_ids
from sopilot_assets.upkeep.backup.repository import open_repository
from sopilot_assets.upkeep.backup.restore import restore
from sopilot_assets_tests.upkeep.backup.made_up import after, take_in, tree

pytestmark = pytest.mark.whole

BACKUPS = 3
WRITERS = 2
BUSY = "sopilot_assets_tests.upkeep.backup.busy"


@contextlib.contextmanager
def writers(home: Home) -> Iterator[None]:
    """Processes that take in, label, evaluate and merge ledgers, all the time."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", BUSY, str(home.root), f"writer{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for number in range(WRITERS)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == b"busy\n"
        yield
    finally:
        for process in processes:
            process.communicate(b"enough\n", timeout=60)
    assert [process.returncode for process in processes] == [0] * WRITERS


def test_every_backup_under_load_is_whole_and_a_state_that_the_home_was_in(
    living: Home, place: str, tmp_path: Path
) -> None:
    with writers(living):
        backups = [create_backup(living, place, now=after(minute)) for minute in range(BACKUPS)]
    assert [backup.snapshot.problems for backup in backups] == [()] * BACKUPS
    repository = open_repository(place)
    drills = [drill(living, repository, backup.name) for backup in backups]
    assert [one.problems for one in drills] == [()] * BACKUPS
    rows = [one.rows for one in drills]
    assert rows == sorted(rows)
    assert rows[0] < rows[-1]
    last = create_backup(living, place, now=after(BACKUPS))
    restore(repository, last.name, tmp_path / "new", now=after(BACKUPS + 1))
    assert tree(tmp_path / "new") == tree(local_path(living.root))
    assert stored_row_ids(Home.at(tmp_path / "new")) == stored_row_ids(living)


def test_whatever_happens_before_each_look_into_a_folder_the_backup_is_whole(
    living: Home, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, number = contents._names, itertools.count()

    def looks_late(folder: Path) -> list[str]:
        if folder.parent.name in ("home", "ledgers"):
            take_in(living, f"between-{next(number)}")
        return look(folder)

    monkeypatch.setattr(contents, "_names", looks_late)
    name = create_backup(living, place, now=after(5)).name
    assert next(number) > 10
    assert drill(living, open_repository(place), name).problems == ()
