"""What a worker does with the process of a run."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
from celery import signals, states
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.test_utils import create_run_for_test, instance_for_test
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import pack_value
from redis.exceptions import ConnectionError as NobodyThere

from sopilot_assets.defs.dagster_internals.worker_launcher import WorkerRunLauncher
from sopilot_assets.defs.dagster_internals.worker_tasks import TASK_NAME
from sopilot_assets.defs.scale import worker
from sopilot_assets.defs.scale.worker import SignsOfLife, execute, worker_app
from sopilot_assets.errors import ConfigError, RunLost
from sopilot_assets_tests.defs.scale import sleeper, tidying

pytestmark = pytest.mark.whole

PATIENCE = SignsOfLife(sign_every_s=0.05, give_up_s=1.0)


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance whose runs sleep until they are ended."""
    monkeypatch.setattr(worker, "run_process", SimpleNamespace(__name__=sleeper.__name__))
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def run_in(instance: dg.DagsterInstance, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    run: dg.DagsterRun = create_run_for_test(instance, "job", status=status)
    return run


def ended_after(instance: dg.DagsterInstance, run: dg.DagsterRun, show: Callable[[int], None]) -> float:
    """Seconds until the worker had ended the process of a run that did not end by itself."""
    began_s = time.monotonic()
    with pytest.raises(RunLost, match=run.run_id):
        execute(instance, run.run_id, patience=PATIENCE, show=show)
    return time.monotonic() - began_s


def test_signs_grow_and_a_cancelled_run_is_ended(instance: dg.DagsterInstance) -> None:
    run, signs = run_in(instance, dg.DagsterRunStatus.STARTED), []

    def show(sign: int) -> None:
        signs.append(sign)
        if sign == 5:
            instance.report_run_canceling(run)

    assert ended_after(instance, run, show) < 60
    assert signs[:5] == [1, 2, 3, 4, 5]
    assert len(signs) < 50


def test_a_worker_that_nobody_hears_ends_its_run_before_it_counts_as_lost(
    instance: dg.DagsterInstance,
) -> None:
    def fail(sign: int) -> None:
        raise NobodyThere(f"sign {sign}")

    run = run_in(instance, dg.DagsterRunStatus.STARTED)
    assert ended_after(instance, run, fail) >= PATIENCE.give_up_s


def test_a_sign_that_does_not_arrive_now_and_then_is_borne(instance: dg.DagsterInstance) -> None:
    run, signs = run_in(instance, dg.DagsterRunStatus.STARTED), []

    def show(sign: int) -> None:
        signs.append(sign)
        if sign % 3:
            raise NobodyThere(f"sign {sign}")
        if sign >= 60:
            instance.report_run_canceling(run)

    ended_after(instance, run, show)
    assert max(signs) >= 60


def test_a_run_that_was_given_up_elsewhere_is_ended(instance: dg.DagsterInstance) -> None:
    run = run_in(instance, dg.DagsterRunStatus.STARTED)

    def show(sign: int) -> None:
        if sign == 3:
            instance.report_run_failed(run)

    assert execute(instance, run.run_id, patience=PATIENCE, show=show) != 0


def test_a_run_that_succeeded_may_tidy_up(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "run_process", SimpleNamespace(__name__=tidying.__name__))
    run = run_in(instance, dg.DagsterRunStatus.STARTED)

    def show(sign: int) -> None:
        if sign == 2:
            instance.report_dagster_event(dg.DagsterEvent("PIPELINE_SUCCESS", "job"), run.run_id)

    assert execute(instance, run.run_id, patience=PATIENCE, show=show) == 0


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.FAILURE])
def test_a_run_that_ended_in_the_queue_is_not_begun(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    run, signs = run_in(instance, status), []
    assert execute(instance, run.run_id, patience=PATIENCE, show=signs.append) == 0
    assert signs == []
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.is_finished


@pytest.fixture
def shared() -> Iterator[dg.DagsterInstance]:
    """An instance for workers, with a broker inside this process."""
    settings = {"default_queue": "dagster", "broker": "memory://", "backend": "cache+memory://"}
    launcher = {
        "module": WorkerRunLauncher.__module__,
        "class": WorkerRunLauncher.__name__,
        "config": settings,
    }
    with instance_for_test(overrides={"run_launcher": launcher}) as instance:
        yield instance


def message(run: dg.DagsterRun) -> object:
    """What the launcher sends for a run."""
    repository = RepositoryPythonOrigin(sys.executable, ModuleCodePointer("nowhere", "defs"))
    return pack_value(ExecuteRunArgs(JobPythonOrigin("job", repository), run.run_id, None))


def test_a_message_that_comes_twice_begins_nothing_and_leaves_what_the_first_worker_says(
    shared: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "run_process", SimpleNamespace(__name__=tidying.__name__))
    run = run_in(shared, dg.DagsterRunStatus.STARTED)
    app = worker_app(shared)
    app.backend.store_result(run.run_id, {"sign": 7}, states.STARTED)
    again = app.tasks[TASK_NAME].apply(args=[message(run)], task_id=run.run_id)
    assert again.state == states.IGNORED
    told = app.AsyncResult(run.run_id)
    assert (told.state, told.info) == (states.STARTED, {"sign": 7})
    assert [one for one in shared.all_logs(run.run_id) if "Taken by" in str(one.message)] == []


def test_an_instance_of_one_machine_has_nothing_for_workers(instance: dg.DagsterInstance) -> None:
    with pytest.raises(ConfigError, match="sopilot home init --profile scale"):
        worker_app(instance)


def test_systemd_hears_of_a_worker_what_redis_hears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", systemd.getsockname())
        receivers = [signals.worker_ready.receivers, signals.heartbeat_sent.receivers]
        before = [list(one) for one in receivers]
        worker._give_signs()
        signals.worker_ready.send(sender=None)
        signals.heartbeat_sent.send(sender=None)
        assert [systemd.recv(100), systemd.recv(100)] == [b"READY=1", b"WATCHDOG=1"]
        for one, then in zip(receivers, before, strict=True):
            one[:] = then
