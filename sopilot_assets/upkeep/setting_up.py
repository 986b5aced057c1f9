"""Making a home: its folders, and the settings of its Dagster instance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import yaml

from sopilot_assets.errors import ConfigError, StoreError
from sopilot_assets.store.home import Home
from sopilot_assets.store.home_format import (
    FORMAT_FILE,
    HOME_FORMAT,
    HomeFormat,
    refuse_unwritable,
    this_program,
)
from sopilot_assets.store.publish import local_path, publish_bytes, publish_text, published_files
from sopilot_assets.store.shared import MARKER, stored_at, through

INSTANCE_FILE: Final = "dagster.yaml"
SETTINGS: Final = (INSTANCE_FILE, "workspace.yaml")
"""The files of ``DAGSTER_HOME``, as the package ships them."""
DAEMON_LOCK: Final = "daemon.lock"
"""What a daemon of ours holds in ``DAGSTER_HOME`` as long as it lives."""


class Profile(StrEnum):
    """What an installation runs on: one machine, or several with PostgreSQL, Redis and Celery workers."""

    LOCAL = "local"
    SCALE = "scale"

    @property
    def instance_file(self) -> str:
        """The name under which the package ships the profile's ``dagster.yaml``."""
        return INSTANCE_FILE if self is Profile.LOCAL else f"dagster.{self.value}.yaml"


@dataclass(frozen=True, slots=True)
class PreparedHome:
    """A home that can be used; ``created`` are the paths below it that were not there before."""

    home: Home
    dagster_home: Path
    created: tuple[str, ...]


def dagster_home(home: Home) -> Path:
    """The folder that ``DAGSTER_HOME`` has to name for this home."""
    return local_path(home.root) / "dagster"


def instance_settings(home: Home) -> Mapping[str, Any]:
    """What a home's ``dagster.yaml`` says; nothing where it is missing or no YAML, which doctor reports."""
    try:
        told = yaml.safe_load((dagster_home(home) / INSTANCE_FILE).read_text("utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return {}
    return told if isinstance(told, dict) else {}


def has_records_elsewhere(home: Home) -> bool:
    """Whether Dagster keeps its records in PostgreSQL, so that the home's own files do not hold them."""
    return "postgres" in str(instance_settings(home).get("storage")).lower()


def shipped_settings(name: str, profile: Profile = Profile.LOCAL) -> bytes:
    """One of ``SETTINGS`` as the package ships it for a profile."""
    shipped = profile.instance_file if name == INSTANCE_FILE else name
    return files("sopilot_assets").joinpath(shipped).read_bytes()


def prepare_home(home: Home, profile: Profile | None = None) -> PreparedHome:
    """The home with all its folders and Dagster's settings; what is there already stays as it is.

    A new home gets this version's format. Without a ``profile``, new settings are those of one machine.
    Raises ``ConfigError`` where a folder cannot be made, and where there are settings already that are not
    those of the ``profile``; ``FormatError`` where this version must not write into the home.
    """
    root, target = local_path(home.root), dagster_home(home)
    refuse_unwritable(root)
    is_new = _is_new(root)
    folders = (
        home.tasks,
        home.capture,
        home.videos,
        home.quarantine,
        home.ledgers,
        home.reviews,
        home.models,
    )
    created = [_make(root)]
    if is_new:  # first, so that what is killed here is not taken for an old home
        said = HomeFormat(HOME_FORMAT, this_program())
        publish_bytes(root / FORMAT_FILE, said.as_json())
        created.append(root / FORMAT_FILE)
    created += [_make(folder) for folder in (*map(local_path, folders), target)]
    if profile is not None:
        _refuse_other_settings(target / INSTANCE_FILE, profile)
    for name in SETTINGS:
        if not (target / name).exists():
            publish_bytes(target / name, shipped_settings(name, profile or Profile.LOCAL))
            created.append(target / name)
    made = [path for path in created if path is not None]
    return PreparedHome(home, target, tuple(path.relative_to(root).as_posix() for path in made))


@dataclass(frozen=True, slots=True)
class Joined:
    """How many files a home gave to its object store, and how many it got."""

    stored: int
    fetched: int


def join_store(home: Home, url: str) -> Joined:
    """Share a home through the object store at ``url``, for good.

    Raises ``StoreError`` where it is shared through another one, and where both have different files of the
    same name.
    """
    root = local_path(home.root)
    known = stored_at(root)
    if known not in (None, url):
        raise StoreError(
            f"{root / MARKER}: expected {url}, found {known}. A home stays with its store; take another home."
        )
    shared = through(root, url)
    joined = Joined(shared.push(), shared.pull())
    publish_text(root / MARKER, f"{url}\n")
    return joined


def _is_new(root: Path) -> bool:
    """Whether nobody has worked in the home yet: it names no format, has no instance and no rows."""
    if (root / FORMAT_FILE).exists() or (root / "dagster" / INSTANCE_FILE).exists():
        return False
    return not published_files(root / "ledgers", "*/*.parquet")


def _refuse_other_settings(path: Path, profile: Profile) -> None:
    """Raise ``ConfigError`` where the file has runs launched otherwise than the profile does."""
    if not path.exists():
        return
    found, expected = (
        ((yaml.safe_load(data) or {}).get("run_launcher") or {}).get("class", "Dagster's own launcher")
        for data in (path.read_bytes(), shipped_settings(INSTANCE_FILE, profile))
    )
    if found != expected:
        raise ConfigError(
            f"{path}: expected the settings of the profile {profile.value} ({expected}), found {found}. "
            "Move the file away and run `sopilot home init` again; runs recorded so far stay in the old "
            "storage, results in the home."
        )


def _make(folder: Path) -> Path | None:
    """The folder if it had to be made."""
    if folder.is_dir():
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{folder}: the folder could not be made ({error.strerror or error}). "
            "Choose another home with --home or SOPILOT_HOME, or mend the permissions."
        ) from error
    return folder
