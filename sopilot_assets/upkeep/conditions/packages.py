"""Whether the installed Python packages are those that the project needs and pins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final

import sopilot_assets
from sopilot_assets.upkeep.conditions.condition import Answer, Condition, Fine, found, problem, warning
from sopilot_assets.upkeep.conditions.situation import Situation

DISTRIBUTION: Final = "sopilot-assets"
CONSTRAINTS: Final = Path(sopilot_assets.__file__).parents[1] / "constraints.txt"
"""Beside the package in a clone; an installed package has none."""

_INSTALL: Final = "make setup (or pip install -c constraints.txt -e .)"


@dataclass(frozen=True, slots=True)
class Differing:
    """A package whose installed version is not the pinned one."""

    name: str
    installed: str
    pinned: str


def packages(_: Situation) -> Answer:
    """Python packages against what the project needs and pins."""
    return found(_wrong_packages(), Fine("packages", "", "as pinned"))


def _wrong_packages() -> Iterator[Condition]:
    missing, differing = missing_packages(), differing_packages()
    if missing:
        yield problem("packages", "missing", f"missing: {', '.join(missing)}", _INSTALL)
    if differing:
        shown = ", ".join(f"{one.name} {one.installed} instead of {one.pinned}" for one in differing[:3])
        more = f" and {len(differing) - 3} more" if differing[3:] else ""
        yield warning("packages", "versions", f"other versions than pinned: {shown}{more}", _INSTALL)


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
    differing = []
    for line in constraints.read_text("utf-8").splitlines():
        name, _, pinned = line.partition("==")
        installed = _installed(name) if pinned and not line.startswith("#") else None
        if installed is not None and installed.partition("+")[0] != pinned.partition("+")[0]:
            differing.append(Differing(name, installed, pinned))
    return differing


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
