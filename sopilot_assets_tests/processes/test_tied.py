"""Commands that end with whoever started them."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

STARTS = """
import shutil, signal, subprocess, sys, time
from sopilot_assets.processes.tied import tied
signal.signal(signal.SIGTERM, getattr(signal, sys.argv[1]))
print(subprocess.Popen(tied([shutil.which("sleep"), "600"])).pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("meanwhile", ["SIG_DFL", "SIG_IGN"])
def test_it_ends_also_where_whoever_started_it_ignores_being_asked_to(meanwhile: str) -> None:
    words = [sys.executable, "-c", STARTS, meanwhile]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        child = psutil.Process(int(starter.stdout.readline()))
        while child.name() != "sleep":
            assert child.is_running()
        starter.kill()
    child.wait(20)
    assert not child.is_running()
