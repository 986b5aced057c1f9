"""Installing the services of a home, looking at them, and removing them."""

from __future__ import annotations

import os
import pwd
import re
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sopilot_assets.errors import ConfigError, StoreError
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, publish_text
from sopilot_assets.upkeep.services.facts import (
    USER,
    Part,
    ServiceFacts,
    ServiceOptions,
    gather,
    must_stay,
    variables,
)
from sopilot_assets.upkeep.services.place import Place, account_text
from sopilot_assets.upkeep.services.systemd import Systemd, UnitState
from sopilot_assets.upkeep.services.units import TARGET, parts_of, services_of, unit_of

_NVIDIA: Final = Path("/dev/nvidiactl")
_LIMIT_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Installed:
    """What an installation did: files that changed, services that were started, what there is to know."""

    facts: ServiceFacts
    changed: tuple[Path, ...]
    started: tuple[str, ...]
    told: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceState:
    """How one unit is; ``as_written``: its file is the one that this version would write."""

    unit: UnitState
    as_written: bool
    log: str


@dataclass(frozen=True, slots=True)
class Services:
    """The services of a machine, in the system's systemd or in that of whoever calls."""

    place: Place
    systemd: Systemd
    python: Path

    def plan(self, home: Home, options: ServiceOptions) -> ServiceFacts:
        """The facts that an installation would be made of; ``ConfigError`` where it cannot be made."""
        before = self.place.before()
        root = local_path(home.root)
        if before is not None and before.home != str(root):
            raise ConfigError(
                f"{self.place.units / TARGET}: expected services of {root}, found those of {before.home}. "
                "One machine serves one home; remove them first: `sopilot service uninstall`."
            )
        account = None if self.systemd.user else self._account(root, options, before)
        return gather(
            home,
            python=self.python,
            account=account,
            options=options,
            before=before,
            walled=self.systemd.can_wall(),
            gpu=_NVIDIA.exists(),
        )

    def install(self, home: Home, options: ServiceOptions) -> Installed:
        """Write the units and start the services; those that changed are started again.

        Raises ``ConfigError`` before anything has changed where it cannot be done.
        """
        if not self.systemd.user and os.geteuid() != 0:
            raise ConfigError(
                "the system's services are root's: expected to be called by root. Use sudo, or --user for "
                "services of your own account."
            )
        self.systemd.must_run()
        facts = self.plan(home, options)
        must_stay(facts)
        self._refuse_taken(facts)
        self.place.refuse_others(facts)
        told = []
        if facts.account is not None:
            told += self._give_to(facts.account, facts)
        unwanted = self.place.unwanted(facts)
        if unwanted:
            self.systemd.control("stop", *(path.name for path in unwanted))
        changed = self.place.write(facts)
        if self.place.offer_secrets(variables(home)):
            told.append(f"Secrets, if there are any, go into {self.place.environment_file}.")
        told += self._missing(facts)
        self.systemd.control("daemon-reload")
        started = self._start(facts, {path.name for path in changed})
        return Installed(facts, tuple(changed), tuple(started), tuple(told))

    def states(self) -> list[ServiceState]:
        """How each unit is; raises ``ConfigError`` where none is installed."""
        facts = self._installed()
        wanted = {path.name for path in self.place.changed(self._renewed(facts))}
        names = parts_of(facts)
        whose = "--user-unit" if self.systemd.user else "--unit"
        return [
            ServiceState(state, state.unit not in wanted, f"journalctl {whose} {state.unit}")
            for state in self.systemd.states(names)
        ]

    def uninstall(self) -> tuple[list[Path], list[Path]]:
        """Stop the services and remove what install wrote; returns what went and what stays. The home and
        the account stay in any case.
        """
        if not self.systemd.user and os.geteuid() != 0:
            raise ConfigError("the system's services are root's: expected to be called by root. Use sudo.")
        self._installed()
        self.systemd.must_run()
        self.systemd.control("disable", "--now", TARGET)
        self.systemd.control("stop", *(path.name for path in self.place.our_units()))
        gone, kept = self.place.remove()
        self.systemd.control("daemon-reload")
        return gone, kept

    def _installed(self) -> ServiceFacts:
        facts = self.place.before()
        if facts is None:
            raise ConfigError(
                f"{self.place.units / TARGET}: expected services that `sopilot service install` wrote, found "
                f"none.{'' if self.systemd.user else ' Those of your own account: --user.'}"
            )
        return facts

    def _renewed(self, facts: ServiceFacts) -> ServiceFacts:
        """What this version would install now of what is installed."""
        try:
            return gather(
                Home.at(facts.home),
                python=self.python,
                account=facts.account,
                options=ServiceOptions(),
                before=facts,
                walled=facts.walled,
                gpu=facts.gpu,
            )
        except (ConfigError, OSError):  # the home is gone, or may not be read by whoever asks
            return facts

    def _account(self, root: Path, options: ServiceOptions, before: ServiceFacts | None) -> str:
        """Whom the services run as: whoever is asked for, or it was, or the home belongs to; never root."""
        if options.account is not None:
            _must_be_somebody(options.account)
            return options.account
        if before is not None and before.account is not None:
            return before.account
        owner = root.stat().st_uid if root.exists() else 0
        return _name_of(owner) if owner else USER

    def _refuse_taken(self, facts: ServiceFacts) -> None:
        ports = {Part.DESK: facts.desk_port, Part.WEB: facts.web_port}
        for part, port in ports.items():
            if part in facts.parts and not self.systemd.is_active(unit_of(part)) and _is_taken(port):
                raise ConfigError(
                    f"127.0.0.1:{port}: expected a free port for the {part}, found a program that listens. "
                    f"End it (`make dev`, `sopilot desk`?), or take another port with --{part}-port."
                )

    def _give_to(self, account: str, facts: ServiceFacts) -> list[str]:
        """Make the account where there is none, and let it have a home that is root's."""
        told = []
        if not _exists(account):
            _make_account(self.place, account)
            told.append(f"Made the account {account}.")
        person, root = pwd.getpwnam(account), Path(facts.home)
        if root.stat().st_uid == 0:
            given = give(root, person.pw_uid, person.pw_gid)
            told.append(f"Gave {root} to {account} ({given} files and folders).")
        alien = next(others(root, person.pw_uid), None)
        if alien is not None:
            raise ConfigError(
                f"{alien}: expected all of the home to belong to {account}, found somebody else's. Give "
                f"it to them: `chown -R {account}: {root}`, then run the same command again."
            )
        _must_be_runnable(account, Path(facts.programs), person)
        return told

    def _missing(self, facts: ServiceFacts) -> list[str]:
        """What to do where services shall write outside of the home: only what is there is opened to them."""
        again = f"systemctl {'--user ' if self.systemd.user else ''}restart {TARGET}"
        return [
            f"{path} is not there, and services cannot make it. Make it, writable for "
            f"{facts.account or 'your account'}, then `{again}`; until then nothing is written to it."
            for path in facts.writable
            if not Path(path).exists()
        ]

    def _start(self, facts: ServiceFacts, changed: set[str]) -> list[str]:
        """The services that were started, or started again."""
        services = services_of(facts)
        again = [unit for unit in services if unit in changed and self.systemd.is_active(unit)]
        self.systemd.control("enable", "--quiet", TARGET)
        fresh = [unit for unit in services if not self.systemd.is_active(unit)]
        if again:
            self.systemd.control("restart", *again)
        self.systemd.control("start", TARGET, *parts_of(facts))
        return [unit for unit in services if unit in again or unit in fresh]


