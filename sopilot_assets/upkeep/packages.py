"""The installed Python packages against those that the project needs and pins."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final

import sopilot_assets

DISTRIBUTION: Final = "sopilot-assets"
CONSTRAINTS: Final = Path(sopilot_assets.__file__).parents[1] / "constraints.txt"
"""Beside the package in a clone; an installed package has none."""


@dataclass(frozen=True, slots=True)
class Differing:
    """A package whose installed version is not the pinned one."""

    name: str
    installed: str
    pinned: str


def missing_packages() -> list[str]:
    """What the base installation needs and is not there, by name; nothing where the project itself is not
    installed but run from its folder.
    """
    try:
        lines = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return []
    names = (re.match(r"[\w.-]+", line) for line in lines if "extra ==" not in line)
    return sorted(name[0] for name in names if name and _installed(name[0]) is None)


def differing_packages(constraints: Path = CONSTRAINTS) -> list[Differing]:
    """The installed packages whose version is not the one in ``constraints`` (a local part such as ``+cpu``
    does not count); packages that are not installed are passed over.
    """
    if not constraints.is_file():
        return []
    found = []
    for line in constraints.read_text("utf-8").splitlines():
        name, _, pinned = line.partition("==")
        installed = _installed(name) if pinned and not line.startswith("#") else None
        if installed is not None and installed.partition("+")[0] != pinned.partition("+")[0]:
            found.append(Differing(name, installed, pinned))
    return found


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
