"""When a sensor looked last, from what the instance keeps of it."""

from __future__ import annotations

from datetime import UTC, datetime

from dagster import DagsterInstance
from dagster._core.scheduler.instigation import SensorInstigatorData


def last_tick(instance: DagsterInstance, sensor: str) -> datetime | None:
    """The newest look of the sensor of that name; None where there was none, or nothing is kept of it."""
    states = instance.all_instigator_state() if instance.schedule_storage else ()
    ticks = [
        state.instigator_data.last_tick_timestamp
        for state in states
        if state.name == sensor and isinstance(state.instigator_data, SensorInstigatorData)
    ]
    newest = max((tick for tick in ticks if tick is not None), default=None)
    return None if newest is None else datetime.fromtimestamp(newest, UTC)
