"""The steps of a cycle: each is a command that a person could type as well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sopilot_assets.upkeep.campaign.plan import CampaignPlan

INTAKE: Final = "intake"
SCORE: Final = "score"
GATES: Final = "gates"


@dataclass(frozen=True, slots=True)
class CampaignStep:
    """One step: its name, and the words after ``sopilot``."""

    name: str
    words: tuple[str, ...]


def steps_due(plan: CampaignPlan, cycle: int, *, backup_to: str | None) -> tuple[CampaignStep, ...]:
    """The steps of one cycle, in order.

    What comes every N cycles comes with the Nth, the 2Nth and so on. Without ``backup_to``, a folder or URL,
    nothing is backed up.
    """
    task = () if plan.task is None else ("--task", plan.task)
    steps = [
        CampaignStep(INTAKE, ("capture", "register")),
        CampaignStep(SCORE, ("score", "run", "--stale", *task)),
    ]
    if _is_due(plan.damaged_every, cycle):
        steps.append(CampaignStep("damaged", ("measure", "damage", "--most", "1", *task)))
    if _is_due(plan.rescore_every, cycle):
        steps.append(CampaignStep("rescore", ("score", "run", "--all", *task)))
        steps.append(CampaignStep("repeat", ("measure", "repeat", "--most", str(plan.repeats_most), *task)))
    if plan.gate_profile is not None:
        steps.append(CampaignStep(GATES, ("study", "check", "--profile", plan.gate_profile, *task)))
    if backup_to is not None and _is_due(plan.backup_every, cycle):
        steps.append(CampaignStep("backup", ("backup", "create")))
    return tuple(steps)


def periods(plan: CampaignPlan, *, backup_to: str | None) -> dict[str, float]:
    """How many seconds lie between two starts of each step that the campaign has."""
    every: dict[str, int | None] = {
        INTAKE: 1,
        SCORE: 1,
        "damaged": plan.damaged_every,
        "rescore": plan.rescore_every,
        "repeat": plan.rescore_every,
        GATES: 1 if plan.gate_profile is not None else None,
        "backup": plan.backup_every if backup_to is not None else None,
    }
    return {name: count * plan.interval_s for name, count in every.items() if count is not None}


def command_line(words: Sequence[str]) -> str:
    """The step as a person would type it."""
    return " ".join(("sopilot", *words))


def _is_due(every: int | None, cycle: int) -> bool:
    return every is not None and (cycle + 1) % every == 0
