"""What units depend on: home, programs, account, ports, and what has to be writable."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from upath import UPath

from sopilot_assets.errors import ConfigError
from sopilot_assets.settings import Settings, load_settings
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.backup.repository import is_local
from sopilot_assets.upkeep.setting_up import INSTANCE_FILE, dagster_home

USER: Final = "sopilot"
"""The account that services run as where the home belongs to nobody in particular."""
DESK_PORT: Final = 8000
WEB_PORT: Final = 3000
_HIDDEN: Final = ("/home", "/root", "/run/user")
_EMPTIED: Final = ("/tmp", "/var/tmp")  # noqa: S108 - compared with
_SCALE_VARIABLES: Final = ("SOPILOT_POSTGRES_URL", "SOPILOT_BROKER_URL")


class Part(StrEnum):
    """A service of an installation, by the name that its unit ends in."""

    DAEMON = "daemon"
    WEB = "web"
    DESK = "desk"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """Everything that the text of the units follows from.

    ``programs`` is the folder of the executables; ``account`` None means the units of a user's own systemd.
    ``parts`` are the services, of which ``only`` were asked for; empty: all that the home needs. ``writable``
    are folders outside of the home. ``hidden`` says whether the folders of people can be hidden from the
    services, ``walled`` whether systemd can give them a view of the file system of their own. ``gpu``: a
    graphics card of NVIDIA is used.
    """

    home: str
    programs: str
    account: str | None
    parts: tuple[Part, ...] = (Part.DAEMON, Part.WEB, Part.DESK)
    only: tuple[Part, ...] = ()
    desk_port: int = DESK_PORT
    web_port: int = WEB_PORT
    desk_options: tuple[str, ...] = ()
    web_options: tuple[str, ...] = ()
    worker_options: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    hidden: bool = True
    walled: bool = True
    gpu: bool = False

    def to_text(self) -> str:
        """One line that `from_text` reads."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> ServiceFacts:
        """The facts of a line, also of another version: what that does not know is the default, what this
        one does not know is left out. Raises ``ValueError`` for anything else.
        """
        known = {one.name for one in fields(cls)}
        found: dict[str, Any] = {name: value for name, value in json.loads(text).items() if name in known}
        for name, value in found.items():
            if isinstance(value, list):
                found[name] = tuple(map(Part, value) if name in ("parts", "only") else value)
        try:
            return cls(**found)
        except TypeError as error:
            raise ValueError(str(error)) from error


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """What whoever installs asks for; None: as it was installed before, else the default."""

    account: str | None = None
    desk_port: int | None = None
    web_port: int | None = None
    desk_options: str | None = None
    web_options: str | None = None
    worker_options: str | None = None
    only: tuple[Part, ...] | None = None


def gather(
    home: Home,
    *,
    python: Path,
    account: str | None,
    options: ServiceOptions,
    before: ServiceFacts | None,
    walled: bool,
    gpu: bool,
) -> ServiceFacts:
    """The facts of a home, of the installation that ``python`` belongs to.

    Raises ``ConfigError`` where units cannot be made of them.
    """
    root = local_path(home.root)
    must_be_prepared(root)
    programs = programs_beside(python)
    settings = load_settings(home)
    outside = tuple(sorted({*_linked(root), *_backups(settings)}))
    needed = (str(root), str(programs), str(python.resolve()), *outside)
    facts = ServiceFacts(
        home=str(root),
        programs=str(programs),
        account=account,
        parts=(Part.DAEMON, Part.WEB, Part.DESK, *((Part.WORKER,) if _has_workers(home) else ())),
        writable=outside,
        hidden=not any(_below(path, one) for path in needed for one in _HIDDEN),
        walled=walled,
        gpu=gpu,
    )
    return _with_options(facts, options, before)


def must_be_prepared(root: Path) -> None:
    """Raise ``ConfigError`` where no home lies there."""
    file = root / "dagster" / INSTANCE_FILE
    if not file.is_file():
        raise ConfigError(
            f"{root}: expected a home, found no {file.relative_to(root)} in it. Make it with "
            f"`sopilot --home {root} home init`, then run the same command again."
        )


