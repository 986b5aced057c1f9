"""A run that the code server of an older version has started is found dead when its process is gone, and left
alone where it may still live.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.launcher import WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.test_utils import create_run_for_test, freeze_time

from sopilot_assets.defs.dagster_internals.launcher import (
    LAUNCHED_TAG,
    PROCESS_TAG,
    LocalRunLauncher,
    NotedProcess,
    end_lost_starts,
    held_run,
)
from sopilot_assets.processes.boot_clock import SinceBoot

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """An instance with the project's own settings; the tests use runs of their own."""
    home = tmp_path_factory.mktemp("instance")
    (home / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("DAGSTER_HOME", str(home))
        with dg.DagsterInstance.get() as instance:
            yield instance


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives until it is killed."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield process
        process.kill()


def started_run(instance: dg.DagsterInstance, *pids: int, host: str = "localhost") -> dg.DagsterRun:
    """A started run that noted these processes."""
    tags = {GRPC_INFO_TAG: json.dumps({"host": host, "socket": "/nowhere"})}
    run: dg.DagsterRun = create_run_for_test(instance, "job", status=dg.DagsterRunStatus.STARTED, tags=tags)
    for pid in pids:
        instance.report_engine_event("Started process", run, EngineEventData.in_process(pid))
    return run


def health(instance: dg.DagsterInstance, run: dg.DagsterRun) -> WorkerStatus:
    return instance.run_launcher.check_run_worker_health(run).status


def test_the_project_s_instance_uses_the_launcher(instance: dg.DagsterInstance) -> None:
    assert isinstance(instance.run_launcher, LocalRunLauncher)
    assert instance.run_launcher.supports_check_run_worker_health


def test_a_run_is_healthy_while_its_process_lives_and_failed_after(
    instance: dg.DagsterInstance, worker: subprocess.Popen[bytes]
) -> None:
    run = started_run(instance, worker.pid)
    assert health(instance, run) is WorkerStatus.RUNNING
    worker.kill()
    worker.wait()
    assert health(instance, run) is WorkerStatus.FAILED


def test_a_killed_process_that_nobody_has_waited_for_counts_as_gone(
    instance: dg.DagsterInstance, worker: subprocess.Popen[bytes]
) -> None:
    run = started_run(instance, worker.pid)
    worker.kill()
    deadline = time.monotonic() + 10
    while health(instance, run) is WorkerStatus.RUNNING and time.monotonic() < deadline:
        time.sleep(0.01)
    assert worker.returncode is None
    assert health(instance, run) is WorkerStatus.FAILED


def test_the_first_process_noted_decides(
    instance: dg.DagsterInstance, worker: subprocess.Popen[bytes]
) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as step:
        step.wait()
    assert health(instance, started_run(instance, worker.pid, step.pid)) is WorkerStatus.RUNNING
    assert health(instance, started_run(instance, step.pid, worker.pid)) is WorkerStatus.FAILED


def test_a_run_that_noted_no_process_is_left_alone(instance: dg.DagsterInstance) -> None:
    assert health(instance, started_run(instance)) is WorkerStatus.RUNNING


def test_a_run_of_another_machine_is_left_alone(instance: dg.DagsterInstance) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    assert health(instance, started_run(instance, gone.pid, host="scoring-2")) is WorkerStatus.RUNNING


def test_a_run_of_a_command_lives_as_long_as_its_process_whatever_its_id_is_here(
    instance: dg.DagsterInstance,
) -> None:
    """In another container the id is that of no process, or of another one."""
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    tag = f"{socket.gethostname()}:{gone.pid}:{SinceBoot.now()}"
    run = create_run_for_test(instance, "job", status=dg.DagsterRunStatus.STARTED, tags={PROCESS_TAG: tag})
    with held_run(instance, run.run_id):
        assert health(instance, run) is WorkerStatus.RUNNING
        assert end_lost_starts(instance) == []
    assert health(instance, run) is WorkerStatus.FAILED
    assert not [*(Path(instance.root_directory) / "running_commands").iterdir()]


def test_a_process_that_got_the_id_of_a_dead_one_is_another(worker: subprocess.Popen[bytes]) -> None:
    now = SinceBoot.now()
    assert NotedProcess(worker.pid, SinceBoot(now.boot_id, now.seconds - 60), 60).is_alive()
    assert not NotedProcess(worker.pid, SinceBoot(now.boot_id, now.seconds - 3600), 60).is_alive()
    assert not NotedProcess(worker.pid, SinceBoot(now.boot_id, now.seconds + 60), 60).is_alive()
    assert not NotedProcess(worker.pid, SinceBoot("another start", now.seconds), 60).is_alive()


@pytest.mark.parametrize(("launched_ago_s", "status"), [(1, "RUNNING"), (3600, "FAILED")])
def test_when_a_run_was_launched_tells_its_process_from_a_later_one(
    instance: dg.DagsterInstance, worker: subprocess.Popen[bytes], launched_ago_s: float, status: str
) -> None:
    run, now = started_run(instance, worker.pid), SinceBoot.now()
    launched = SinceBoot(now.boot_id, now.seconds - launched_ago_s)
    instance.add_run_tags(run.run_id, {LAUNCHED_TAG: str(launched)})
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert health(instance, found) is WorkerStatus[status]


def test_a_launch_that_was_repeated_after_the_process_began_makes_no_run_seem_dead(
    instance: dg.DagsterInstance, worker: subprocess.Popen[bytes]
) -> None:
    run, now = started_run(instance, worker.pid), SinceBoot.now()
    for seconds in (0, 60, 120):
        instance.add_run_tags(run.run_id, {LAUNCHED_TAG: str(SinceBoot(now.boot_id, now.seconds + seconds))})
        found = instance.get_run_by_id(run.run_id)
        assert found is not None
        assert health(instance, found) is WorkerStatus.RUNNING


def test_a_clock_that_was_set_back_or_forward_makes_no_run_seem_dead(
    instance: dg.DagsterInstance, worker: subprocess.Popen[bytes]
) -> None:
    for hours in (-1, 1):
        with freeze_time(datetime.now(UTC) + timedelta(hours=hours)):
            run = started_run(instance, worker.pid)
        assert health(instance, run) is WorkerStatus.RUNNING
