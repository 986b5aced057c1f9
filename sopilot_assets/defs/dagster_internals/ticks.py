"""When a sensor looked last, from what the instance keeps of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from dagster import DagsterInstance
from dagster._core.scheduler.instigation import TickStatus

from sopilot_assets.upkeep.conditions.dagster_files import Tick

_LOOKED: Final = [TickStatus.SUCCESS, TickStatus.SKIPPED]


def last_look(instance: DagsterInstance, sensor: str) -> Tick | None:
    """The newest look of the sensor of that name that did not fail; None where nothing is kept of it."""
    states = instance.all_instigator_state() if instance.schedule_storage else ()
    its = [state for state in states if state.name == sensor]
    found = [
        tick.timestamp
        for state in its
        for tick in instance.get_ticks(
            state.instigator_origin_id, state.selector_id, limit=1, statuses=_LOOKED
        )
    ]
    at = datetime.fromtimestamp(max(found), UTC) if found else None
    return Tick(sensor, at) if its else None
