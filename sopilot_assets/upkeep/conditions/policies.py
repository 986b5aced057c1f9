"""Adopted policies: whether each still decides, or a condition is gone under which it was adopted."""

from __future__ import annotations

from typing import Final

from sopilot_assets.scoring.limits import policy_source
from sopilot_assets.stations.adoptions import PolicyStanding, standings
from sopilot_assets.upkeep.conditions.condition import Answer, Condition, Fine, warning
from sopilot_assets.upkeep.conditions.situation import Situation

POLICY: Final = "policy"


def policies_decide(asked: Situation) -> Answer:
    """The policy of each task that adopted one; where it decides no more, the golds' own rule does, and where
    it decides with other golds than its study, that is to be known.
    """
    found = standings(asked.home, asked.tasks.tasks)
    return Answer(tuple(_told(task_id, standing) for task_id, standing in sorted(found.items())))


def _told(task_id: str, standing: PolicyStanding) -> Condition | Fine:
    said, source = standing.said, policy_source(standing.said.policy_id)
    if standing.decides and not standing.other_reference:
        return Fine(POLICY, task_id, f"{source} decides since {said.at[:10]}")
    what = (
        f"{task_id}: {source} decides, but {standing.other_reference}."
        if standing.decides
        else f"{task_id}: {source} does not decide any more, the golds' own rule does "
        f"({'; '.join(standing.lost)})."
    )
    action = f"sopilot policy withdraw {task_id}, or a new study and sopilot policy adopt STUDY"
    return warning(POLICY, task_id, what, action)
