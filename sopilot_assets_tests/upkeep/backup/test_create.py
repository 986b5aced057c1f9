"""What a backup holds, what it leaves out, and that only what changed is written again."""

from __future__ import annotations

import builtins
import contextlib
import errno
import io
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sopilot_assets.capture.taken import NOTES_FILE
from sopilot_assets.errors import BackupError, ConfigError
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, publish_bytes, publish_text
from sopilot_assets.upkeep.backup import contents, taking
from sopilot_assets.upkeep.backup.contents import state_of
from sopilot_assets.upkeep.backup.create import create_backup
from sopilot_assets.upkeep.backup.repository import open_repository, shown_place
from sopilot_assets.upkeep.backup.restore import restore
from sopilot_assets.upkeep.backup.snapshot import SourceState
from sopilot_assets.upkeep.backup.taking import SHARES
from sopilot_assets.upkeep.backup.verify import verify_repository
from sopilot_assets.upkeep.backup.whose import give_id
from sopilot_assets_tests.upkeep.backup.made_up import (
    after,
    database_of,
    happen,
    tree,
    write_in_database,
)


def restored(place: str, target: Path) -> dict[str, tuple[int, bytes]]:
    repository = open_repository(place)
    restore(repository, repository.snapshot_names()[-1], target, now=after(5))
    return tree(target)


def test_what_was_backed_up_comes_back_with_its_permissions(living: Home, place: str, tmp_path: Path) -> None:
    give_id(living)
    before = tree(local_path(living.root))
    backup = create_backup(living, place, now=after(5))
    assert backup.is_sound
    assert restored(place, tmp_path / "new") == before
    assert tree(local_path(living.root)) == before
    assert (tmp_path / "new" / "keys" / "dossier").stat().st_mode & 0o777 == 0o600


def test_notes_on_the_capture_folder_stay_behind_since_they_may_be_later_than_the_rows(
    living: Home, place: str, tmp_path: Path
) -> None:
    publish_bytes(living.videos / NOTES_FILE, b"{}")
    create_backup(living, place, now=after(5))
    assert not any(name.endswith(NOTES_FILE) for name in restored(place, tmp_path / "new"))


def test_only_what_changed_is_written_again(living: Home, place: str) -> None:
    first = create_backup(living, place, now=after(5))
    again = create_backup(living, place, now=after(6))
    assert (again.new_objects, again.new_bytes) == (0, 0)
    assert again.snapshot.files == first.snapshot.files
    assert again.snapshot.previous == first.name
    publish_bytes(living.videos / "one_more.mp4", b"new")
    third = create_backup(living, place, now=after(7))
    assert (third.new_objects, third.new_bytes) == (1, 3)
    publish_bytes(living.videos / "the_same.mp4", b"new")
    assert create_backup(living, place, now=after(8)).new_objects == 0


def test_of_a_large_database_only_the_parts_that_changed_are_written(living: Home, place: str) -> None:
    with contextlib.closing(sqlite3.connect(database_of(living))) as connection, connection:
        connection.executemany("insert into runs values (?, ?)", [(str(n), "x" * 1000) for n in range(4000)])
    size = database_of(living).stat().st_size
    assert create_backup(living, place, now=after(5)).new_bytes > size
    write_in_database(living, "one more")
    assert 0 < create_backup(living, place, now=after(6)).new_bytes < size / 2


def test_a_database_is_copied_with_what_is_still_in_its_log(living: Home, place: str, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(database_of(living))) as reader:
        reader.execute("select * from runs").fetchall()
        write_in_database(living, "not in the file yet")
        assert database_of(living).with_name("more.db-wal").stat().st_size > 0
        create_backup(living, place, now=after(5))
        write_in_database(living, "too late")
        create_backup(living, place, now=after(6))
    repository = open_repository(place)
    for name, expected in zip(repository.snapshot_names(), (7, 8), strict=True):
        target = tmp_path / name
        restore(repository, name, target, now=after(7))
        with contextlib.closing(sqlite3.connect(database_of(Home.at(target)))) as connection:
            assert connection.execute("select count(*) from runs").fetchone() == (expected,)
        assert not list(target.rglob("*-wal"))


