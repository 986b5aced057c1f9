"""What is wrong with an installation and its home, printed: the answers to all questions.

Looking changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.conditions.condition import Condition, Fine
from sopilot_assets.upkeep.conditions.home import writable
from sopilot_assets.upkeep.conditions.packages import packages
from sopilot_assets.upkeep.conditions.questions import QUESTIONS, ask
from sopilot_assets.upkeep.conditions.situation import Situation


def examine_home(home: Home, *, now: datetime, environment: Mapping[str, str]) -> list[Condition | Fine]:
    """What is wrong and what is fine, in the order in which things should be mended."""
    asked = Situation(home, now, environment, seed=now.isoformat())
    there = local_path(home.root).is_dir()
    questions = QUESTIONS if there else (packages, writable)
    return [told for question in questions for told in ask(question, asked).told]


def doctor_row(told: Condition | Fine) -> dict[str, Cell]:
    """One line of what doctor prints."""
    state, action = (told.severity.value, told.action) if isinstance(told, Condition) else ("ok", "")
    return {
        "check": told.kind,
        "subject": told.subject,
        "state": state,
        "what": told.what,
        "action": action,
    }
