"""A run has exactly one process, which is never taken for dead while it lives; on real processes."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import dagster as dg
import psutil
import pytest
import yaml
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import BaseWorkspaceRequestContext

from sopilot_assets.defs.dagster_internals.launcher import end_lost_starts
from sopilot_assets.processes.held_file import is_held, take
from sopilot_assets_tests.defs.dagster_internals import one_job

pytestmark = pytest.mark.whole

ROOT = Path(__file__).parents[3]
STOPPED_S = float(os.environ.get("SOPILOT_CODE_SERVER_STOPPED_S", "6"))
"""How long the code server is stopped during a launch; Dagster waits for it a third of that, or its own 60 s
where that is shorter.
"""
LIMIT_S = 60 if STOPPED_S > 60 else STOPPED_S / 3
NO_WORKSPACE = cast("BaseWorkspaceRequestContext", None)
FAILURE, STARTED, SUCCESS = (
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.SUCCESS,
)


@dataclass(frozen=True)
class Place:
    """An instance with the project's own settings, but looked after each second, and what its runs note."""

    folder: Path
    instance: dg.DagsterInstance

    def takes(self, *, start_s: float = 0, work_s: float = 0) -> None:
        """How long the next runs take to start, and to work."""
        (self.folder / "start_takes_s").write_text(str(start_s), "ascii")
        (self.folder / "work_takes_s").write_text(str(work_s), "ascii")

    def new_run(self) -> str:
        """A run of the one job, as its code server would make it."""
        target = LoadableTargetOrigin(executable_path=sys.executable, module_name=one_job.__name__)
        location = ManagedGrpcPythonEnvCodeLocationOrigin(target, one_job.__name__)
        origin = RemoteJobOrigin(
            repository_origin=RemoteRepositoryOrigin(location, "__repository__"), job_name="working"
        )
        return str(
            self.instance.create_run_for_job(
                one_job.working,
                remote_job_origin=origin,
                job_code_origin=dg.reconstructable(one_job.working).get_python_origin(),
            ).run_id
        )

    def launch(self, run_id: str) -> None:
        self.instance.launch_run(run_id, NO_WORKSPACE)

    def run(self, run_id: str) -> dg.DagsterRun:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run

    def said(self, run_id: str) -> list[str]:
        """What stands in a run's log."""
        return [entry.message for entry in self.instance.all_logs(run_id)]

    def noted(self, where: str) -> list[int]:
        """The processes that noted something."""
        notes = self.folder / where
        return [int(line) for line in notes.read_text("ascii").splitlines()] if notes.exists() else []

    def wait(self, run_id: str, *wanted: dg.DagsterRunStatus, limit_s: float = 60) -> dg.DagsterRun:
        """The run, in one of the states."""
        wait_until(lambda: self.run(run_id).status in wanted, limit_s, lambda: f"{self.said(run_id)}")
        return self.run(run_id)


def wait_until(
    reached: Callable[[], object], limit_s: float = 60, otherwise: Callable[[], str] = str
) -> None:
    deadline_s = time.monotonic() + limit_s
    while not reached():
        assert time.monotonic() < deadline_s, otherwise()
        time.sleep(0.05)


