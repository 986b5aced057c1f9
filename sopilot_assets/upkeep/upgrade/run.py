"""An upgrade of a home, and taking the last one back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sopilot_assets.errors import ConfigError, FormatError
from sopilot_assets.processes.posix.files import owner_but_root
from sopilot_assets.settings import load_settings
from sopilot_assets.store.home import Home
from sopilot_assets.store.home_format import (
    FORMAT_FILE,
    HOME_FORMAT,
    HomeFormat,
    changing_format,
    read_format,
    refuse_unwritable,
    this_program,
)
from sopilot_assets.store.journal import append_journal
from sopilot_assets.store.publish import file_sha256, local_path, only_writer
from sopilot_assets.upkeep.backup.routine import BackupRun, back_up
from sopilot_assets.upkeep.backup.users import users_of
from sopilot_assets.upkeep.upgrade import exchange
from sopilot_assets.upkeep.upgrade.exchange import Exchanged, Upgrade
from sopilot_assets.upkeep.upgrade.migrations import Migration, UpgradePlan, plan_upgrade
from sopilot_assets.upkeep.upgrade.room import refuse_full
from sopilot_assets.upkeep.upgrade.unknown_before import unknown_before

HISTORY: Final = "history.jsonl"
"""The journal of all upgrades of a home, for people: what was done, when, and by which version."""
_LOCK: Final = "run.lock"


@dataclass(frozen=True, slots=True)
class Upgraded:
    """An upgrade that was carried out. ``finished`` says whether it was one that had been interrupted, and
    ``backup`` is the backup that was made before.
    """

    upgrade: Upgrade
    finished: bool
    backup: BackupRun | None


@dataclass(frozen=True, slots=True)
class Reverted:
    """An upgrade that was taken back: the format that the home has again, where files lie that had changed
    since, and what was written since that the version before refuses to read.
    """

    upgrade: Upgrade
    number: int
    aside: Path | None
    unknown: tuple[str, ...]


def run_upgrade(
    home: Home, migrations: Sequence[Migration], *, now: datetime, backup: bool = True
) -> Upgraded | None:
    """Bring the home to this version's format by the ``migrations`` that it needs; None where it needs none.

    What changes is copied into the home's ``upgrades/`` first, and with ``backup`` the whole home to where
    its settings say, if they name a place. Killed at any moment, the home is the old one, the new one, or one
    that nobody may write into until this is called again, which goes on, or `revert_upgrade`.

    Raises ``FormatError`` for a home of a newer format or on its way to one, ``ConfigError`` where processes
    work in the home, root calls in somebody else's or there is no room, ``BackupError`` where the backup
    cannot be made; the home is unchanged then.
    """
    root = local_path(home.root)
    before = read_format(root)
    if max(before.number, before.towards or 0) > HOME_FORMAT:
        refuse_unwritable(root)
    if before.towards is not None:
        return _finish(root, before, now)
    plan = plan_upgrade(root, before, migrations)
    if not plan.is_needed:
        return None
    with _alone(root):
        refuse_full(root, plan)
        made = back_up(home, None, now=now) if backup and load_settings(home).backup.destination else None
        upgrade = _prepared(root, plan, now)
        _carry_out(root, upgrade, now)
    return Upgraded(upgrade, finished=False, backup=made)


def revert_upgrade(home: Home, *, now: datetime, keep_aside: bool = False) -> Reverted:
    """Take the last upgrade back: its files are again what they were, byte by byte.

    Rows, recordings, labels and whatever else was written since stay. A file of the upgrade that somebody
    changed since would be lost: that is refused by ``ConfigError``, unless it is to be kept ``aside``.
    """
    root = local_path(home.root)
    said = read_format(root)
    if said.number > HOME_FORMAT:
        refuse_unwritable(root)
    if said.upgrade is None:
        raise ConfigError(
            f"{root}: expected a home that was upgraded, found one of format {said.number} that never was. "
            "There is nothing to take back."
        )
    upgrade = exchange.read_upgrade(root, said.upgrade)
    with _alone(root):
        changed = exchange.changed_since(root, upgrade)
        if changed and not keep_aside:
            raise ConfigError(
                f"{root}: changed since {upgrade.name}, and would be lost: {', '.join(changed[:5])}"
                f"{' and others' if len(changed) > 5 else ''}. Nothing was taken back. With --keep-aside "
                f"they are copied to {exchange.folder_of(root, upgrade.name) / exchange.ASIDE} first."
            )
        aside = exchange.put_aside(root, upgrade, changed) if changed else None
        _note(root, upgrade, "taking back", now)
        exchange.take_back(root, upgrade)
        _note(root, upgrade, "taken back", now)
    return Reverted(upgrade, upgrade.before, aside, unknown_before(home))


def _finish(root: Path, said: HomeFormat, now: datetime) -> Upgraded:
    upgrade = exchange.read_upgrade(root, said.upgrade or "")
    with _alone(root):
        changed = exchange.changed_since(root, upgrade)
        if changed:
            raise FormatError(
                f"{root}: changed while {upgrade.name} was under way: {', '.join(changed[:5])}. Nothing was "
                "done. `sopilot upgrade revert --keep-aside` copies them aside and takes the upgrade back."
            )
        _carry_out(root, upgrade, now)
    return Upgraded(upgrade, finished=True, backup=None)


def _carry_out(root: Path, upgrade: Upgrade, now: datetime) -> None:
    _note(root, upgrade, "begun", now)
    exchange.carry_out(root, upgrade)
    _note(root, upgrade, "done", now)


def _prepared(root: Path, plan: UpgradePlan, now: datetime) -> Upgrade:
    """The upgrade, with all its files beside those of the home, of which none has changed yet."""
    _sweep(root)
    name = _free_name(root, now)
    folder = exchange.folder_of(root, name)
    for path in plan.files:
        exchange.settle(root / path)
        exchange.copy_file(root / path, folder / exchange.BEFORE / path)
        exchange.copy_file(root / path, folder / exchange.AFTER / path)
    for one in plan.migrations:
        one.migration.apply(folder / exchange.AFTER)
    for path in plan.files:
        exchange.settle(folder / exchange.AFTER / path)
    said = root / FORMAT_FILE
    upgrade = Upgrade(
        name=name,
        made_at=now.isoformat(),
        made_by=this_program(),
        before=plan.before.number,
        after=HOME_FORMAT,
        migrations=tuple(one.migration.name for one in plan.migrations),
        files=tuple(_exchanged(root, folder, path) for path in plan.files),
        was=said.read_text("utf-8") if said.exists() else None,
    )
    exchange.write_upgrade(root, upgrade)
    return upgrade


def _exchanged(root: Path, folder: Path, path: str) -> Exchanged:
    hashes = (file_sha256(folder / part / path) for part in (exchange.BEFORE, exchange.AFTER))
    return Exchanged(path, (root / path).stat().st_mode & 0o7777, *hashes)


def _free_name(root: Path, now: datetime) -> str:
    stamp = f"{now:%Y%m%dT%H%M%SZ}"
    names = (stamp, *(f"{stamp}-{number}" for number in range(2, 1000)))
    return next(name for name in names if not exchange.folder_of(root, name).exists())


def _sweep(root: Path) -> None:
    """Remove what an upgrade prepared that was killed before it changed anything."""
    for folder in sorted((root / exchange.UPGRADES).glob("*/")):
        if not (folder / exchange.MANIFEST).exists():
            shutil.rmtree(folder)


def _note(root: Path, upgrade: Upgrade, event: str, now: datetime) -> None:
    said = {"upgrade": upgrade.name, "event": event, "at": now.isoformat(), "by": this_program()}
    line = {**said, "from": upgrade.before, "to": upgrade.after}
    append_journal(root / exchange.UPGRADES / HISTORY, [line])


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold the home's upgrades; ``ConfigError`` where processes work in the home, or for root where it is
    somebody else's.
    """
    owner = owner_but_root(root)
    if owner is not None:
        raise ConfigError(
            f"{root}: expected to be called as {owner}, whom the home belongs to, found root; what root "
            f"writes {owner} could not change. Call it so: `sudo -u {owner} sopilot ...`."
        )
    users = users_of(root)
    if users:
        raise ConfigError(
            f"{root}: {len(users)} processes work in it: {'; '.join(users[:5])}. End them first (Ctrl-C of "
            "`make dev`; services: `systemctl stop sopilot.target`; containers: `podman-compose down`), then "
            "run the same command again; what has just been stopped may need a minute to end."
        )
    with changing_format(), only_writer(root / exchange.UPGRADES / _LOCK):
        yield
