"""How well a recording was filmed, told axis by axis, without taking it in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sopilot_assets.capture.examine import Examination, examine, reason_of
from sopilot_assets.capture.intake import IntakeLimits
from sopilot_assets.capture.reasons import Reason
from sopilot_assets.errors import ConfigError, UnreadableVideo, WorkerLimit
from sopilot_assets.processes.limited import run_limited
from sopilot_assets.tasks import QualityGate


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: what was found and what is wanted, in words, and how it misses that, if so."""

    name: str
    found: str
    wanted: str
    misses: Reason | None


@dataclass(frozen=True, slots=True)
class Checked:
    """One file: its axes, and why intake would refuse it from anybody (``problem``), if so."""

    path: Path
    axes: tuple[Axis, ...]
    problem: Reason | None
    detail: str
    facts: str = ""

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """All that is wrong with it, each once."""
        misses = (axis.misses for axis in self.axes)
        return tuple(dict.fromkeys(one for one in (self.problem, *misses) if one is not None))


LIMITS: Final = IntakeLimits()
"""As intake has them."""

_AXES: Final = {
    "brightness": (Reason.TOO_DARK, Reason.OVEREXPOSED),
    "sharpness": (Reason.BLURRED,),
    "stability": (Reason.UNSTABLE,),
    "resolution": (Reason.TOO_SMALL,),
    "duration": (Reason.TOO_SHORT,),
}


def check_filming(path: Path, gate: QualityGate) -> Checked:
    """The five axes of one file against ``gate``; it is read in a limited child process and not changed.

    Raises ``ConfigError`` where there is no such file.
    """
    if not path.is_file():
        raise ConfigError(
            f"{path}: expected a recording, found {'a folder' if path.is_dir() else 'nothing'}."
        )
    try:
        found = run_limited(
            examine, (str(path), gate), time_limit_s=LIMITS.file_s, memory_limit_bytes=LIMITS.memory_bytes
        )
    except (UnreadableVideo, WorkerLimit) as error:
        return Checked(path, (), reason_of(error), str(error).replace(f"{path}: ", ""))
    probe = found.probe
    facts = f"{probe.codec}, {probe.mean_fps:.4g} fps"
    return Checked(path, _axes(found, gate), found.problem, found.detail, facts)


def _axes(found: Examination, gate: QualityGate) -> tuple[Axis, ...]:
    quality = found.quality
    told = {
        "brightness": (f"{quality.brightness:.0f}", f"{gate.brightness_min:g} to {gate.brightness_max:g}"),
        "sharpness": (f"{quality.sharpness:.1f}", f"at least {gate.sharpness_min:g}"),
        "stability": (f"{quality.shake_percent:.2f} % shake", f"at most {gate.stability_max:g} %"),
        "resolution": (f"{quality.width}x{quality.height}", f"at least {gate.min_width}x{gate.min_height}"),
        "duration": (f"{quality.duration_s:.1f} s", f"at least {gate.min_duration_s:g} s"),
    }
    missed = {*found.shortfalls, found.problem}
    return tuple(
        Axis(name, *told[name], misses=next((one for one in reasons if one in missed), None))
        for name, reasons in _AXES.items()
    )
