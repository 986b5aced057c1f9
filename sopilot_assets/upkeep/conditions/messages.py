"""Alerts about what has happened and is not over, and messages that nobody has got yet."""

from __future__ import annotations

from collections.abc import Iterator
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