def programs_beside(python: Path) -> Path:
    """The folder of the executables beside an interpreter: by way of ``PREFIX/current`` where `install.sh`
    has put it, so that an update and a way back need a restart only.
    """
    folder = python.parent
    version = folder.parent
    current = version.parent.parent / "current"
    if version.parent.name == "versions" and current.is_symlink() and current.resolve() == version.resolve():
        return current / "bin"
    return folder


def variables(home: Home) -> tuple[str, ...]:
    """The environment variables from which this home's secrets come, as its settings name them."""
    named = set(_named_in(load_settings(home)))
    if _has_workers(home):
        named |= set(_SCALE_VARIABLES)
    return tuple(sorted(named))


def _has_workers(home: Home) -> bool:
    """Whether the runs of the home are executed by workers: the profile `scale`."""
    return "WorkerRunLauncher" in (dagster_home(home) / INSTANCE_FILE).read_text("utf-8")


def _with_options(facts: ServiceFacts, options: ServiceOptions, before: ServiceFacts | None) -> ServiceFacts:
    chosen = before or facts
    only = chosen.only if options.only is None else options.only
    if set(only) - set(facts.parts):
        raise ConfigError(
            f"--only worker: expected a home of several machines, found {facts.home} of one. Make it with "
            "`sopilot home init --profile scale`."
        )
    made = replace(
        facts,
        desk_port=options.desk_port or chosen.desk_port,
        web_port=options.web_port or chosen.web_port,
        only=only,
        parts=tuple(part for part in facts.parts if part in only) if only else facts.parts,
        desk_options=_words(options.desk_options, "--desk-options", chosen.desk_options),
        web_options=_words(options.web_options, "--web-options", chosen.web_options),
        worker_options=_words(options.worker_options, "--worker-options", chosen.worker_options),
    )
    if made.desk_port == made.web_port:
        raise ConfigError(f"--desk-port and --web-port: expected two ports, found {made.desk_port} for both.")
    return made


def _words(given: str | None, option: str, before: tuple[str, ...]) -> tuple[str, ...]:
    if given is None:
        return before
    try:
        words = tuple(shlex.split(given))
    except ValueError as error:
        raise ConfigError(f"{option}: expected options as in a shell, found {given!r} ({error}).") from error
    if any(word.split("=")[0] in ("--port", "--home") for word in words):
        raise ConfigError(f"{option}: expected neither --port nor --home, which have options of their own.")
    return words


def must_stay(facts: ServiceFacts) -> None:
    """Raise ``ConfigError`` where home or programs lie in a folder of which services have their own, or have
    a name that no unit can hold.
    """
    for path in (facts.home, facts.programs):
        if facts.account is not None and any(_below(path, one) for one in _EMPTIED):
            raise ConfigError(
                f"{path}: expected a folder that stays, found one that is emptied when the machine starts. "
                "Put homes and programs elsewhere, such as /var/lib/sopilot and /opt/sopilot."
            )
        if any(ord(letter) < 32 for letter in path):
            raise ConfigError(f"{path!r}: expected a path without control characters.")


def _linked(root: Path) -> Iterator[str]:
    """Where folders of the home lie that are links, such as a capture folder on another disk."""
    for path in (root, *sorted(root.iterdir())):
        found = path.resolve()
        if path.is_symlink() and found.is_dir() and not _below(str(found), str(root)):
            yield str(found)


def _backups(settings: Settings) -> Iterator[str]:
    place = settings.backup.destination
    if place is not None and is_local(where := UPath(place)):
        yield where.path


def _below(path: str, folder: str) -> bool:
    return Path(path) == Path(folder) or Path(folder) in Path(path).parents


def _named_in(section: BaseModel) -> Iterator[str]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _named_in(value)
        elif name.endswith("_env") and isinstance(value, str):
            yield value


def missing_variables(home: Home, file: Path) -> list[str]:
    """Variables that the settings name and the environment file does not set; raises ``PermissionError``
    where it may not be read.
    """
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    given = {line.partition("=")[0].strip() for line in lines if "=" in line and not line.startswith("#")}
    return [name for name in variables(home) if name not in given]
