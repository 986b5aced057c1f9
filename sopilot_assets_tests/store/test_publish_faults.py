"""Whatever system call fails, and wherever the process is killed, a file is the old or the new one."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from sopilot_assets.errors import StoreError
from sopilot_assets.store.publish import (
    TEMPORARY_PREFIX,
    only_writer,
    publish_bytes,
    scratch_folder,
    sweep_unfinished,
)
from sopilot_assets_tests.store.publish_faults import MIXTURE, NEW, OLD, Case
from sopilot_assets_tests.store.syscall_faults import DIED, KILL, PLACED, SUCCEEDED, UNCHANGED, is_possible

pytestmark = pytest.mark.whole

ALL = ("--json",) if os.environ.get("SOPILOT_KILLS") else ("--json", "--few")
"""SOPILOT_KILLS=1 for all kinds of errors: 1,062 cases in a minute."""


@pytest.fixture(scope="module")
def faults() -> tuple[list[Case], dict[str, list[str]]]:
    """Every case, and the undisturbed system calls of each writer."""
    # asked in a process of its own, since a filter on system calls is not for one with threads
    asked = "from sopilot_assets_tests.store.syscall_faults import is_possible; print(is_possible())"
    if _output("-c", asked).strip() != "True":
        pytest.skip("this kernel lets no process stop another at its system calls")
    lines = [
        json.loads(line)
        for line in _output("-m", "sopilot_assets_tests.store.publish_faults", *ALL).splitlines()
    ]
    calls = {line["writer"]: line["calls"] for line in lines if "calls" in line}
    return [Case(**line) for line in lines if "calls" not in line], calls


def _output(*arguments: str) -> str:
    command = (sys.executable, *arguments)
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout


def test_it_is_known_whether_this_kernel_can_do_it() -> None:
    assert isinstance(is_possible(), bool)


def test_every_call_of_every_writer_met_every_fault(
    faults: tuple[list[Case], dict[str, list[str]]],
) -> None:
    cases, calls = faults
    assert len(calls) == 5
    for writer, names in calls.items():
        for fault in ("EIO", "EIO from then on", KILL):
            numbers = [case.number for case in cases if (case.writer, case.fault) == (writer, fault)]
            assert numbers == list(range(len(numbers)))
            assert len(numbers) >= len(names) > 15, (writer, fault, len(numbers), names)


def test_a_file_is_the_old_or_the_new_one_and_never_a_mixture(
    faults: tuple[list[Case], dict[str, list[str]]],
) -> None:
    mixed = [case for case in faults[0] if case.state not in (OLD, NEW)]
    assert mixed == []
    assert MIXTURE not in (OLD, NEW)
    assert {case.state for case in faults[0]} == {OLD, NEW}


def test_what_the_writer_says_is_what_is_there(faults: tuple[list[Case], dict[str, list[str]]]) -> None:
    said = {(case.ending, case.state) for case in faults[0] if case.ending != DIED}
    assert said == {(SUCCEEDED, NEW), (UNCHANGED, OLD), (PLACED, NEW), ("refused", OLD)}


def test_the_writer_works_again_afterwards(faults: tuple[list[Case], dict[str, list[str]]]) -> None:
    assert [case for case in faults[0] if not case.heals] == []


def test_only_a_dead_process_or_a_dead_disk_leaves_an_unfinished_file(
    faults: tuple[list[Case], dict[str, list[str]]],
) -> None:
    left = [case for case in faults[0] if case.unfinished]
    assert {case.fault for case in left} <= {KILL, "EIO from then on", "EIO"}
    assert all(case.call == "unlink" for case in left if case.fault == "EIO")
    assert max(case.unfinished for case in left) == 1


@pytest.mark.parametrize("writer", ["replaces a file", "first file of a new folder", "row of a ledger"])
def test_the_bytes_are_flushed_before_the_rename_and_the_folder_after_it(
    writer: str, faults: tuple[list[Case], dict[str, list[str]]]
) -> None:
    disk = [name for name in faults[1][writer] if name in {"write", "fsync", "rename", "renameat", "mkdir"}]
    after = disk[disk.index("write") :]
    assert [name for name, following in pairwise([*after, ""]) if name != following] == [
        "write",
        "fsync",
        next(name for name in after if name.startswith("rename")),
        "fsync",
    ]


def test_folders_that_are_made_are_flushed_too(faults: tuple[list[Case], dict[str, list[str]]]) -> None:
    calls = faults[1]["first file of a new folder"]
    assert calls.count("fsync") == 2 + 2  # the file and its folder, and each new folder's entry


@pytest.mark.parametrize("room", [0, 1, 4096, 299_999, 300_000])
def test_a_disk_that_fills_up_in_the_middle_of_a_file_leaves_the_old_one(tmp_path: Path, room: int) -> None:
    target = tmp_path / "file.bin"
    publish_bytes(target, b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        if room < 300_000:
            with pytest.raises(StoreError, match=r"file\.bin: could not be published \(File too large\)"):
                publish_bytes(target, b"n" * 300_000)
        else:
            publish_bytes(target, b"n" * 300_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert target.read_bytes() == (b"old" if room < 300_000 else b"n" * 300_000)
    assert list(tmp_path.iterdir()) == [target]


def test_a_lock_goes_with_the_process_that_was_killed(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    holding = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from sopilot_assets.store.publish import only_writer\n"
        "with only_writer(Path(sys.argv[1])):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", holding, str(lock)], check=False, timeout=60)
    assert killed.returncode == -9
    with only_writer(lock):
        assert lock.exists()


def test_sweeping_removes_scratch_folders_of_killed_processes(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as alive:
        old = tmp_path / f"{TEMPORARY_PREFIX}old"
        (old / "deep").mkdir(parents=True)
        (old / "deep" / "half.mp4").write_bytes(b"half")
        (alive / "whole.mp4").write_bytes(b"whole")
        for path in (old / "deep" / "half.mp4", old / "deep", old):
            os.utime(path, (1e9, 1e9))
        os.utime(alive, (1e9, 1e9))  # a folder is as old as the newest file in it
        now_s = (alive / "whole.mp4").stat().st_mtime
        assert sweep_unfinished(tmp_path, older_than_s=60, now_s=now_s) == 1
        assert not old.exists()
        assert (alive / "whole.mp4").exists()
