"""Alerts about what lasts until somebody does something: raised while it is so, resolved when it is over."""

from __future__ import annotations

from sopilot_assets.upkeep.alerts.alert import AlertEvent
from sopilot_assets.upkeep.alerts.noting import REPEAT_AFTER_HOURS, settle
from sopilot_assets.upkeep.conditions.questions import ALERTED
from sopilot_assets.upkeep.conditions.situation import Situation


def settle_lasting(
    asked: Situation, kind: str, *, repeat_after_hours: float = REPEAT_AFTER_HOURS
) -> list[AlertEvent]:
    """The events that make the open alerts of a kind the conditions of that kind.

    A question that cannot be answered raises, and nothing of its kind is noted.
    """
    answers = [question(asked) for question in ALERTED[kind]]
    lasting = [one for answer in answers for one in answer.conditions if one.kind == kind]
    return settle(asked.home, {kind}, lasting, now=asked.now, repeat_after_hours=repeat_after_hours)
