"""A run whose worker is silent is noticed, however the worker fell silent; one that speaks is left alone."""

from __future__ import annotations

import dagster as dg
import pytest
from celery import states
from dagster._core.launcher import WorkerStatus
from dagster._core.test_utils import create_run_for_test

from sopilot_assets.defs.dagster_internals.launcher import PROCESS_TAG, process_tag
from sopilot_assets.defs.dagster_internals.worker_launcher import Silence, WorkerRunLauncher

pytestmark = pytest.mark.whole

LOST_AFTER_S = 60


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock of the launcher: a list whose one entry is the time in seconds."""
    now = [1000.0]
    monkeypatch.setattr(
        "sopilot_assets.defs.dagster_internals.worker_launcher.time.monotonic", lambda: now[0]
    )
    return now


@pytest.fixture
def launcher() -> WorkerRunLauncher:
    """A launcher with a broker and a backend inside this process."""
    return WorkerRunLauncher(
        default_queue="dagster",
        broker="memory://",
        backend="cache+memory://",
        lost_after_s=LOST_AFTER_S,
    )


def started(**tags: str) -> dg.DagsterRun:
    """A started run of an instance of its own."""
    with dg.DagsterInstance.ephemeral() as instance:
        run: dg.DagsterRun = create_run_for_test(
            instance, "job", status=dg.DagsterRunStatus.STARTED, tags=tags
        )
        return run


def tell(launcher: WorkerRunLauncher, run: dg.DagsterRun, state: str, sign: object) -> None:
    """What a worker writes about a run."""
    launcher.celery.backend.store_result(run.run_id, sign, state)


def health(launcher: WorkerRunLauncher, run: dg.DagsterRun) -> WorkerStatus:
    return launcher.check_run_worker_health(run).status


def test_a_worker_that_shows_signs_of_life_keeps_its_run(
    launcher: WorkerRunLauncher, clock: list[float]
) -> None:
    run = started()
    for sign in range(20):
        tell(launcher, run, states.STARTED, {"worker": "one@host", "sign": sign})
        assert health(launcher, run) == WorkerStatus.RUNNING
        clock[0] += LOST_AFTER_S - 1


def test_a_worker_that_fell_silent_has_lost_its_run(launcher: WorkerRunLauncher, clock: list[float]) -> None:
    run = started()
    tell(launcher, run, states.STARTED, {"worker": "one@host", "sign": 7})
    found = []
    for _ in range(4):
        found.append(health(launcher, run))
        clock[0] += LOST_AFTER_S / 2
    assert found == [WorkerStatus.RUNNING, WorkerStatus.RUNNING, WorkerStatus.FAILED, WorkerStatus.FAILED]
    said = launcher.check_run_worker_health(run).msg
    assert said is not None
    assert "one@host" in said


def test_a_store_that_forgot_everything_is_not_a_lost_run_until_the_worker_had_time_to_say_so_again(
    launcher: WorkerRunLauncher, clock: list[float]
) -> None:
    run = started()
    assert health(launcher, run) == WorkerStatus.RUNNING
    clock[0] += LOST_AFTER_S - 1
    tell(launcher, run, states.STARTED, {"worker": "one@host", "sign": 9})
    assert health(launcher, run) == WorkerStatus.RUNNING
    clock[0] += LOST_AFTER_S - 1
    assert health(launcher, run) == WorkerStatus.RUNNING


@pytest.mark.parametrize(
    ("state", "expected"),
    [(states.SUCCESS, WorkerStatus.SUCCESS), (states.FAILURE, WorkerStatus.FAILED)],
)
def test_what_the_worker_says_counts(launcher: WorkerRunLauncher, state: str, expected: WorkerStatus) -> None:
    run = started()
    tell(launcher, run, state, 0 if state == states.SUCCESS else RuntimeError("gone"))
    assert health(launcher, run) == expected


def test_a_run_of_a_command_line_is_judged_by_its_process(
    launcher: WorkerRunLauncher, clock: list[float]
) -> None:
    run = started(**{PROCESS_TAG: process_tag()})
    assert health(launcher, run) == WorkerStatus.RUNNING
    clock[0] += 10 * LOST_AFTER_S
    assert health(launcher, run) == WorkerStatus.RUNNING


def test_the_silences_of_runs_are_apart_and_those_of_ended_runs_are_forgotten() -> None:
    silence = Silence()
    assert [silence.seconds(run, 1, 10.0 * step) for step, run in enumerate("abab")] == [0, 0, 20, 20]
    silence.seconds("a", 1, 100_000.0)
    assert list(silence._seen) == ["a"]
