"""Alerts about what lasts until somebody does something: raised while it is so, resolved when it is over."""

from __future__ import annotations

from typing import Final

from sopilot_assets.errors import SopilotError
from sopilot_assets.upkeep.alerts.alert import AlertEvent
from sopilot_assets.upkeep.alerts.noting import REPEAT_AFTER_HOURS, raise_alerts, settle
from sopilot_assets.upkeep.conditions.condition import problem
from sopilot_assets.upkeep.conditions.questions import ALERTED
from sopilot_assets.upkeep.conditions.situation import Situation

UNANSWERED: Final = "unanswered"
"""The subject of the alert that it cannot be told how things are."""


def settle_lasting(
    asked: Situation, kind: str, *, repeat_after_hours: float = REPEAT_AFTER_HOURS
) -> list[AlertEvent]:
    """The events that make the open alerts of a kind the conditions of that kind.

    Where its questions cannot be answered, that is one more alert of the kind, and those that are open stay.
    """
    try:
        answers = [question(asked) for question in ALERTED[kind]]
    except (SopilotError, OSError) as error:
        what = f"it cannot be found out whether anything is wrong here: {error}"
        unanswered = problem(kind, UNANSWERED, what, "mend what the message names")
        return raise_alerts(asked.home, [unanswered], now=asked.now, repeat_after_hours=repeat_after_hours)
    lasting = [one for answer in answers for one in answer.conditions if one.kind == kind]
    return settle(asked.home, {kind}, lasting, now=asked.now, repeat_after_hours=repeat_after_hours)
