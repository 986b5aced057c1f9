"""Sensors and schedules that go on when the clock is set back.

Dagster waits with a sensor until its interval after the last tick is over, and asks a schedule only for times
after its last tick. A clock that was wrong by an hour and is put right leaves last ticks an hour ahead, and
everything would stand still for that hour. (A daemon that runs meanwhile also waits in memory: it has to be
started again.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorTick,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickStatus,
)
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._time import get_current_timestamp

SLACK_S: Final = 5.0
"""What lies no further ahead is taken as it is: two processes may read the clock in turn."""


class SteadySchedules(SqliteScheduleStorage):
    """SQLite's storage of schedules and sensors in which nothing has happened in the future."""

    def all_instigator_state(
        self,
        repository_origin_id: str | None = None,
        repository_selector_id: str | None = None,
        instigator_type: InstigatorType | None = None,
        instigator_statuses: set[InstigatorStatus] | None = None,
    ) -> Sequence[InstigatorState]:
        """The states of all schedules and sensors."""
        found = super().all_instigator_state(
            repository_origin_id, repository_selector_id, instigator_type, instigator_statuses
        )
        return [believed(state) for state in found]

    def get_instigator_state(self, origin_id: str, selector_id: str) -> InstigatorState | None:
        """The state of one schedule or sensor."""
        state = super().get_instigator_state(origin_id, selector_id)
        return None if state is None else believed(state)

    def get_ticks(
        self,
        origin_id: str,
        selector_id: str,
        before: float | None = None,
        after: float | None = None,
        limit: int | None = None,
        statuses: Sequence[TickStatus] | None = None,
    ) -> Sequence[InstigatorTick]:
        """The ticks of one schedule or sensor, newest first."""
        latest_s = _latest_s()
        upto_s = latest_s if before is None else min(before, latest_s)
        return super().get_ticks(origin_id, selector_id, upto_s, after, limit, statuses)


def believed(state: InstigatorState) -> InstigatorState:
    """The state of a schedule or sensor without times that lie ahead of the clock."""
    data = state.instigator_data
    if isinstance(data, SensorInstigatorData):
        latest_s = max(data.last_tick_timestamp or 0.0, data.last_tick_start_timestamp or 0.0)
        if latest_s > _latest_s():
            return state.with_data(data._replace(last_tick_timestamp=None, last_tick_start_timestamp=None))
    if isinstance(data, ScheduleInstigatorData):
        started_s = None if data.start_timestamp is None else min(data.start_timestamp, _latest_s())
        seen_s = data.last_iteration_timestamp
        seen_s = None if seen_s is None or seen_s > _latest_s() else seen_s
        return state.with_data(data._replace(start_timestamp=started_s, last_iteration_timestamp=seen_s))
    return state


def _latest_s() -> float:
    return get_current_timestamp() + SLACK_S
