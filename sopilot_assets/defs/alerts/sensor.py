"""The sensor that watches: failed runs, failed checks, what is overdue and the disk become alerts, and alerts
are sent.

It is no run failure sensor of Dagster's: such a one moves on when its body fails, so that an alert which
could not be written (a full disk) would be lost. This one moves on only after everything is noted.
"""

import json
import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import dagster as dg

from sopilot_assets.defs.alerts.ended_runs import ended_runs
from sopilot_assets.defs.alerts.failed_checks import failed_checks
from sopilot_assets.defs.dagster_internals.launcher import end_lost_starts
from sopilot_assets.defs.dagster_internals.ticks import last_look
from sopilot_assets.defs.resources import ClockResource, HomeResource
from sopilot_assets.disk import guard_disk
from sopilot_assets.settings import Settings
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.alerts import AlertDelivery, deliver, settle
from sopilot_assets.upkeep.alerts.campaigns import note_campaign_steps
from sopilot_assets.upkeep.alerts.failures import CHECK_FAILED, end_deleted_runs, note_ended_runs
from sopilot_assets.upkeep.alerts.lasting import settle_lasting
from sopilot_assets.upkeep.conditions.campaign import CAMPAIGN
from sopilot_assets.upkeep.conditions.dagster_files import DagsterState
from sopilot_assets.upkeep.conditions.home import SETTINGS
from sopilot_assets.upkeep.conditions.instance import CAPTURE_SENSOR
from sopilot_assets.upkeep.conditions.lateness import begin_watch
from sopilot_assets.upkeep.conditions.machine import DISK
from sopilot_assets.upkeep.conditions.questions import ALERTED
from sopilot_assets.upkeep.conditions.situation import Situation

AT_EACH_TICK: Final = (SETTINGS, DISK, CAMPAIGN)
CONDITIONS_EVERY_S: Final = 60.0
"""How often all other kinds of conditions and failed checks are looked for."""
FIRST_LOOK: Final = timedelta(hours=24)
"""How far back the first tick of all looks for failed runs."""


@dataclass(frozen=True, slots=True)
class AlertsCursor:
    """What one tick tells the next: the newest events of ended runs that are noted, by storage id, and when
    conditions were looked at (seconds since the epoch).
    """

    failures: int | None = None
    successes: int | None = None
    conditions_s: float | None = None

    def to_json(self) -> str:
        """The cursor as text."""
        return json.dumps([self.failures, self.successes, self.conditions_s])

    @classmethod
    def from_json(cls, text: str | None) -> "AlertsCursor":
        """The cursor that `to_json` wrote; anything else starts afresh, which notes nothing twice."""
        try:
            failures, successes, conditions_s = json.loads(text or "")
            return cls(failures, successes, conditions_s)
        except (ValueError, TypeError):
            return cls()


@dg.sensor(
    name="alerts",
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Notes what needs attention in alerts/alerts.jsonl (failed runs, failed checks, what is overdue, "
        "little disk space), and sends it by webhook and e-mail as settings.yaml says. What cannot be sent "
        "is tried again."
    ),
)
def alerts_sensor(
    context: dg.SensorEvaluationContext, home: HomeResource, clock: ClockResource
) -> dg.SensorResult:
    """One tick."""
    for run_id in end_lost_starts(context.instance):
        message = f"run {run_id}: its process was gone before the run began"
        context.log.warning(message)
    asked = Situation(home.home, clock.now(), os.environ, dagster_told=_known(context.instance))
    settle_lasting(asked, SETTINGS)
    settings, now = asked.settings, asked.now
    cursor = AlertsCursor.from_json(context.cursor)
    try:
        cursor = _note_runs(context.instance, home.home, settings, cursor, now)
        cursor = _note_conditions(context, asked, cursor)
        note_campaign_steps(home.home, now=now, repeat_after_hours=settings.alerts.repeat_after_hours)
    finally:
        sent = _deliver(home.home, settings, now)
    _log_failures(context, sent)
    told = f"{sent.delivered} messages sent, {sent.waiting} wait"
    return dg.SensorResult(skip_reason=told, cursor=cursor.to_json())


def _deliver(home: Home, settings: Settings, now: datetime) -> AlertDelivery:
    """What was sent of all that waits, with the secrets of this process's environment."""
    return deliver(
        home,
        settings.alerts,
        environment=os.environ,
        installation=settings.alerts.installation or socket.gethostname(),
        now=now,
    )


def _note_runs(
    instance: dg.DagsterInstance, home: Home, settings: Settings, cursor: AlertsCursor, now: datetime
) -> AlertsCursor:
    ended = ended_runs(instance, failures=cursor.failures, successes=cursor.successes, since=now - FIRST_LOOK)
    again = cursor.failures is None or cursor.successes is None
    hours = settings.alerts.repeat_after_hours
    note_ended_runs(home, ended.runs, now=now, repeat_after_hours=hours, again=again)
    return AlertsCursor(ended.failures, ended.successes, cursor.conditions_s)


def _note_conditions(
    context: dg.SensorEvaluationContext, asked: Situation, cursor: AlertsCursor
) -> AlertsCursor:
    home, now, again = asked.home, asked.now, asked.settings.alerts.repeat_after_hours
    guard_disk(home, asked.settings.disk)
    settle_lasting(asked, DISK, repeat_after_hours=again)
    settle_lasting(asked, CAMPAIGN, repeat_after_hours=again)
    looked_s = cursor.conditions_s
    if looked_s is not None and abs(now.timestamp() - looked_s) < CONDITIONS_EVERY_S:
        return cursor
    begin_watch(home, now)
    end_deleted_runs(home, context.instance.has_run, now=now)
    for kind in ALERTED:
        if kind not in AT_EACH_TICK:
            settle_lasting(asked, kind, repeat_after_hours=again)
    repository = context.repository_def
    if repository is not None:
        failed = failed_checks(context.instance, repository)
        settle(home, {CHECK_FAILED}, failed, now=now, repeat_after_hours=again)
    return AlertsCursor(cursor.failures, cursor.successes, now.timestamp())


def _known(instance: dg.DagsterInstance) -> DagsterState:
    """When the capture folder was looked at last, where Dagster has ever done so."""
    last = last_look(instance, CAPTURE_SENSOR)
    return DagsterState(ticks=() if last is None else (last,))


def _log_failures(context: dg.SensorEvaluationContext, sent: AlertDelivery) -> None:
    for one in sent.failed:
        message = f"{one.channel}: message {one.parcel.id} not delivered, try {one.tries}: {one.error}"
        context.log.warning(message)
