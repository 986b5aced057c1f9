"""A clock that is set back does not make sensors wait."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.test_utils import freeze_time
from dagster._time import datetime_from_timestamp

from sopilot_assets.defs.dagster_internals.steady_clock import SteadySchedules

NOW_S = 1_790_000_000.0
ORIGIN = RemoteInstigatorOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("sopilot_assets"), "__repository__"), "watch"
)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[SteadySchedules]:
    storage = SteadySchedules.from_local(str(tmp_path))
    yield storage
    storage.dispose()


def sensor(ticked_s: float) -> InstigatorState:
    data = SensorInstigatorData(
        last_tick_timestamp=ticked_s, last_tick_start_timestamp=ticked_s - 1, cursor="here", min_interval=5
    )
    return InstigatorState(ORIGIN, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data)


@pytest.mark.parametrize(("ahead_s", "known"), [(-3600.0, True), (0.0, True), (4.0, True), (3600.0, False)])
def test_a_last_tick_in_the_future_is_none(storage: SteadySchedules, ahead_s: float, known: bool) -> None:
    storage.add_instigator_state(sensor(NOW_S + ahead_s))
    with freeze_time(datetime_from_timestamp(NOW_S)):
        found = storage.get_instigator_state(ORIGIN.get_id(), ORIGIN.get_selector().get_id())
        (listed,) = storage.all_instigator_state()
    assert found is not None
    assert found.instigator_data == listed.instigator_data
    data = found.instigator_data
    assert isinstance(data, SensorInstigatorData)
    assert (data.last_tick_timestamp is not None) == known
    assert (data.cursor, data.min_interval) == ("here", 5)


@pytest.mark.parametrize(("ahead_s", "known"), [(-3600.0, True), (3600.0, False)])
def test_a_schedule_has_seen_nothing_of_the_future(
    storage: SteadySchedules, ahead_s: float, known: bool
) -> None:
    at_s = NOW_S + ahead_s
    data = ScheduleInstigatorData("* * * * *", start_timestamp=at_s, last_iteration_timestamp=at_s)
    state = InstigatorState(ORIGIN, InstigatorType.SCHEDULE, InstigatorStatus.RUNNING, data)
    storage.add_instigator_state(state)
    with freeze_time(datetime_from_timestamp(NOW_S)):
        (found,) = storage.all_instigator_state()
    assert isinstance(found.instigator_data, ScheduleInstigatorData)
    assert (found.instigator_data.last_iteration_timestamp == at_s) == known
    assert found.instigator_data.start_timestamp == (at_s if known else pytest.approx(NOW_S, abs=10))


def test_the_latest_tick_is_the_latest_that_can_have_been(storage: SteadySchedules) -> None:
    for at_s in (NOW_S - 60.0, NOW_S + 3600.0):
        storage.create_tick(
            TickData(
                ORIGIN.get_id(),
                "watch",
                InstigatorType.SENSOR,
                TickStatus.SUCCESS,
                at_s,
                run_ids=[],
                run_keys=[],
                selector_id=ORIGIN.get_selector().get_id(),
            )
        )
    with freeze_time(datetime_from_timestamp(NOW_S)):
        (found,) = storage.get_ticks(ORIGIN.get_id(), ORIGIN.get_selector().get_id(), limit=1)
        every = storage.get_ticks(ORIGIN.get_id(), ORIGIN.get_selector().get_id(), before=NOW_S - 61.0)
    assert found.timestamp == NOW_S - 60.0
    assert list(every) == []
