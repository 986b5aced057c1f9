"""Dagster's settings in a home as this version ships them.

A file that nobody changed since some version shipped it becomes this version's. In one that was changed only
the places of our own classes are written anew, where they moved; everything else in it is left to people.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from sopilot_assets.store.publish import publish_bytes
from sopilot_assets.upkeep.setting_up import INSTANCE_FILE, Profile, shipped_settings
from sopilot_assets.upkeep.upgrade.migrations import Migration, Touched

FILE: Final = f"dagster/{INSTANCE_FILE}"

SHIPPED_BEFORE: Final[Mapping[str, Profile]] = {
    "d3090f2a77133bff9c06bf628b5384e1356506391a4a605ce3f244497ffe602e": Profile.LOCAL,
    "6249b1ee9d4927f6e0c8f46872112837f77d4e4c0f2477ae3d7ab8df4173a3fe": Profile.LOCAL,
    "146a77816862154ab0d4f9de1938816d1abff3a5f7bd2691fec2888fef612ba8": Profile.LOCAL,
    "e5008fb5c5e525627df1a5ba79cb7ec184f422c37a4c47a20d62d7942bba5f78": Profile.LOCAL,
    "e51ff38e50346fd7df2cd0b0a13d7be658665c5801c81cdae9befa1744e6c0c1": Profile.LOCAL,
    "e124508de641e7bd379a8463ca41201d79da025279b1ac9f694872efeb3c2c54": Profile.LOCAL,
    "78b8ad219b3974b85e1daf9136fcf26cb115c86d57aa6132a0f67595a3ae93d7": Profile.LOCAL,
    "e59b732a819b321f30554467f894549722cb52ede741d6b72334dd371446e074": Profile.LOCAL,
    "ccd95dd16670fee22ae4ab31721d5ccf6f4039334fca6d3ec7f708977f7ef4ae": Profile.SCALE,
    "c60e3a0d0d838a9ed1e966028c25843e238d0fc9f9cf6437502f0f97ec05c7f3": Profile.SCALE,
    "673f19e73b6cdf14ff78da3d0aebd9f86b7b3c159486140de935304c520df64c": Profile.SCALE,
    "6f9c56788060c579ce50328d3109c844a278ea6fcd4c24d3642a2e0d24e213c9": Profile.SCALE,
    "abc01f23dc6a0ad19c8a22f0678054db76a9ffd3e127911338c439adb1db8798": Profile.SCALE,
}
"""The files that were shipped before, by their SHA-256, and what each is for."""

MOVED: Final[Mapping[str, str]] = {
    "sopilot_assets.defs.event_log": "sopilot_assets.defs.dagster_internals.event_log",
    "sopilot_assets.defs.launcher": "sopilot_assets.defs.dagster_internals.launcher",
    "sopilot_assets.defs.scale.launcher": "sopilot_assets.defs.dagster_internals.worker_launcher",
}
"""Modules that settings name by places which they have left; the old places lead to them."""

_MODULE: Final = re.compile(r"(?m)^(?P<before>\s*module:\s*)(?P<name>[\w.]+)(?P<after>\s*(#.*)?)$")


def renewed(data: bytes) -> tuple[bytes, str]:
    """The settings as this version has them, and what becomes of them; the same bytes and "" where nothing.

    >>> renewed(b"run_launcher:\\n  module: sopilot_assets.defs.launcher  # ours\\n")[1]
    'defs.launcher becomes defs.dagster_internals.launcher; the rest stays, since it was edited'
    """
    profile = SHIPPED_BEFORE.get(hashlib.sha256(data).hexdigest())
    if profile is not None:
        return shipped_settings(INSTANCE_FILE, profile), (
            "becomes the file that this version ships, since nobody edited the one that was shipped"
        )
    text = data.decode("utf-8", errors="surrogateescape")
    found = [one["name"] for one in _MODULE.finditer(text) if one["name"] in MOVED]
    if not found:
        return data, ""
    new = _MODULE.sub(lambda one: f"{one['before']}{MOVED.get(one['name'], one['name'])}{one['after']}", text)
    moves = ", ".join(f"{_short(one)} becomes {_short(MOVED[one])}" for one in dict.fromkeys(found))
    return new.encode("utf-8", errors="surrogateescape"), f"{moves}; the rest stays, since it was edited"


def other_settings(data: bytes) -> list[str]:
    """Which settings differ from the ones that this version ships for the same profile, one a sentence."""
    found = yaml.safe_load(data) or {}
    launcher = (found.get("run_launcher") or {}).get("class") if isinstance(found, dict) else None
    shipped = {one: yaml.safe_load(shipped_settings(INSTANCE_FILE, one)) for one in Profile}
    alike = [one for one in shipped.values() if one["run_launcher"]["class"] == launcher]
    expected = alike[0] if alike else shipped[Profile.LOCAL]
    return sorted(_differences(_flat(found), _flat(expected)))


def _differences(found: Mapping[str, object], shipped: Mapping[str, object]) -> Iterator[str]:
    for name in found.keys() | shipped.keys():
        if name not in shipped:
            yield f"{name} is {found[name]}, and is not in the shipped file"
        elif name not in found:
            yield f"{name} is missing; the shipped file has {shipped[name]}"
        elif found[name] != shipped[name]:
            yield f"{name} is {found[name]}; the shipped file has {shipped[name]}"


def _flat(value: object, before: str = "") -> dict[str, Any]:
    """The settings by their dotted names.

    >>> _flat({"a": {"b": 1}, "c": [2]})
    {'a.b': 1, 'c': [2]}
    """
    if not isinstance(value, dict):
        return {before: value}
    inner = (_flat(one, f"{before}.{name}" if before else str(name)) for name, one in value.items())
    return {name: one for found in inner for name, one in found.items()}


def _short(module: str) -> str:
    return module.removeprefix("sopilot_assets.")


def _touched(root: Path) -> Touched:
    path = root / FILE
    what = renewed(path.read_bytes())[1] if path.is_file() else ""
    return {FILE: what} if what else {}


def _apply(folder: Path) -> None:
    path = folder / FILE
    publish_bytes(path, renewed(path.read_bytes())[0])


INSTANCE_SETTINGS: Final = Migration(
    name="instance settings",
    what="Dagster's settings name our classes by their present places, and limits that a busy machine keeps",
    since=2,
    touched=_touched,
    apply=_apply,
)
