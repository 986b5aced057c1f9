"""A home or a place for backups that cannot be written: commands say so and what to do, in a sentence."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sopilot_assets.store.home import Home

SOPILOT = str(Path(sys.executable).with_name("sopilot"))
MOUNT = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'


def mounted(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """What a command says that sees ``folder`` read-only, which keeps root from writing too."""
    whole = ["unshare", "--mount", "sh", "-c", MOUNT, str(folder), *command]
    return subprocess.run(whole, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def home(original: Home, tmp_path: Path) -> Path:
    if shutil.which("unshare") is None or mounted(tmp_path, "true").returncode:
        pytest.skip("needs the right to mount a folder read-only")
    return Path(shutil.copytree(str(original.root), tmp_path / "home"))


@pytest.mark.parametrize(
    ("read_only", "command"),
    [
        ("home", "backup create backups"),
        ("backups", "backup create backups"),
        ("home", "recording withdraw KEY --why wrong"),
        ("home", "key create"),
        ("home", "retention apply"),
    ],
)
def test_a_command_that_cannot_write_says_where_and_what_to_do(
    read_only: str, command: str, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "backups").mkdir()
    key = next(path.stem for path in (home / "reviews").glob("*-t-*.html"))
    words = [key if word == "KEY" else word for word in command.split()]
    words = [str(tmp_path / word) if word == "backups" else word for word in words]
    done = mounted(tmp_path / read_only, SOPILOT, "--home", str(home), *words)
    said = " ".join(done.stderr.split())
    assert done.returncode == 1
    assert "Traceback" not in said
    assert f"{tmp_path / read_only}" in said
    assert "Read-only file system" in said
    assert "mend the" in said
