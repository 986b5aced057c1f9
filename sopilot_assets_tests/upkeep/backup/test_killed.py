"""A backup that is killed leaves what was there before, and the next one goes on from what it had written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import TEMPORARY_PREFIX, local_path
from sopilot_assets.upkeep.backup.create import create_backup
from sopilot_assets.upkeep.backup.repository import open_repository
from sopilot_assets.upkeep.backup.restore import restore
from sopilot_assets.upkeep.backup.verify import verify_repository
from sopilot_assets_tests.upkeep.backup.made_up import START, after, tree

KILLED_AFTER = (1, 20)
"""So many files were taken."""

BACK_UP = """
import os, signal, sys
from datetime import datetime, UTC
from sopilot_assets.upkeep.backup.create import create_backup
from sopilot_assets.store.home import Home

def die(done, total):
    if done == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

create_backup(Home.at(sys.argv[1]), sys.argv[2], now=datetime.now(UTC), on_progress=die)
"""


@pytest.mark.parametrize("files", KILLED_AFTER)
def test_a_killed_backup_harms_nothing(living: Home, place: str, tmp_path: Path, files: int) -> None:
    words = [sys.executable, "-c", BACK_UP, str(living.root), place, str(files)]
    assert subprocess.run(words, check=False).returncode == -9
    repository = open_repository(place)
    assert repository.snapshot_names() == []
    written = verify_repository(repository)
    assert written.damaged == ()
    left = Path(place, "objects", "00", f"{TEMPORARY_PREFIX}left")
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"half")
    os.utime(left, (START.timestamp(), START.timestamp()))
    for scratch in local_path(living.root).glob(f"{TEMPORARY_PREFIX}*"):
        shutil.rmtree(scratch)
    done = create_backup(living, place, now=after(5))
    assert done.is_sound
    assert done.new_objects <= len(done.snapshot.files) - written.objects
    assert not left.exists()
    found = verify_repository(repository)
    assert (found.damaged, found.unused) == ((), 0)
    restore(repository, done.name, tmp_path / "new", now=START)
    assert tree(tmp_path / "new") == tree(local_path(living.root))
