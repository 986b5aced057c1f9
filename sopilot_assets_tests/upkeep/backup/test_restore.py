"""A restore gives everything or changes nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from sopilot_assets.errors import BackupError
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, publish_text
from sopilot_assets.upkeep.backup.create import create_backup
from sopilot_assets.upkeep.backup.repository import Repository, open_repository
from sopilot_assets.upkeep.backup.restore import restore
from sopilot_assets.upkeep.backup.snapshot import parse_snapshot, sealed, snapshot_name
from sopilot_assets_tests.upkeep.backup.made_up import START, after, tree


@pytest.fixture
def repository(living: Home, place: str) -> Repository:
    create_backup(living, place, now=after(5))
    return open_repository(place)


@pytest.fixture
def newest(repository: Repository) -> str:
    return repository.snapshot_names()[-1]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("made", [False, True])
def test_a_home_comes_back_where_nothing_is(
    repository: Repository, newest: str, living: Home, tmp_path: Path, made: bool
) -> None:
    target = tmp_path / "deeper" / "new"
    if made:
        target.mkdir(parents=True)
    done = restore(repository, newest, target, now=START)
    assert tree(target) == tree(local_path(living.root))
    assert done.replaced is None
    assert names(target.parent) == ["new"]


def test_a_home_in_use_is_only_replaced_when_told_so_and_then_kept(
    repository: Repository, newest: str, living: Home, tmp_path: Path
) -> None:
    saved = tree(local_path(living.root))
    publish_text(living.videos / "later.mp4", "after the backup")
    changed = tree(local_path(living.root))
    with pytest.raises(BackupError, match=r"expected an empty folder.*--force"):
        restore(repository, newest, local_path(living.root), now=START)
    assert tree(local_path(living.root)) == changed
    done = restore(repository, newest, local_path(living.root), now=START, force=True)
    assert tree(local_path(living.root)) == saved
    assert done.replaced is not None
    assert done.replaced.name == "home.before-20250602T080000Z"
    assert tree(done.replaced) == changed


@pytest.mark.parametrize("damage", ["flipped", "missing"])
def test_a_damaged_backup_changes_nothing(
    repository: Repository, newest: str, living: Home, tmp_path: Path, damage: str
) -> None:
    before = tree(local_path(living.root))
    file = next(one for one in repository.snapshot(newest).files if one.path.startswith("videos/"))
    path = Path(repository.object(file.sha256).path)
    data = bytearray(path.read_bytes())
    data[0] ^= 4
    path.write_bytes(data) if damage == "flipped" else path.unlink()
    for target in (local_path(living.root), tmp_path / "new"):
        with pytest.raises(
            BackupError, match=rf"1 of \d+ files(.|\n)*{file.path}(.|\n)*Nothing was replaced"
        ):
            restore(repository, newest, target, now=START, force=True)
    assert tree(local_path(living.root)) == before
    assert names(tmp_path) == ["backups", "home"]


def test_a_home_in_which_a_process_works_is_not_replaced(
    repository: Repository, newest: str, living: Home
) -> None:
    video = next(local_path(living.videos).glob("*.mp4"))
    reading = f"import sys; f = open({str(video)!r}); print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", reading], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(BackupError, match=rf"1 processes work in it: python[\d.]* \({process.pid}\)"):
            restore(repository, newest, local_path(living.root), now=START, force=True)
        assert process.stdin is not None
        process.stdin.close()
    restore(repository, newest, local_path(living.root), now=START, force=True)


def test_a_full_disk_is_said_before_anything_is_written(
    repository: Repository, newest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(BackupError, match="free space"):
        restore(repository, newest, tmp_path / "new", now=START)
    assert names(tmp_path) == ["backups", "home"]


def test_the_old_home_comes_back_when_the_exchange_fails(
    repository: Repository, newest: str, living: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, rename = tree(local_path(living.root)), Path.rename

    def fails(path: Path, target: Path) -> Path:
        if ".restoring-" in path.name:
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(BackupError, match="Input/output error"):
        restore(repository, newest, local_path(living.root), now=START, force=True)
    assert tree(local_path(living.root)) == before
    assert names(tmp_path) == ["backups", "home"]


def test_the_root_of_a_disk_is_filled_in_place(
    repository: Repository, newest: str, living: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    (disk / "lost+found").mkdir(parents=True)
    monkeypatch.setattr(Path, "is_mount", lambda path: path == disk)
    assert restore(repository, newest, disk, now=START).replaced is None
    (disk / "lost+found").rmdir()
    assert tree(disk) == tree(local_path(living.root))
    publish_text(disk / "videos" / "later.mp4", "after the backup")
    done = restore(repository, newest, disk, now=START, force=True)
    assert done.replaced == disk / ".before-20250602T080000Z"
    assert (done.replaced / "videos" / "later.mp4").exists()
    shutil.rmtree(done.replaced)
    assert tree(disk) == tree(local_path(living.root))


def test_a_disk_inside_the_root_of_a_disk_is_named_before_anything_is_moved(
    repository: Repository, newest: str, living: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the capture folder of a container, which is another one's folder."""
    home = local_path(living.root)
    before = tree(home)
    monkeypatch.setattr(Path, "is_mount", lambda path: path in (home, home / "capture"))
    with pytest.raises(BackupError, match="capture: is mounted there"):
        restore(repository, newest, home, now=START, force=True)
    assert tree(home) == before


@pytest.mark.parametrize("path", ["../outside", "/tmp/outside", "videos/../../outside"])
def test_a_snapshot_cannot_write_outside_of_the_home(
    repository: Repository, newest: str, tmp_path: Path, path: str
) -> None:
    snapshot = repository.snapshot(newest)
    forged = replace(snapshot, files=(*snapshot.files, replace(snapshot.files[0], path=path)))
    data = sealed(asdict(forged))
    name = snapshot_name(data, created_at=START)
    assert parse_snapshot(data, name=name) == forged
    repository.add_snapshot(name, data)
    with pytest.raises(BackupError, match="leads elsewhere"):
        restore(repository, name, tmp_path / "new", now=START)
    assert names(tmp_path) == ["backups", "home"]
