"""Whether what people were promised is kept: erasures that were begun are done."""

from __future__ import annotations

from typing import Final

from sopilot_assets.upkeep.conditions.condition import Answer, Fine, problem
from sopilot_assets.upkeep.conditions.situation import Situation
from sopilot_assets.upkeep.erasing.plan import saved_plans

ERASURE: Final = "erasure"


def erasures_done(asked: Situation) -> Answer:
    """Erasures of persons that were begun and are not done."""
    waiting = list(saved_plans(asked.home))
    if not waiting:
        return Answer((Fine(ERASURE, "", "none is waiting"),))
    what = f"{len(waiting)} erasures of persons were begun and are not done, the first at {waiting[0].at}"
    action = "call `sopilot person erase` for them again; retention does so every night"
    return Answer((problem(ERASURE, "begun", what, action),))
