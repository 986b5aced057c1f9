"""Several homes in one repository: each has its own backups there."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from sopilot_assets.errors import BackupError
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.backup.create import create_backup
from sopilot_assets.upkeep.backup.forget import forget
from sopilot_assets.upkeep.backup.repository import Repository, open_repository
from sopilot_assets.upkeep.backup.restore import restore
from sopilot_assets.upkeep.backup.routine import chosen_snapshot, drill_newest, snapshot_rows
from sopilot_assets.upkeep.backup.snapshot import sealed, snapshot_name, stamp_of
from sopilot_assets.upkeep.backup.verify import verify_repository
from sopilot_assets.upkeep.backup.whose import ID_FILE
from sopilot_assets_tests.upkeep.backup.made_up import after, take_in


@pytest.fixture
def other(template: Path, tmp_path: Path) -> Home:
    """Another home than ``living``."""
    home = Home.at(shutil.copytree(template, tmp_path / "other"))
    take_in(home, "only-here")
    return home


@pytest.fixture
def shared(living: Home, other: Home, place: str) -> Repository:
    """A repository with two backups of ``living``, then two of ``other``."""
    for minute, home in enumerate((living, living, other, other)):
        create_backup(home, place, now=after(minute))
    return open_repository(place)


def without_ids(repository: Repository) -> None:
    """Make the snapshots as they were before homes had ids."""
    for name in repository.snapshot_names():
        snapshot = repository.snapshot(name)
        files = tuple(file for file in snapshot.files if file.path != ID_FILE)
        data = sealed(asdict(replace(snapshot, files=files)))
        repository.remove(repository.snapshot_path(name))
        repository.add_snapshot(snapshot_name(data, created_at=stamp_of(name)), data)


def test_the_newest_of_this_home_is_taken_whatever_others_backed_up_since(
    living: Home, other: Home, shared: Repository
) -> None:
    names = shared.snapshot_names()
    assert chosen_snapshot(shared, living, None) == names[1]
    assert chosen_snapshot(shared, other, None) == names[3]
    assert drill_newest(living, str(shared.root), now=after(9)).row["backup"] == names[1]
    assert [row["own"] for row in snapshot_rows(shared, living)] == [True, True, False, False]


def test_another_homes_backup_is_restored_where_it_is_named(
    living: Home, shared: Repository, tmp_path: Path
) -> None:
    name = shared.snapshot_names()[3]
    assert chosen_snapshot(shared, living, name) == name
    new = Home.at(tmp_path / "new")
    with pytest.raises(BackupError, match=rf"backups of .*new, found those of 2 homes.*{name}.*--backup"):
        chosen_snapshot(shared, new, None)
    restore(shared, name, local_path(new.root), now=after(9))
    assert chosen_snapshot(shared, new, None) == name  # it is that home now, wherever it lies


def test_a_home_that_was_never_backed_up_there_gets_no_others(
    living: Home, other: Home, place: str, tmp_path: Path
) -> None:
    name = create_backup(living, place, now=after(0)).name
    create_backup(other, str(tmp_path / "elsewhere"), now=after(1))
    with pytest.raises(BackupError, match="found those of another home"):
        chosen_snapshot(open_repository(place), other, None)
    new = Home.at(tmp_path / "new")  # after a disk was lost: only one home can be meant
    assert chosen_snapshot(open_repository(place), new, None) == name


def test_removing_old_backups_leaves_those_of_others(living: Home, other: Home, shared: Repository) -> None:
    names = shared.snapshot_names()
    assert forget(shared, living, keep=1).names == (names[0],)
    assert forget(shared, other, keep=2, begun_before=after(60)).names == (names[2],)
    assert shared.snapshot_names() == [names[1], names[3]]
    found = verify_repository(shared)
    assert (found.damaged, found.unused) == ((), 0)


def test_backups_from_before_there_were_ids_are_known_by_their_place(
    living: Home, other: Home, shared: Repository, tmp_path: Path
) -> None:
    without_ids(shared)
    names = shared.snapshot_names()
    assert [row["own"] for row in snapshot_rows(shared, living)] == [True, True, False, False]
    assert chosen_snapshot(shared, living, None) == names[1]
    moved = Home.at(shutil.move(str(other.root), tmp_path / "moved"))
    done = forget(shared, moved, keep=9, begun_before=after(60))
    assert (done.names, done.doubtful) == ((), tuple(names))
