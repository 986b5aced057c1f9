"""One flipped byte anywhere in a repository is found, and the file that holds it is named."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from sopilot_assets.store.publish import publish_bytes
from sopilot_assets.upkeep.backup.create import create_backup
from sopilot_assets.upkeep.backup.repository import MARKER, Repository, open_repository
from sopilot_assets.upkeep.backup.verify import verify_repository
from sopilot_assets_tests.upkeep.backup.made_up import after, happen, made_up_home

FLIPS = int(os.environ.get("SOPILOT_FLIPS", "1000"))


@pytest.fixture(scope="module")
def two_backups(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small repository with two backups, which is copied."""
    folder = tmp_path_factory.mktemp("two")
    home = made_up_home(folder / "home", recordings=1)
    create_backup(home, str(folder / "backups"), now=after(5))
    happen(home, "one more")
    create_backup(home, str(folder / "backups"), now=after(6))
    return folder / "backups"


@pytest.fixture
def repository(two_backups: Path, tmp_path: Path) -> Repository:
    return open_repository(shutil.copytree(two_backups, tmp_path / "backups"))


def files_of(repository: Repository) -> list[Path]:
    root = Path(repository.root.path)
    return sorted(path for path in root.rglob("*") if path.is_file() and path.stat().st_size)


def flip(path: Path, place: int, mask: int) -> None:
    with path.open("r+b") as stream:
        stream.seek(place)
        (byte,) = stream.read(1)
        stream.seek(place)
        stream.write(bytes([byte ^ mask]))


@pytest.mark.whole
def test_every_flipped_byte_is_found_and_its_file_named(repository: Repository) -> None:
    rng, root, files = random.Random(1), Path(repository.root.path), files_of(repository)
    assert verify_repository(repository).damaged == ()
    sizes = [path.stat().st_size for path in files]
    missed = []
    for number in range(FLIPS):
        # half of them in any file, so that the small ones get their share; half at any place
        path = rng.choice(files) if number % 2 else rng.choices(files, sizes)[0]
        place, mask = rng.randrange(path.stat().st_size), rng.randrange(1, 256)
        flip(path, place, mask)
        found = [damage.file for damage in verify_repository(repository).damaged]
        flip(path, place, mask)
        if found[:1] != [path.relative_to(root).as_posix()]:
            missed.append((path, place, found))
    assert missed == []
    assert verify_repository(repository).damaged == ()


def test_what_a_damaged_object_held_is_named(repository: Repository) -> None:
    newest = repository.snapshot_names()[-1]
    file = next(one for one in repository.snapshot(newest).files if one.path.startswith("videos/"))
    flip(Path(repository.object(file.sha256).path), 5, 1)
    (damage,) = verify_repository(repository).damaged
    assert damage.paths == (file.path,)
    assert newest in damage.snapshots


@pytest.mark.parametrize("kind", ["objects", "snapshots", MARKER])
def test_a_file_that_is_cut_or_longer_is_found(repository: Repository, kind: str) -> None:
    path = next(path for path in files_of(repository) if kind in path.relative_to(repository.root.path).parts)
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole + b"\n", b""):
        path.write_bytes(damaged)
        assert len(verify_repository(repository).damaged) == 1


def test_a_missing_object_is_found(repository: Repository) -> None:
    file = repository.snapshot(repository.snapshot_names()[0]).files[0]
    repository.object(file.objects[0]).unlink()
    (damage,) = verify_repository(repository).damaged
    assert (damage.what, damage.paths) == ("is missing", (file.path,))


def test_a_missing_marker_is_found(repository: Repository) -> None:
    (repository.root / MARKER).unlink()
    (damage,) = verify_repository(open_repository(repository.root)).damaged
    assert damage.file == MARKER


def test_what_belongs_to_no_backup_is_counted_and_what_no_backup_wrote_is_named(
    repository: Repository,
) -> None:
    publish_bytes(repository.root / "notes.txt", b"by hand")
    publish_bytes(repository.objects / "ab" / "short", b"by hand")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    publish_bytes(repository.object(digest), b"abc")
    found = verify_repository(repository)
    assert (found.unused, sorted(found.foreign)) == (1, ["notes.txt", "objects/ab/short"])
    assert found.damaged == ()
