"""Making a home: its folders, and the settings of its Dagster instance."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from sopilot_assets.errors import ConfigError
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, publish_bytes

SETTINGS: Final = ("dagster.yaml", "workspace.yaml")
"""The files of ``DAGSTER_HOME``, as the package ships them."""


@dataclass(frozen=True, slots=True)
class PreparedHome:
    """A home that can be used; ``created`` are the paths below it that were not there before."""

    home: Home
    dagster_home: Path
    created: tuple[str, ...]


def dagster_home(home: Home) -> Path:
    """The folder that ``DAGSTER_HOME`` has to name for this home."""
    return local_path(home.root) / "dagster"


def shipped_settings(name: str) -> bytes:
    """One of ``SETTINGS`` as the package ships it."""
    return files("sopilot_assets").joinpath(name).read_bytes()


def prepare_home(home: Home) -> PreparedHome:
    """The home with all its folders and Dagster's settings; what is there already stays as it is.

    Raises ``ConfigError`` where a folder cannot be made.
    """
    root, target = local_path(home.root), dagster_home(home)
    folders = (
        home.tasks,
        home.capture,
        home.videos,
        home.quarantine,
        home.ledgers,
        home.reviews,
        home.models,
    )
    created = [_make(folder) for folder in (root, *map(local_path, folders), target)]
    for name in SETTINGS:
        if not (target / name).exists():
            publish_bytes(target / name, shipped_settings(name))
            created.append(target / name)
    made = [path for path in created if path is not None]
    return PreparedHome(home, target, tuple(path.relative_to(root).as_posix() for path in made))


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