def test_what_is_left_out_is_said(living: Home, place: str) -> None:
    folder = local_path(living.root)
    fresh = "capture/tea/trainee/site a/お茶 100%25.mp4"
    publish_text(living.capture / "tea" / "gold" / "steps.csv", "video,step")
    (folder / "videos" / "link.mp4").symlink_to("/etc/hostname")
    os.mkfifo(folder / "alignments")
    backup = create_backup(living, place, now=after(0))
    said = {remark.path: remark.what for remark in backup.snapshot.left_out}
    assert sorted(said) == ["alignments", fresh, "proxies", "videos/link.mp4"]
    assert "the next backup has it" in said[fresh]
    assert "capture/tea/gold/steps.csv" in backup.snapshot.by_path
    assert fresh in create_backup(living, place, now=after(5)).snapshot.by_path
    assert backup.is_sound


def test_a_folder_of_the_home_may_lie_on_another_disk(living: Home, place: str, tmp_path: Path) -> None:
    videos = local_path(living.videos)
    videos.rename(tmp_path / "big disk")
    videos.symlink_to(tmp_path / "big disk")
    before = tree(tmp_path / "big disk")
    create_backup(living, place, now=after(5))
    restored(place, tmp_path / "new")
    assert tree(tmp_path / "new" / "videos") == before


