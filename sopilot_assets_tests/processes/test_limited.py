"""Children with limits: every way a task can go wrong ends that task only."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from sopilot_assets.errors import ConfigError, SopilotError, UnreadableVideo, WorkerLimit
from sopilot_assets.processes.limited import LimitedWorker, map_limited, run_limited

pytestmark = pytest.mark.whole

GIB = 1 << 30
STATE: dict[str, int] = {}


def double(value: int) -> int:
    return 2 * value


def misbehave(how: str) -> str:
    if how == "crash":
        ctypes.string_at(0)
    if how == "hang":
        time.sleep(600)
    if how == "spin":
        while True:
            pass
    if how == "hoard":
        return str(len(bytearray(8 * GIB)))
    if how == "refuse":
        raise UnreadableVideo("a.mp4: not today")
    if how == "bug":
        raise KeyError("surprise")
    if how == "leave":
        os._exit(3)
    return how


def set_up() -> None:
    STATE["pid"] = os.getpid()


def set_up_badly() -> None:
    raise ConfigError("no weights here")


def set_up_pid(_: int) -> tuple[int, int]:
    return STATE["pid"], os.getpid()


def spawn_then_hang(marker: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(marker).write_text(str(child.pid))
    time.sleep(600)


def _gone(pid: int, *, within_s: float = 5.0) -> bool:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("how", "limit", "words"),
    [
        ("crash", "crash", "SIGSEGV"),
        ("hang", "time", "1 s"),
        ("hoard", "memory", "memory"),
        ("bug", "crash", "KeyError: 'surprise'"),
        ("leave", "crash", "exit status 3"),
    ],
)
def test_a_task_that_misbehaves_ends_in_a_limit_that_says_which(how: str, limit: str, words: str) -> None:
    with LimitedWorker(GIB) as worker:
        assert worker.run(misbehave, ("well",), time_limit_s=30) == "well"
        with pytest.raises(WorkerLimit, match=words) as caught:
            worker.run(misbehave, (how,), time_limit_s=1)
        assert caught.value.limit == limit
        assert worker.run(misbehave, ("well again",), time_limit_s=30) == "well again"


def test_the_childs_own_errors_come_back_as_they_are() -> None:
    with pytest.raises(UnreadableVideo, match="not today"):
        run_limited(misbehave, ("refuse",), time_limit_s=30, memory_limit_bytes=GIB)


def test_a_batch_keeps_its_order_and_loses_only_what_failed() -> None:
    items = ["a", "crash", "b", "hang", "c", "refuse", "d", "spin", "e", "f"]
    done = list(map_limited(misbehave, items, processes=2, time_limit_s=4, memory_limit_bytes=GIB))
    assert [item for item, _ in done] == items
    failed = {item: type(result) for item, result in done if isinstance(result, SopilotError)}
    assert failed == {
        "crash": WorkerLimit,
        "hang": WorkerLimit,
        "refuse": UnreadableVideo,
        "spin": WorkerLimit,
    }
    assert all(result == item for item, result in done if item not in failed)


def test_the_initializer_runs_once_in_each_child_and_its_failure_ends_the_batch() -> None:
    done = list(
        map_limited(
            set_up_pid, range(6), processes=2, time_limit_s=30, memory_limit_bytes=GIB, initializer=set_up
        )
    )
    pids = [result for _, result in done if not isinstance(result, SopilotError)]
    assert all(own == now for own, now in pids)
    assert 1 <= len(set(pids)) <= 2
    with pytest.raises(ConfigError, match="no weights"):
        list(
            map_limited(
                set_up_pid,
                [1],
                processes=1,
                time_limit_s=30,
                memory_limit_bytes=GIB,
                initializer=set_up_badly,
            )
        )


def test_a_batch_that_is_left_early_leaves_no_process(tmp_path: Path) -> None:
    before = threading.active_count()
    batch = map_limited(
        misbehave, ["x", "hang", "hang", "hang"], processes=2, time_limit_s=60, memory_limit_bytes=GIB
    )
    assert next(batch) == ("x", "x")
    batch.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_what_a_task_started_ends_with_it(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    with pytest.raises(WorkerLimit):
        run_limited(spawn_then_hang, (str(marker),), time_limit_s=1.5, memory_limit_bytes=GIB)
    assert _gone(int(marker.read_text()))


def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    script = (
        "from sopilot_assets.processes.limited import run_limited;"
        "from sopilot_assets_tests.processes.test_limited import note_pid_and_hang;"
        f"run_limited(note_pid_and_hang, ({str(marker)!r},), time_limit_s=60, memory_limit_bytes={GIB})"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)}
    parent = subprocess.Popen([sys.executable, "-c", script], env=environment)
    while not (marker.exists() and marker.read_text()):
        time.sleep(0.05)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert _gone(int(marker.read_text()))


def note_pid_and_hang(marker: str) -> None:
    Path(marker).write_text(str(os.getpid()))
    time.sleep(600)


def _double_in_a_child(value: int, path: str) -> None:
    Path(path).write_text(str(run_limited(double, (value,), time_limit_s=30, memory_limit_bytes=GIB)))


def test_it_works_inside_daemonic_processes_and_threads(tmp_path: Path) -> None:
    process = get_context("spawn").Process(
        target=_double_in_a_child, args=(21, str(tmp_path / "a")), daemon=True
    )
    process.start()
    process.join(60)
    assert (tmp_path / "a").read_text() == "42"
    thread = threading.Thread(target=_double_in_a_child, args=(4, str(tmp_path / "b")))
    thread.start()
    thread.join()
    assert (tmp_path / "b").read_text() == "8"
