"""Keeps the disk from filling up: intake stops while there is room for the runs at work to end.

Reads how much is free; writes a marker while intake is paused.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeAlias

from sopilot_assets.settings import DiskLimits
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.texts.languages import Text

GIB: Final = 1 << 30

FreeBytes: TypeAlias = Callable[[Home], int]
Room: TypeAlias = Callable[[int], Text | None]
"""Says why a file of so many bytes is not to be stored now; None where it may be."""


class Pressure(StrEnum):
    """How full the disk is: below ``warn_gib`` is low; ``paused`` lasts from below ``pause_gib`` until
    ``resume_gib`` is free.
    """

    NONE = "none"
    LOW = "low"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class DiskState:
    """Free space where a home lies, and what follows from it."""

    free_bytes: int
    pressure: Pressure
    limits: DiskLimits

    @property
    def paused(self) -> bool:
        """Whether nothing is taken in."""
        return self.pressure is Pressure.PAUSED

    @property
    def what(self) -> str:
        """The state in words."""
        free = f"{self.free_bytes / GIB:.2f} GiB free"
        if self.pressure is Pressure.PAUSED:
            limits = f"{self.limits.pause_gib:g} GiB; it goes on at {self.limits.resume_gib:g} GiB"
            return f"{free}: intake is paused, which it is below {limits}"
        if self.pressure is Pressure.LOW:
            limits = f"{self.limits.warn_gib:g} GiB; intake pauses at {self.limits.pause_gib:g} GiB"
            return f"{free}, less than {limits}"
        return free

    @property
    def action(self) -> str:
        """What to do; empty where there is nothing."""
        if self.pressure is Pressure.NONE:
            return ""
        return "free disk space or give the home a larger disk; what was dropped stays and is taken in then"


def free_bytes(home: Home) -> int:
    """The bytes that can still be written where the home lies, or where it will be made."""
    path = local_path(home.root)
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free


def disk_state(home: Home, limits: DiskLimits, *, free: FreeBytes = free_bytes) -> DiskState:
    """The state of the home's disk now; it changes nothing.

    Between ``pause_gib`` and ``resume_gib`` it depends on whether intake was paused before.
    """
    found = free(home)
    was_paused = _marker(home).exists()
    return DiskState(found, pressure_at(found, limits, was_paused=was_paused), limits)


def pressure_at(free_bytes: float, limits: DiskLimits, *, was_paused: bool = False) -> Pressure:
    """How full a disk is on which so many bytes are free."""
    if free_bytes < (limits.resume_gib if was_paused else limits.pause_gib) * GIB:
        return Pressure.PAUSED
    return Pressure.LOW if free_bytes < limits.warn_gib * GIB else Pressure.NONE


def guard_disk(home: Home, limits: DiskLimits, *, free: FreeBytes = free_bytes) -> DiskState:
    """The state of the home's disk now, and that intake is paused is remembered until it is not."""
    state = disk_state(home, limits, free=free)
    if state.paused:
        # on a disk without any space this fails, and what is free says the same at the next look
        with contextlib.suppress(OSError):
            _marker(home).parent.mkdir(parents=True, exist_ok=True)
            _marker(home).touch()
    else:
        _marker(home).unlink(missing_ok=True)
    return state


def any_room(_: int) -> None:
    """Takes every file, as long as the disk does."""


def room_for_files(home: Home, limits: DiskLimits, *, free: FreeBytes = free_bytes) -> Room:
    """A function that says why a file of so many bytes is not to be taken in now; None where it may be.

    The file has to fit without intake being paused by it.
    """

    def room(size_bytes: int) -> Text | None:
        state = guard_disk(home, limits, free=free)
        left = f"空き {state.free_bytes / GIB:.2f} GiB"
        if state.paused:
            return Text(
                f"{state.what}; {state.action}",
                f"{left}。{limits.pause_gib:g} GiB を下回ったため受け付けを停止しています。"
                f"{limits.resume_gib:g} GiB 以上になると再開します",
            )
        if state.free_bytes - size_bytes < limits.pause_gib * GIB:
            return Text(
                f"a file of {size_bytes / GIB:.2f} GiB would leave less than {limits.pause_gib:g} GiB of the "
                f"{state.what.partition(';')[0]}; free disk space",
                f"{left}。{size_bytes / GIB:.2f} GiB のファイルを保存すると {limits.pause_gib:g} GiB を"
                "下回ります",
            )
        return None

    return room


def _marker(home: Home) -> Path:
    return local_path(home.alerts) / "intake_paused"
