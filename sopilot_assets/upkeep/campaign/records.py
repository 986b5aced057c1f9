"""What happened in campaigns: the ledgers ``campaign_cycles`` and ``campaign_steps``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import pandas as pd
import pyarrow as pa

from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, Ledger, plain_rows
from sopilot_assets.upkeep.campaign.plan import CampaignPlan

CYCLE_COLUMNS: Final = {
    "cycle_id": pa.string(),
    "campaign": pa.string(),
    "cycle": pa.int64(),
    "scheduled_for": pa.string(),
    "outcome": pa.string(),
    "why": pa.string(),
    "dagster_run": pa.string(),
    "started_at": pa.string(),
    "seconds": pa.float64(),
    "steps": pa.int64(),
    "faults": pa.int64(),
    "findings": pa.int64(),
}

STEP_COLUMNS: Final = {
    "step_id": pa.string(),
    "campaign": pa.string(),
    "cycle": pa.int64(),
    "step": pa.string(),
    "attempt": pa.int64(),
    "outcome": pa.string(),
    "exit_code": pa.int64(),
    "started_at": pa.string(),
    "seconds": pa.float64(),
    "what": pa.string(),
    "command": pa.string(),
    "log": pa.string(),
}
"""``what`` is what the step said last, or why it was ended; ``log`` its log, below the home."""


class CycleOutcome(StrEnum):
    """How a cycle ended: all its steps have a result; the campaign was stopped meanwhile; its run died for
    good; it was left out because the one before still ran; nobody launched it.
    """

    RUN = "run"
    STOPPED = "stopped"
    FAILED = "failed"
    SKIPPED = "skipped"
    MISSED = "missed"


class StepOutcome(StrEnum):
    """How a step ended. A finding is something that a person should look at, and no fault of the step."""

    OK = "ok"
    FINDING = "finding"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    STOPPED = "stopped"


FAULTS: Final = (StepOutcome.FAILED, StepOutcome.TIMED_OUT)


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step of one cycle, as its row has it; times in seconds, ``started_at`` in ISO 8601."""

    step: str
    attempt: int
    outcome: StepOutcome
    exit_code: int | None
    started_at: str
    seconds: float
    what: str
    command: str
    log: str


def cycles_ledger(home: Home) -> Ledger:
    """The ledger of cycles; the newest row of a cycle counts."""
    return Ledger(home.ledgers, "campaign_cycles", CYCLE_COLUMNS, "cycle_id")


def steps_ledger(home: Home) -> Ledger:
    """The ledger of steps; the newest row of a step in a cycle counts."""
    return Ledger(home.ledgers, "campaign_steps", STEP_COLUMNS, "step_id")


def cycle_rows(home: Home, campaign_id: str) -> pd.DataFrame:
    """The cycles of a campaign that have an outcome, in order."""
    chosen = pd.DataFrame({"campaign": [campaign_id]}, dtype="string")
    return cycles_ledger(home).query(
        "select latest.* from latest join chosen using (campaign) order by cycle", chosen=chosen
    )


def step_rows(home: Home, campaign_id: str, cycle: int | None = None) -> pd.DataFrame:
    """The steps of a campaign that have an outcome, of one cycle or all, in the order in which they ran."""
    chosen = pd.DataFrame({"campaign": [campaign_id]}, dtype="string")
    rows = steps_ledger(home).query(
        "select latest.* from latest join chosen using (campaign) order by cycle, started_at", chosen=chosen
    )
    return rows if cycle is None else rows[rows["cycle"] == cycle].reset_index(drop=True)


def step_results(home: Home, campaign_id: str, cycle: int) -> dict[str, StepResult]:
    """The results of one cycle so far, by step."""
    return {
        str(row["step"]): StepResult(
            step=str(row["step"]),
            attempt=int(str(row["attempt"])),
            outcome=StepOutcome(str(row["outcome"])),
            exit_code=None if row["exit_code"] is None else int(float(str(row["exit_code"]))),
            started_at=str(row["started_at"]),
            seconds=float(str(row["seconds"])),
            what=str(row["what"]),
            command=str(row["command"]),
            log=str(row["log"]),
        )
        for row in plain_rows(step_rows(home, campaign_id, cycle))
    }


def record_step(
    home: Home, plan: CampaignPlan, cycle: int, result: StepResult, *, run_id: str, written_at: str
) -> None:
    """Write down how a step ended."""
    row: dict[str, Cell] = {
        "step_id": f"{plan.campaign_id}/{cycle:06d}/{result.step}",
        "campaign": plan.campaign_id,
        "cycle": cycle,
        "step": result.step,
        "attempt": result.attempt,
        "outcome": result.outcome.value,
        "exit_code": result.exit_code,
        "started_at": result.started_at,
        "seconds": result.seconds,
        "what": result.what,
        "command": result.command,
        "log": result.log,
    }
    steps_ledger(home).append([row], run_id=run_id, written_at=written_at)


def record_cycles(
    home: Home,
    plan: CampaignPlan,
    cycles: Sequence[int],
    outcome: CycleOutcome,
    why: str,
    *,
    run_id: str,
    written_at: str,
) -> None:
    """Write down that these cycles did not run to their end, and why."""
    rows = [
        cycle_row(plan, cycle, outcome, why=why, dagster_run="", started_at="", results={})
        for cycle in cycles
    ]
    cycles_ledger(home).append(rows, run_id=run_id, written_at=written_at)


def cycle_row(
    plan: CampaignPlan,
    cycle: int,
    outcome: CycleOutcome,
    *,
    why: str,
    dagster_run: str,
    started_at: str,
    results: Mapping[str, StepResult],
) -> dict[str, Cell]:
    """The row of a cycle with these results."""
    outcomes = [result.outcome for result in results.values()]
    return {
        "cycle_id": f"{plan.campaign_id}/{cycle:06d}",
        "campaign": plan.campaign_id,
        "cycle": cycle,
        "scheduled_for": plan.scheduled_for(cycle).isoformat(),
        "outcome": outcome.value,
        "why": why,
        "dagster_run": dagster_run,
        "started_at": started_at,
        "seconds": round(sum(result.seconds for result in results.values()), 3),
        "steps": len(outcomes),
        "faults": sum(one in FAULTS for one in outcomes),
        "findings": outcomes.count(StepOutcome.FINDING),
    }
