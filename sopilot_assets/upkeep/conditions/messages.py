"""Alerts about what has happened and is not over, and messages that nobody has got yet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from sopilot_assets.upkeep.alerts.campaigns import STEP_FAILED
from sopilot_assets.upkeep.alerts.deliver import undelivered
from sopilot_assets.upkeep.alerts.failures import CHECK_FAILED, RUN_FAILED
from sopilot_assets.upkeep.alerts.noting import open_alerts
from sopilot_assets.upkeep.conditions.condition import (
    Answer,
    Condition,
    ConditionSeverity,
    Fine,
    found,
    warning,
)
from sopilot_assets.upkeep.conditions.situation import Situation
from sopilot_assets.upkeep.results.deliver import (
    channel_names,
    held_now,
    told_from,
    undelivered_results,
)

RESULTS: Final = "results"
_HAPPENED: Final = (RUN_FAILED, CHECK_FAILED, STEP_FAILED)


def happened(asked: Situation) -> Answer:
    """What failed and did not go through since, as alerts have noted it."""
    lasting = (one.newest for one in open_alerts(asked.home))
    return found(
        (
            Condition(one.kind, one.subject, ConditionSeverity(one.severity), one.what, one.action)
            for one in lasting
            if one.kind in _HAPPENED
        ),
        Fine("alerts", "open", "no failed run, check or step of a campaign"),
    )


def delivered(asked: Situation) -> Answer:
    """Messages that nobody has got yet."""
    return found(_undelivered(asked), Fine("alerts", "messages", "none undelivered"))


def _undelivered(asked: Situation) -> Iterator[Condition]:
    waiting = undelivered(asked.home, asked.settings.alerts, asked.environment)
    if waiting:
        what = f"{len(waiting)} messages were not delivered: {waiting[0].error or 'not tried yet'}"
        yield warning("alerts", "messages", what, "sopilot alert deliver --test, then sopilot alert deliver")


def results_delivered(asked: Situation) -> Answer:
    """Results that other programs were to be told of long ago."""
    settings, held = asked.settings, held_now(asked.home)
    begins = {name: told_from(held, settings.results, name) for name in channel_names(settings.results)}
    told = [
        f"{name} since {at:%Y-%m-%d %H:%M} UTC" if at else f"{name} (not yet)" for name, at in begins.items()
    ]
    fine = f"sent by {', '.join(told)}" if told else "sent to no other program"
    return found(_late_results(asked), Fine(RESULTS, "", fine))


def _late_results(asked: Situation) -> Iterator[Condition]:
    hours = asked.settings.freshness.result_sent_hours
    if hours is None:
        return
    waiting, begins = undelivered_results(asked.home, asked.settings), held_now(asked.home).begins
    before = asked.now - timedelta(hours=hours)
    # what was decided before the channel was named waits since then
    late = [one for one in waiting if max(one.parcel.time, begins.get(one.channel, one.parcel.time)) < before]
    for channel in sorted({one.channel for one in late}):
        mine = [one for one in late if one.channel == channel]
        why = next((one.error for one in mine if one.error), "not tried yet")
        what = f"{len(mine)} results were not taken by the {channel} for more than {hours:g} h: {why}"
        yield warning(RESULTS, channel, what, "sopilot score deliver --test, then sopilot score deliver")
