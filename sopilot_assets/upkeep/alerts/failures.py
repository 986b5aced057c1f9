"""Runs that failed, and their jobs when they go through again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sopilot_assets.store.home import Home
from sopilot_assets.texts.names import printable
from sopilot_assets.upkeep.alerts.alert import AlertEvent
from sopilot_assets.upkeep.alerts.noting import open_alerts, raise_alert, resolve_alert
from sopilot_assets.upkeep.conditions.condition import Condition, ConditionSeverity

RUN_FAILED: Final = "run_failed"
CHECK_FAILED: Final = "check_failed"


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that ended: when, of which job, over what (a partition, or empty for a range), and, where it
    failed, what it said and whether it is started again by itself.
    """

    run_id: str
    ended_at: datetime
    job: str
    over: str
    failed: bool
    said: str = ""
    retried: bool = False

    @property
    def subject(self) -> str:
        """Job and partition: one alert for each, however many runs fail."""
        return f"{self.job} {self.over}".strip()


def note_ended_runs(
    home: Home, runs: Iterable[EndedRun], *, now: datetime, repeat_after_hours: float, again: bool = False
) -> list[AlertEvent]:
    """The events of runs in the order in which they ended: a failure raises the alert of its job, a success
    resolves it.

    Runs come ``again`` when the place up to which they were read was lost: then a success resolves only a
    failure from before it, by the clock.
    """
    open_since = {one.newest.key: one.newest.time for one in open_alerts(home)}
    events: list[AlertEvent | None] = []
    for run in runs:
        key = (RUN_FAILED, printable(run.subject))
        if run.failed:
            event = raise_alert(home, _alert(run), now=now, repeat_after_hours=repeat_after_hours)
            events.append(event)
            open_since |= {key: run.ended_at} if event else {}
        elif key in open_since and (not again or open_since[key] <= run.ended_at):
            what = f"{run.subject} went through in run {run.run_id[:8]}"
            events.append(resolve_alert(home, *key, now=now, what=what))
            del open_since[key]
    return [event for event in events if event is not None]


def end_deleted_runs(home: Home, is_there: Callable[[str], bool], *, now: datetime) -> list[AlertEvent]:
    """The events that end the alerts of runs that are not there any more; ``is_there`` is asked for an id.

    Whoever deletes a run that failed wants nothing more of it, and no other run would end its alert.
    """
    gone = [one.newest for one in open_alerts(home) if one.newest.kind == RUN_FAILED]
    ended = [
        resolve_alert(home, *one.key, now=now, what=f"run {one.occurrence[:8]} of {one.subject} was deleted")
        for one in gone
        if not is_there(one.occurrence)
    ]
    return [event for event in ended if event is not None]


def _alert(run: EndedRun) -> Condition:
    said = f": {run.said}" if run.said else ""
    what = f"run {run.run_id[:8]} of {run.subject} failed{said}"
    if run.retried:
        action = (
            "nothing yet: it is started again by itself; where this lasts, look at the run in Dagster's page"
        )
        return Condition(RUN_FAILED, run.subject, ConditionSeverity.WARNING, what, action, run.run_id)
    action = (
        "read the run's error in the page of Dagster, mend what it names, and launch it again; "
        "or delete the run, where it was a mistake"
    )
    return Condition(RUN_FAILED, run.subject, ConditionSeverity.PROBLEM, what, action, run.run_id)