def test_a_name_that_is_no_text_comes_back(living: Home, place: str, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9 %41\n.mp4")
    (local_path(living.quarantine) / name).write_bytes(b"odd")
    create_backup(living, place, now=after(5))
    restored(place, tmp_path / "new")
    assert (tmp_path / "new" / "quarantine" / name).read_bytes() == b"odd"


def rot(path: Path) -> None:
    """Another byte, with the time and the size that the file had."""
    found, data = path.stat(), bytearray(path.read_bytes())
    data[7] ^= 1
    with path.open("r+b") as stream:
        stream.write(data)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def some_rounds(living: Home, place: str, spoil: Callable[[], None]) -> list[str]:
    """What the backups of one whole round of shares say, after something was spoiled."""
    create_backup(living, place, now=after(5))
    spoil()
    backups = [create_backup(living, place, now=after(6 + number)) for number in range(SHARES)]
    return [remark.what for backup in backups for remark in (*backup.snapshot.problems, *backup.mended)]


def test_an_object_that_rots_is_found_within_a_round_and_written_again(living: Home, place: str) -> None:
    def spoil() -> None:
        rot(next(path for path in Path(place, "objects").rglob("*") if path.is_file()))

    (said,) = some_rounds(living, place, spoil)
    assert "was written again" in said
    assert verify_repository(open_repository(place)).damaged == ()


def test_a_recording_that_rots_in_the_home_is_found_and_the_good_copy_stays(
    living: Home, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = next(local_path(living.videos).glob("*.mp4"))
    good, state = video.read_bytes(), video.stat()

    def spoil() -> None:
        rot(video)
        # a failing disk changes no time, but a test cannot write without a new time of the inode
        for module in (contents, taking):
            monkeypatch.setattr(module, "state_of", state_before)

    def state_before(found: os.stat_result) -> SourceState:
        return state_of(state if found.st_ino == state.st_ino else found)

    said = some_rounds(living, place, spoil)
    assert said
    assert all("damaged in the home" in one and "still has the right one" in one for one in said)
    monkeypatch.undo()
    restored(place, tmp_path / "new")
    assert (tmp_path / "new" / "videos" / video.name).read_bytes() == good


def test_a_damaged_database_is_a_problem_and_the_rest_is_backed_up(living: Home, place: str) -> None:
    path = local_path(living.root) / "dagster" / "schedules" / "schedules.db"
    publish_bytes(path, b"SQLite format 3\0" + b"\1" * 5000)
    backup = create_backup(living, place, now=after(5))
    assert [remark.path for remark in backup.snapshot.problems] == ["dagster/schedules/schedules.db"]
    assert not backup.is_sound
    assert len(backup.snapshot.files) > 10


def test_a_damaged_snapshot_is_named_and_the_one_before_is_built_on(living: Home, place: str) -> None:
    first = create_backup(living, place, now=after(5))
    second = create_backup(living, place, now=after(6))
    rot(Path(place, "snapshots", f"{second.name}.json"))
    third = create_backup(living, place, now=after(7))
    assert third.new_objects == 0
    assert third.snapshot.previous == first.name
    assert [remark.path for remark in third.unreadable] == [f"snapshots/{second.name}.json"]
    assert not third.is_sound


@pytest.mark.parametrize("inside", ["home/backups", "home", "home/../home/x"])
def test_a_place_inside_the_home_is_refused(living: Home, tmp_path: Path, inside: str) -> None:
    with pytest.raises(ConfigError, match="lies inside the home"):
        create_backup(living, str(tmp_path / inside), now=after(5))


def test_a_folder_with_other_files_is_refused_and_stays(living: Home, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"a")
    with pytest.raises(BackupError, match="found other files"):
        create_backup(living, str(tmp_path / "photos"), now=after(5))
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["a.jpg"]


def test_others_cannot_read_a_repository(living: Home, place: str) -> None:
    create_backup(living, place, now=after(5))
    assert all(path.stat().st_mode & 0o077 == 0 for path in (Path(place), *Path(place, "objects").rglob("*")))


def test_an_object_store_holds_backups_too(living: Home, tmp_path: Path) -> None:
    place = "memory://bucket/backups"
    give_id(living)
    before = tree(local_path(living.root))
    create_backup(living, place, now=after(5))
    happen(living, "one more")
    create_backup(living, place, now=after(6))
    assert create_backup(living, place, now=after(7)).new_objects == 0
    assert verify_repository(open_repository(place)).damaged == ()
    repository = open_repository(place)
    restore(repository, repository.snapshot_names()[0], tmp_path / "new", now=after(8))
    assert tree(tmp_path / "new") == before


@pytest.mark.parametrize("place", ["memory://user:secret@bucket/a", "memory://bucket/a?token=secret"])
def test_credentials_in_a_place_are_refused_and_not_repeated(living: Home, place: str) -> None:
    with pytest.raises(BackupError, match=r"memory://bucket/a: expected the address only") as caught:
        create_backup(living, place, now=after(5))
    assert "secret" not in str(caught.value)


def test_a_place_is_shown_without_its_secrets() -> None:
    assert shown_place("s3://user:secret@bucket/backup?token=1") == "s3://bucket/backup"
    assert shown_place("/mnt/a@b?c") == "/mnt/a@b?c"


@pytest.mark.parametrize("name", ["ledgers/labels.tea.head", "studies/study1/figures.json"])
def test_a_file_that_the_disk_does_not_give_is_a_problem_and_the_rest_is_backed_up(
    living: Home, place: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    a_disk_that_fails(monkeypatch, local_path(living.root) / name, errno.EIO)
    backup = create_backup(living, place, now=after(5))
    (problem,) = backup.snapshot.problems
    assert problem.path == name
    assert "could not be read (Input/output error)" in problem.what
    assert {f"videos/{path.name}" for path in living.videos.glob("*.mp4")} <= set(backup.snapshot.by_path)


def test_without_room_for_a_copy_no_backup_is_made_and_where_room_is_needed_is_said(
    living: Home, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_disk_that_fails(monkeypatch, local_path(living.studies) / "study1" / "figures.json", errno.ENOSPC)
    with pytest.raises(BackupError, match=r"could not hold a copy of studies/study1/figures\.json"):
        create_backup(living, place, now=after(5))
    assert open_repository(place).snapshot_names() == []


def a_disk_that_fails(monkeypatch: pytest.MonkeyPatch, bad: Path, number: int) -> None:
    """Opening this file ends with that error."""
    real = io.open

    def broken(path: str | Path, *how: Any, **more: Any) -> Any:
        if str(path) == str(bad):
            raise OSError(number, os.strerror(number), str(path))
        return real(path, *how, **more)

    monkeypatch.setattr(Path, "open", broken)
    monkeypatch.setattr(builtins, "open", broken)
