"""What systemd is asked and told, by its own commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sopilot_assets.errors import ConfigError, StoreError

_LIMIT_S: Final = 900.0
_SHOWN: Final = (
    "LoadState",
    "ActiveState",
    "SubState",
    "ActiveEnterTimestamp",
    "NRestarts",
    "Result",
    "UnitFileState",
    "NeedDaemonReload",
)


@dataclass(frozen=True, slots=True)
class UnitState:
    """What systemd says of a unit: ``active``, ``failed``, ...; since when (UTC, None: it is not active); how
    often it was started again; the last warning or error about it in the journal, with its time.
    """

    unit: str
    active: str
    detail: str
    since: datetime | None
    restarts: int
    last_error: str


@dataclass(frozen=True, slots=True)
class Systemd:
    """The system's own systemd, or with ``user`` that of whoever calls."""

    user: bool

    def must_run(self, environment: Mapping[str, str] = os.environ) -> None:
        """Raise ``ConfigError`` where there is none."""
        runtime = Path(environment.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}"))
        place = runtime / "systemd" if self.user else Path("/run/systemd/system")
        if shutil.which("systemctl") is None or not place.is_dir():
            whose = "your own systemd (systemctl --user)" if self.user else "systemd"
            instead = (
                "Log in as that person (not by su or sudo), or `loginctl enable-linger NAME` first."
                if self.user
                else "In a container or WSL without it, start `sopilot desk` and `sopilot web serve` by "
                "whatever looks after programs there; --dry-run shows the units."
            )
            raise ConfigError(f"{place}: expected {whose} to run here, found none. {instead}")

    def can_wall(self) -> bool:
        """Whether services can get a view of the file system of their own: a person's only where the kernel
        lets people make user namespaces.
        """
        if not self.user:
            return True
        asked = [
            "--wait",
            "--quiet",
            "--property=PrivateUsers=yes",
            "--property=ProtectSystem=strict",
            "true",
        ]
        return shutil.which("systemd-run") is not None and not self._run(["systemd-run", *asked]).returncode

    def control(self, *words: str) -> None:
        """Run ``systemctl``; raises ``StoreError`` with what it said."""
        done = self._run(["systemctl", *words])
        if done.returncode:
            said = (done.stderr or done.stdout).strip()
            raise StoreError(f"systemctl {' '.join(words)}: {said or f'exit code {done.returncode}'}")

    def states(self, units: Sequence[str]) -> list[UnitState]:
        """How each of the units is."""
        return [self._state(unit) for unit in units]

    def is_active(self, unit: str) -> bool:
        """Whether the unit is at work, or about to be."""
        return self._show(unit).get("ActiveState") in ("active", "activating", "reloading")

    def _state(self, unit: str) -> UnitState:
        told = self._show(unit)
        active = told.get("ActiveState", "unknown")
        detail = [told.get("SubState", "")]
        if told.get("LoadState") not in ("loaded", None):
            detail = [told["LoadState"]]
        if told.get("Result") not in ("success", None):
            detail.append(told["Result"])
        entered = told.get("ActiveEnterTimestamp", "") if active == "active" else ""
        return UnitState(
            unit,
            active,
            ", ".join(filter(None, detail)),
            _time(entered),
            int(told.get("NRestarts") or 0),
            self._last_error(unit),
        )

    def _show(self, unit: str) -> dict[str, str]:
        asked = [f"--property={name}" for name in _SHOWN]
        done = self._run(["systemctl", "show", "--timestamp=unix", *asked, unit])
        return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)

    def _last_error(self, unit: str) -> str:
        """Empty where there is none, or where the journal may not be read."""
        told, said = ("USER_UNIT", "_SYSTEMD_USER_UNIT") if self.user else ("UNIT", "_SYSTEMD_UNIT")
        by_systemd = [f"{told}={unit}", "PRIORITY=4", "+", f"{told}={unit}", "PRIORITY=3"]
        by_itself = [f"{said}={unit}", "PRIORITY=3", "+", f"{said}={unit}", "PRIORITY=2"]
        asked = ["journalctl", "--lines=1", "--output=json", "--quiet", *by_systemd, "+", *by_itself]
        if shutil.which("journalctl") is None:
            return ""
        for entry in _entries(self._run(asked, user=False).stdout):
            at = datetime.fromtimestamp(int(str(entry["__REALTIME_TIMESTAMP"])) / 1e6, UTC)
            return f"{at:%Y-%m-%d %H:%M:%S} {entry.get('MESSAGE')}"[:300]
        return ""

    def _run(self, command: Sequence[str], *, user: bool | None = None) -> subprocess.CompletedProcess[str]:
        pager = ["--no-pager"] if command[0] != "systemd-run" else []
        whose = ["--user"] if (self.user if user is None else user) else []
        return subprocess.run(
            [command[0], *whose, *pager, *command[1:]],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=_LIMIT_S,
        )


def _entries(text: str) -> Iterator[dict[str, object]]:
    for line in text.splitlines():
        entry = json.loads(line)
        if isinstance(entry, dict):
            yield entry


def _time(text: str) -> datetime | None:
    seconds = text.removeprefix("@")
    return datetime.fromtimestamp(int(seconds), UTC) if seconds.isdigit() and int(seconds) else None
