"""What a campaign does next, from its plan, what happened so far, and how long it has been running."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from sopilot_assets.upkeep.campaign.plan import CampaignPlan

Ending = Literal["deadline", "stop"]


class Act(StrEnum):
    """What to do now."""

    LAUNCH = "launch"
    SKIP = "skip"
    WAIT = "wait"
    END = "end"


@dataclass(frozen=True, slots=True)
class CampaignState:
    """What happened so far: the outcome of each cycle that has one, whether each launched cycle is still
    under way (queued, running, or about to be tried again), and whether somebody asked for the end.
    """

    settled: Mapping[int, str]
    under_way: Mapping[int, bool]
    stop_requested: bool = False

    @property
    def known(self) -> set[int]:
        """The cycles that were launched or have an outcome: none of them is launched again."""
        return set(self.settled) | set(self.under_way)

    @property
    def busy_with(self) -> list[int]:
        """The cycles under way, ascending."""
        return sorted(cycle for cycle, unfinished in self.under_way.items() if unfinished)


@dataclass(frozen=True, slots=True)
class NextAct:
    """What to do with which cycle, and why; ``missed`` are the cycles that fell due and nobody launched."""

    act: Act
    why: str
    cycle: int | None = None
    missed: tuple[int, ...] = ()
    ending: Ending | None = None


def decide(plan: CampaignPlan, state: CampaignState, *, elapsed_s: float) -> NextAct:
    """What to do ``elapsed_s`` seconds after the start.

    The number of a cycle comes from the time at which it falls due, and no number is launched twice. So a
    clock that is set forward leaves cycles out, which are counted as missed, and one that is set back makes
    the campaign wait.
    """
    number = plan.cycle_at(elapsed_s)
    due = min(number, plan.cycles)
    if state.stop_requested:
        return _ended(state, "stop", ())
    missed = tuple(cycle for cycle in range(max(due, 0)) if cycle not in state.known)
    if elapsed_s >= plan.duration_s or number >= plan.cycles:
        return _ended(state, "deadline", missed)
    newest = max(state.known, default=0)
    if number < newest:
        why = f"the clock went back: cycle {newest} was due already, now it is time for {number}"
        return NextAct(Act.WAIT, why)
    if number in state.known:
        return NextAct(Act.WAIT, f"cycle {number} is under way or done", missed=missed)
    return _due(state, number, missed)


def _due(state: CampaignState, number: int, missed: tuple[int, ...]) -> NextAct:
    if state.busy_with:
        why = f"cycle {state.busy_with[-1]} was still under way"
        return NextAct(Act.SKIP, why, number, missed)
    return NextAct(Act.LAUNCH, f"cycle {number} is due", number, missed)


def _ended(state: CampaignState, ending: Ending, missed: tuple[int, ...]) -> NextAct:
    if state.busy_with:
        return NextAct(Act.WAIT, f"{ending}: cycle {state.busy_with[-1]} still ends", missed=missed)
    return NextAct(Act.END, ending, missed=missed, ending=ending)
