"""kill -9 anywhere in an upgrade, or in taking one back, leaves the old home or the new one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.whole

KILLS = int(os.environ.get("SOPILOT_KILLS", "3"))
"""SOPILOT_KILLS=300 for the thorough form, which is `python -m sopilot_assets_tests.soak.upgrade_kills`."""


def test_a_home_whose_upgrade_was_killed_is_the_old_one_or_the_new_one() -> None:
    # a process of its own: the server that forks the commands keeps what it has imported
    command = [sys.executable, "-m", "sopilot_assets_tests.soak.upgrade_kills", "--kills", str(KILLS)]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=7200)
    if ran.returncode:
        pytest.fail(f"{ran.stdout}\n{ran.stderr}")
    assert f"{KILLS} kills. Faults: 0" in ran.stdout