def settings() -> str:
    """The shipped ``dagster.yaml``, in a hurry."""
    shipped = yaml.safe_load((ROOT / "dagster.yaml").read_text("utf-8"))
    shipped["run_monitoring"]["poll_interval_seconds"] = 1
    shipped["run_queue"]["dequeue_interval_seconds"] = 1
    return yaml.safe_dump(shipped)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    (tmp_path / "dagster.yaml").write_text(settings(), "utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv(one_job.FOLDER, str(tmp_path))
    with dg.DagsterInstance.get() as instance:
        made = Place(tmp_path, instance)
        made.takes()
        yield made


@contextmanager
def daemon(place: Place, variables: Mapping[str, str]) -> Iterator[psutil.Process]:
    """Dagster's daemon, at work; its code server comes out."""
    command = [sys.executable, "-m", "dagster._daemon", "run", "-m", one_job.__name__]
    with (
        (place.folder / "daemon.log").open("wb") as log,
        subprocess.Popen(command, env={**os.environ, **variables}, stdout=log, stderr=log) as process,
    ):
        started = psutil.Process(process.pid)
        try:
            wait_until(place.instance.get_daemon_heartbeats, 120)
            (server,) = (one for one in started.children(recursive=True) if "grpc" in " ".join(one.cmdline()))
            yield server
        finally:
            below = started.children(recursive=True)
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
            for one in below:
                if one.is_running():
                    one.kill()


def test_a_run_that_is_launched_ten_times_has_one_process(place: Place) -> None:
    place.takes(start_s=1, work_s=2)
    run_id = place.new_run()
    for _ in range(5):
        place.launch(run_id)
    place.wait(run_id, STARTED)
    for _ in range(5):
        place.launch(run_id)
        assert place.run(run_id).status is STARTED
    place.wait(run_id, SUCCESS, FAILURE)
    assert place.run(run_id).status is SUCCESS
    assert len(place.noted("starts")) == 1
    assert place.noted("work") == place.noted("starts")
    assert sum("not started a second time" in said for said in place.said(run_id)) == 9


def test_a_launch_that_meets_a_run_at_its_very_end_leaves_it_ended(place: Place) -> None:
    run_id = place.new_run()
    held = take(place.folder / "running" / run_id)  # the process has said all, and is not yet gone
    for said in (dg.DagsterEventType.RUN_START, dg.DagsterEventType.RUN_SUCCESS):
        place.instance.report_dagster_event(dg.DagsterEvent(said.value, "working"), run_id)
    place.launch(run_id)
    os.close(held or 0)
    assert place.run(run_id).status is SUCCESS
    assert [said for said in place.said(run_id) if "not started a second time" in said]


def test_a_code_server_that_is_stopped_during_a_launch_and_a_long_start_make_no_second_process(
    place: Place,
) -> None:
    place.takes(start_s=STOPPED_S / 2, work_s=STOPPED_S)
    run_id = place.new_run()
    with daemon(place, {"DAGSTER_GRPC_TIMEOUT_SECONDS": f"{LIMIT_S:.0f}"}) as server:
        server.suspend()
        place.instance.submit_run(run_id, NO_WORKSPACE)
        time.sleep(STOPPED_S)
        server.resume()
        place.wait(run_id, SUCCESS, FAILURE, limit_s=60 + 2 * STOPPED_S)
    assert place.run(run_id).status is SUCCESS, place.said(run_id)
    assert [run.run_id for run in place.instance.get_runs()] == [run_id]
    assert len(place.noted("starts")) == 1
    assert place.noted("work") == place.noted("starts")


def test_a_process_that_is_killed_at_work_is_told_with_how_it_ended(place: Place) -> None:
    place.takes(work_s=60)
    run_id = place.new_run()
    place.launch(run_id)
    wait_until(lambda: place.noted("work"))
    health = place.instance.run_launcher.check_run_worker_health
    assert health(place.run(run_id)).status.value == "RUNNING"
    os.kill(place.noted("work")[0], signal.SIGKILL)
    place.wait(run_id, FAILURE)
    assert any("SIGKILL" in said for said in place.said(run_id))
    assert health(place.run(run_id)).status.value == "FAILED"


@pytest.mark.parametrize("disposed", [False, True])
def test_a_run_that_outlives_whoever_launched_it_is_left_to_the_monitor(
    place: Place, tmp_path: Path, disposed: bool
) -> None:
    """No thread ends in an error, which a test takes for a failure."""
    place.takes(work_s=60)
    run_id = place.new_run()
    launching = dg.DagsterInstance.from_config(str(tmp_path))
    before = set(threading.enumerate())
    launching.launch_run(run_id, NO_WORKSPACE)
    (waits,) = set(threading.enumerate()) - before
    wait_until(lambda: place.noted("work"))
    if disposed:
        launching.dispose()
    else:
        del launching
        gc.collect()
    os.kill(place.noted("work")[0], signal.SIGKILL)
    waits.join(30)
    assert not waits.is_alive()
    assert place.run(run_id).status is STARTED
    health = place.instance.run_launcher.check_run_worker_health(place.run(run_id))
    assert health.status.value == "FAILED"


@pytest.mark.parametrize(("begun", "start_s", "work_s"), [("starts", 2, 0), ("work", 0, 60)])
def test_a_run_can_be_ended_while_it_starts_and_while_it_works(
    place: Place, begun: str, start_s: float, work_s: float
) -> None:
    place.takes(start_s=start_s, work_s=work_s)
    run_id = place.new_run()
    place.launch(run_id)
    wait_until(lambda: place.noted(begun))
    assert place.instance.run_launcher.terminate(run_id)
    place.wait(run_id, dg.DagsterRunStatus.CANCELED, limit_s=30)
    assert bool(place.noted("work")) == (begun == "work")
    wait_until(lambda: not is_held(place.folder / "running" / run_id))
    assert not place.instance.run_launcher.terminate(run_id)


def test_a_run_is_ended_from_another_container_and_no_process_that_has_its_id_here(place: Place) -> None:
    place.takes(work_s=60)
    run_id = place.new_run()
    place.launch(run_id)
    wait_until(lambda: place.noted("work"))
    with subprocess.Popen(["sleep", "60"]) as other:
        (place.folder / "running" / run_id).write_text(str(other.pid), "ascii")  # its id as it is seen there
        assert place.instance.run_launcher.terminate(run_id)
        place.wait(run_id, dg.DagsterRunStatus.CANCELED, limit_s=30)
        assert other.poll() is None
        other.kill()
    assert any("in another container" in said for said in place.said(run_id))


def test_a_start_whose_process_died_with_its_launcher_is_found(place: Place) -> None:
    dead, alive, ended = place.new_run(), place.new_run(), place.new_run()
    files = {run_id: place.folder / "running" / run_id for run_id in (dead, alive, ended)}
    for run_id in files:
        starting = dg.DagsterEvent(dg.DagsterEventType.RUN_STARTING.value, "working")
        place.instance.report_dagster_event(starting, run_id)
    place.instance.report_run_failed(place.run(ended))
    held = {run_id: take(file) for run_id, file in files.items()}
    for run_id in (dead, ended):
        os.close(held[run_id] or 0)
    assert end_lost_starts(place.instance) == [dead]
    assert place.run(dead).status is FAILURE
    assert place.run(alive).status is dg.DagsterRunStatus.STARTING
    assert is_held(files[alive])
    assert not files[ended].exists()
    assert end_lost_starts(place.instance) == []
    assert not files[dead].exists()


def test_a_run_that_another_version_queued_is_executed_by_this_one(place: Place) -> None:
    """That one must not write into the home any more, or was removed."""
    origin = place.run(place.new_run()).job_code_origin
    assert origin is not None
    of_before = origin._replace(
        repository_origin=origin.repository_origin._replace(
            executable_path="/opt/sopilot/versions/0.1.0/bin/python"
        )
    )
    queued = place.instance.create_run_for_job(one_job.working, job_code_origin=of_before)
    place.launch(queued.run_id)
    place.wait(queued.run_id, SUCCESS, FAILURE)
    assert place.run(queued.run_id).status is SUCCESS
