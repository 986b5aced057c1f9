"""Files of a home exchanged for others, all of them, so that whatever dies in between can be gone on with.

What they were and what they become lies in a folder of its own below ``upgrades/`` before the first one
changes. ``sopilot-home.json`` says that the home is on its way, and which way; it is exchanged last. The
caller is alone in the home, and writes as one who changes its format (`changing_format`).
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from sopilot_assets.errors import FormatError, StoreError
from sopilot_assets.processes.posix.files import flush
from sopilot_assets.store.home_format import (
    FORMAT_FILE,
    HomeFormat,
    read_format,
    this_program,
)
from sopilot_assets.store.publish import file_sha256, publish_bytes, publish_path

UPGRADES: Final = "upgrades"
MANIFEST: Final = "upgrade.json"
BEFORE, AFTER, ASIDE = "before", "after", "aside"
_DATABASES: Final = ".db"


@dataclass(frozen=True, slots=True)
class Exchanged:
    """One file: its path below the home, its permissions, and its SHA-256 before and after."""

    path: str
    mode: int
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Upgrade:
    """One upgrade of a home: its name, when it was made, from which format to which, by which migrations, and
    the files that it exchanges. ``was`` is what the home said of its format before; None where it said
    nothing.
    """

    name: str
    made_at: str
    made_by: str
    before: int
    after: int
    migrations: tuple[str, ...]
    files: tuple[Exchanged, ...]
    was: str | None

    @property
    def done(self) -> HomeFormat:
        """What the home says once the upgrade is done."""
        return HomeFormat(self.after, self.made_by, self.name)


def folder_of(root: Path, name: str) -> Path:
    """Where an upgrade keeps what files were and what they become."""
    return root / UPGRADES / name


def read_upgrade(root: Path, name: str) -> Upgrade:
    """An upgrade that was begun. Raises ``FormatError`` where its folder is not what it has to be."""
    path = folder_of(root, name) / MANIFEST
    try:
        said = json.loads(path.read_bytes())
        files = tuple(Exchanged(**one) for one in said.pop("files"))
        return Upgrade(files=files, migrations=tuple(said.pop("migrations")), **said)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise FormatError(
            f"{path}: expected what the upgrade {name} changed, found that it cannot be read ({error}). "
            "Bring the folder back from a backup, or the whole home: `sopilot backup restore`."
        ) from error


def write_upgrade(root: Path, upgrade: Upgrade) -> None:
    """Say that all files of the upgrade lie ready; from now on it can be carried out."""
    data = json.dumps(asdict(upgrade), indent=1).encode("ascii") + b"\n"
    publish_bytes(folder_of(root, upgrade.name) / MANIFEST, data)


def changed_since(root: Path, upgrade: Upgrade) -> list[str]:
    """The files of an upgrade that are by now neither what they were nor what they became."""
    for one in upgrade.files:
        settle(root / one.path)
    return [one.path for one in upgrade.files if _hash(root / one.path) not in (one.before, one.after)]


def carry_out(root: Path, upgrade: Upgrade) -> None:
    """Put the new files in place, whatever of that has been done already."""
    _exchange(root, upgrade, AFTER)
    publish_bytes(root / FORMAT_FILE, upgrade.done.as_json())


def take_back(root: Path, upgrade: Upgrade) -> None:
    """Put the old files back, whatever of that has been done already; the home is then as it was, but for
    what lies in ``upgrades/``.
    """
    _exchange(root, upgrade, BEFORE)
    if upgrade.was is not None:
        publish_bytes(root / FORMAT_FILE, upgrade.was.encode("utf-8"))
    else:
        (root / FORMAT_FILE).unlink(missing_ok=True)
        flush(root)


def put_aside(root: Path, upgrade: Upgrade, paths: list[str]) -> Path:
    """Keep copies of files that are about to be exchanged although they changed since; returns where."""
    folder = folder_of(root, upgrade.name) / ASIDE
    for path in paths:
        if (root / path).exists():
            copy_file(root / path, folder / path)
    return folder


def settle(path: Path) -> None:
    """Have SQLite bring all that was written to a database into its file, and keep nothing beside it.

    Raises ``StoreError`` where somebody works in it, or it is damaged.
    """
    if path.suffix != _DATABASES or not path.exists():
        return
    try:
        with closing(sqlite3.connect(path, timeout=10)) as database:
            busy = database.execute("pragma wal_checkpoint(truncate)").fetchone()[0]
    except sqlite3.Error as error:
        raise StoreError(
            f"{path}: expected a database in which nobody works, found {error}. Stop Dagster, or restore the "
            "file: sopilot backup restore."
        ) from error
    left = [f"{path}{end}" for end in ("-wal", "-journal") if Path(f"{path}{end}").exists()]
    if busy or left:
        raise StoreError(
            f"{path}: expected a database in which nobody works, found one in use. Stop `make dev`, the desk "
            "and the services, then run the same command again."
        )


def copy_file(source: Path, target: Path) -> None:
    """Publish a copy of a file, with its permissions."""
    publish_path(target, lambda temporary: _copied(source, temporary))
    target.chmod(source.stat().st_mode & 0o7777)


def _exchange(root: Path, upgrade: Upgrade, wanted: str) -> None:
    said = read_format(root)
    on_its_way = HomeFormat(
        upgrade.before if wanted == AFTER else upgrade.after,
        this_program(),
        upgrade.name,
        upgrade.after if wanted == AFTER else upgrade.before,
    )
    kept = folder_of(root, upgrade.name) / wanted
    if said != on_its_way:
        publish_bytes(root / FORMAT_FILE, on_its_way.as_json())
    for one in upgrade.files:
        _put(kept / one.path, root / one.path, one, one.after if wanted == AFTER else one.before)


def _put(kept: Path, target: Path, one: Exchanged, sha256: str) -> None:
    if _hash(target) != sha256:
        if _hash(kept) != sha256:
            raise FormatError(
                f"{kept}: expected SHA-256 {sha256[:12]}…, found another or no file. Bring it back from a "
                "backup, or the whole home: `sopilot backup restore`."
            )
        settle(target)
        publish_path(target, lambda temporary: _copied(kept, temporary))
    target.chmod(one.mode)  # also of one that was put there by who was killed before this


def _hash(path: Path) -> str | None:
    try:
        return file_sha256(path)
    except FileNotFoundError:
        return None


def _copied(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
