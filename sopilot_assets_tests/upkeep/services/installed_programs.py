"""What stands in for an installation and for systemd, which tests have no right to change."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

REQUIRED = "SOPILOT_ENGINES"
"""As for PostgreSQL: where it says `required`, missing programs are a failure."""


def installation(prefix: Path) -> Path:
    """A prefix as `install.sh` leaves it, with a program that does nothing; returns its interpreter."""
    programs = prefix / "versions" / "0.1.0" / "bin"
    programs.mkdir(parents=True)
    for name in ("sopilot", "python"):
        (programs / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    (prefix / "current").symlink_to("versions/0.1.0")
    return programs / "python"


def analyze(*words: str | Path, runtime: Path) -> subprocess.CompletedProcess[str]:
    """What ``systemd-analyze`` says; skips where it is not installed."""
    program = shutil.which("systemd-analyze")
    if program is None:
        if os.environ.get(REQUIRED) == "required":
            pytest.fail("systemd-analyze is needed: apt-get install systemd")
        pytest.skip("systemd-analyze is not installed (Debian's package systemd)")
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime)}
    command = [program, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def written(units: dict[str, str], folder: Path) -> Sequence[Path]:
    """Units as files."""
    folder.mkdir()
    for name, text in units.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in units]
