"""Backups and drills as they are run by hand, by a schedule and by a campaign: with settings and ledgers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sopilot_assets.capture.erasures import erasures, last_erasure
from sopilot_assets.errors import BackupError, ConfigError
from sopilot_assets.settings import SETTINGS_FILE, load_settings
from sopilot_assets.stations.outcome import Progress
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, Row
from sopilot_assets.upkeep.backup.create import Backup, create_backup
from sopilot_assets.upkeep.backup.drill import Drill, Look, drill
from sopilot_assets.upkeep.backup.forget import Forgotten, forget
from sopilot_assets.upkeep.backup.history import backups_ledger, drills_ledger
from sopilot_assets.upkeep.backup.repository import Repository, open_repository
from sopilot_assets.upkeep.backup.snapshot import Remark
from sopilot_assets.upkeep.backup.whose import is_of, newest_of


@dataclass(frozen=True, slots=True)
class BackupRun:
    """A backup that was made: its row in the ledger, and what was removed after it, or why nothing was."""

    row: Row
    backup: Backup
    forgotten: Forgotten | Remark | None

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """What somebody has to look at."""
        return (
            *self.backup.snapshot.problems,
            *self.backup.mended,
            *self.backup.unreadable,
            *self._of_old_ones(),
        )

    def _of_old_ones(self) -> Iterator[Remark]:
        if isinstance(self.forgotten, Remark):
            yield self.forgotten
        for name in self.forgotten.doubtful if isinstance(self.forgotten, Forgotten) else ():
            what = (
                "holds what was erased, if it is of this home: it was made elsewhere before backups said of "
                "which home they are. If so, remove this file, then `sopilot backup forget`"
            )
            yield Remark(f"snapshots/{name}.json", what)


def back_up(
    home: Home,
    place: str | None,
    *,
    now: datetime,
    run_id: str | None = None,
    on_progress: Progress | None = None,
) -> BackupRun:
    """A new backup, entered in the ledger ``backups``; without ``place`` it goes where the settings say, and
    older ones than the settings keep are removed there.

    Once it is sound, those are removed at any place that were begun before somebody was erased: they hold
    what has to be gone. Raises `ConfigError` where neither names a place, `BackupError` where the backup
    cannot be made.
    """
    started_s = time.monotonic()
    destination = place or destination_of(home)
    backup = create_backup(home, destination, now=now, on_progress=on_progress)
    repository = open_repository(destination)
    row: Row = {
        "backup": backup.name,
        "destination": repository.name,
        "created_at": now.isoformat(),
        "files": len(backup.snapshot.files),
        "bytes": backup.snapshot.bytes,
        "new_objects": backup.new_objects,
        "new_bytes": backup.new_bytes,
        "read_again": backup.read_again,
        "problems": len(backup.snapshot.problems) + len(backup.mended) + len(backup.unreadable),
        "sound": backup.is_sound,
        "seconds": round(time.monotonic() - started_s, 3),
    }
    backups_ledger(home).append(
        [row], run_id=run_id or f"backup-{now:%Y%m%dT%H%M%S}", written_at=now.isoformat()
    )
    return BackupRun(row, backup, _forget_old(home, repository, backup, all_stay=place is not None))


def _forget_old(
    home: Home, repository: Repository, backup: Backup, *, all_stay: bool
) -> Forgotten | Remark | None:
    """What was removed; a remark where an older snapshot is damaged, which makes no backup undone."""
    erased_at = last_erasure(erasures(home))
    if erased_at is not None and not backup.is_sound:
        what = "older backups, which hold what was erased, stay until there is a sound one"
        return Remark(repository.name, what)
    if all_stay and erased_at is None:
        return None
    keep = len(repository.snapshot_names()) if all_stay else load_settings(home).backup.keep
    try:
        return forget(repository, home, keep=keep, begun_before=erased_at)
    except BackupError as error:
        return Remark(repository.name, f"no old backup was removed: {error}")


@dataclass(frozen=True, slots=True)
class Drilled:
    """A drill and its row in the ledger."""

    row: Row
    drill: Drill


def drill_newest(
    home: Home,
    place: str | None,
    *,
    now: datetime,
    run_id: str | None = None,
    look: Look | None = None,
    on_progress: Progress | None = None,
) -> Drilled:
    """The drill of the newest backup, entered in the ledger ``backup_drills``.

    Raises `ConfigError` where no place is named, `BackupError` where there is no backup.
    """
    started_s = time.monotonic()
    repository = repository_of(home, place)
    done = drill(home, repository, newest_of(repository, home), look=look, on_progress=on_progress)
    row: Row = {
        "drill": f"drill-{now:%Y%m%dT%H%M%SZ}",
        "backup": done.name,
        "destination": repository.name,
        "drilled_at": now.isoformat(),
        "files": done.files,
        "rows": done.rows,
        "problems": len(done.problems),
        "passed": not done.problems,
        "what": f"{done.problems[0].path}: {done.problems[0].what}" if done.problems else None,
        "seconds": round(time.monotonic() - started_s, 3),
    }
    run_id = run_id or f"drill-{now:%Y%m%dT%H%M%S}"
    drills_ledger(home).append([row], run_id=run_id, written_at=now.isoformat())
    return Drilled(row, done)


def repository_of(home: Home, place: str | None) -> Repository:
    """The repository at ``place``, else the one of the settings."""
    return open_repository(place or destination_of(home))


def destination_of(home: Home) -> str:
    """Where the settings say that backups go; `ConfigError` where they do not."""
    destination = load_settings(home).backup.destination
    if destination is None:
        raise ConfigError(
            f"{home.root / SETTINGS_FILE}: names no place for backups. Write "
            "`backup: {destination: FOLDER}` into it, or name the folder after the command; it should lie on "
            "another disk."
        )
    return destination


def chosen_snapshot(repository: Repository, home: Home, wanted: str | None) -> str:
    """The name of the snapshot that begins with ``wanted``, of whatever home, else of the newest of this home
    (`newest_of`); `BackupError` for none or several.
    """
    if not wanted:
        return newest_of(repository, home)
    names = repository.snapshot_names()
    found = [name for name in names if name.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    shown = ", ".join(names[-5:]) or "none"
    raise BackupError(
        f"{repository.name}: expected one backup that begins with {wanted}, "
        f"found {len(found)}; the newest there are: {shown}. `sopilot backup list` shows all."
    )


def snapshot_rows(repository: Repository, home: Home) -> list[dict[str, Cell]]:
    """One row for each snapshot, oldest first; ``own`` says whether it is one of this home, ``damage`` why
    one cannot be read.
    """
    return [_snapshot_row(repository, home, name) for name in repository.snapshot_names()]


def _snapshot_row(repository: Repository, home: Home, name: str) -> dict[str, Cell]:
    try:
        snapshot = repository.snapshot(name)
    except BackupError as error:
        none = dict.fromkeys(("created_at", "files", "bytes", "left_out", "problems", "home", "own"))
        return {"backup": name, **none, "damage": str(error)}
    return {
        "backup": name,
        "created_at": snapshot.created_at,
        "files": len(snapshot.files),
        "bytes": snapshot.bytes,
        "left_out": len(snapshot.left_out),
        "problems": len(snapshot.problems),
        "home": snapshot.home,
        "own": is_of(snapshot, home),
        "damage": None,
    }