def give(root: Path, user: int, group: int) -> int:
    """Give a folder with all that is in it to an account; returns how many files and folders.

    Only what is root's; links in it are given and not followed.
    """
    given, root = 0, root.resolve()
    for _, folders, files, within in os.fwalk(root, topdown=False):
        for name in (*folders, *files):
            if os.stat(name, dir_fd=within, follow_symlinks=False).st_uid == 0:
                os.chown(name, user, group, dir_fd=within, follow_symlinks=False)
                given += 1
    os.chown(root, user, group)
    return given + 1


def others(root: Path, user: int) -> Iterator[Path]:
    """What in a home does not belong to the account, but for what people drop as themselves."""
    top, dropped = root.resolve(), Home.at(root).capture.name
    for folder, folders, files, within in os.fwalk(top):
        if Path(folder) == top:
            folders[:] = [name for name in folders if name != dropped]
        for name in (*folders, *files):
            if os.stat(name, dir_fd=within, follow_symlinks=False).st_uid != user:
                yield Path(folder) / name


def _must_be_somebody(account: str) -> None:
    if account == "root" or not re.fullmatch(r"[a-z_][a-z0-9_-]{0,30}", account):
        raise ConfigError(
            f"--account {account}: expected the name of an account that is not root's, found {account!r}."
        )


def _make_account(place: Place, account: str) -> None:
    assert place.accounts is not None
    publish_text(place.accounts, account_text(account))
    command = ["systemd-sysusers", str(place.accounts)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not _exists(account):
        raise StoreError(
            f"{place.accounts}: systemd-sysusers made no account of it ({done.stderr.strip()}). Make it: "
            f"`useradd --system {account}`, then run the same command again."
        )


def _must_be_runnable(account: str, programs: Path, person: pwd.struct_passwd) -> None:
    """Raise ``ConfigError`` where the account may not run the programs, as in root's own folder."""
    program = programs / "sopilot"
    try:
        done = subprocess.run(
            [str(program), "--version"],
            user=person.pw_uid,
            group=person.pw_gid,
            extra_groups=[],
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
            capture_output=True,
            text=True,
            check=False,
            timeout=_LIMIT_S,
        )
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    except OSError as error:
        said = error.strerror or str(error)
    else:
        if not done.returncode:
            return
    raise ConfigError(
        f"{program}: expected a program that {account} may run, found: {said}. Install where everybody may "
        "read (install.sh, by default /opt/sopilot), or name another --account."
    )


def _is_taken(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except PermissionError:  # a low port, which the service may take
        return False
    except OSError:
        return True
    return False


def _exists(account: str) -> bool:
    try:
        pwd.getpwnam(account)
    except KeyError:
        return False
    return True


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError as error:
        raise ConfigError(
            f"the home belongs to the account number {user}, expected one that has a name here. Name one "
            "with --account and give the home to it."
        ) from error
