"""One cycle: its steps one after the other, each noted as soon as it ended."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sopilot_assets.errors import ConfigError
from sopilot_assets.processes.children import Child, Ended, end_marked, run_child
from sopilot_assets.settings import load_settings
from sopilot_assets.store.home import HOME_VARIABLE, Home
from sopilot_assets.store.publish import local_path, only_writer
from sopilot_assets.upkeep.campaign.idle import gates_inputs, note_gates_passed, nothing_to_do
from sopilot_assets.upkeep.campaign.plan import CampaignPlan, folder, load_stop, mark
from sopilot_assets.upkeep.campaign.records import (
    CycleOutcome,
    StepOutcome,
    StepResult,
    cycle_row,
    cycle_rows,
    cycles_ledger,
    record_step,
    step_results,
)
from sopilot_assets.upkeep.campaign.steps import GATES, CampaignStep, command_line, steps_due

RUN_TAGS: Final = "SOPILOT_RUN_TAGS"
"""The variable that holds the tags, as JSON, of the Dagster runs that a command makes."""

FINDING_EXIT: Final = 3
"""The exit code of a command that did its work and found something that a person should look at."""

_SAID: Final = 300
_END_BYTES: Final = 64 << 10
"""So much of a log is looked at for what a step said last."""

Progress = Callable[[CampaignStep], None]


@dataclass(frozen=True, slots=True)
class CycleWork:
    """One cycle to work through: the run that does it, the tags for the runs of its steps, and the clock."""

    home: Home
    plan: CampaignPlan
    cycle: int
    run_id: str
    tags: Mapping[str, str]
    now: Callable[[], datetime]

    @property
    def mark(self) -> str:
        """What the processes of this cycle are marked with."""
        return f"{mark(self.home, self.plan.campaign_id)}/{self.cycle}"

    def stop_requested(self) -> bool:
        """Whether somebody asked for the end of the campaign."""
        return load_stop(self.home, self.plan.campaign_id) is not None


def run_cycle(work: CycleWork, *, on_step: Progress | None = None) -> dict[str, StepResult]:
    """Work through the steps of a cycle that have no result yet, and return the results of all, in order.

    One cycle of a campaign is at work at a time. A step that fails does not hold up the next. What an earlier
    attempt at this cycle left running is ended first.
    """
    with only_writer(folder(work.home, work.plan.campaign_id) / ".cycle.lock"):
        end_marked(mark(work.home, work.plan.campaign_id))
        results = step_results(work.home, work.plan.campaign_id, work.cycle)
        started_at = work.now().isoformat()
        backup_to = load_settings(work.home).backup.destination
        for step in steps_due(work.plan, work.cycle, backup_to=backup_to):
            if step.name in results:
                continue
            if work.stop_requested():
                break
            if on_step:
                on_step(step)
            results[step.name] = _idle(work, step) or _run_step(work, step)
            _record_step(work, results[step.name])
        _record(work, results, started_at)
    return results


def rest_cycle(work: CycleWork) -> dict[str, StepResult] | None:
    """The results of a cycle none of whose steps has anything to do, written down; None for any other cycle,
    of which nothing is. No command is started. What an earlier look wrote down is not written again.

    Where the settings cannot be used it is None too: the cycle's run says why.
    """
    try:
        backup_to = load_settings(work.home).backup.destination
    except ConfigError:
        return None
    with only_writer(folder(work.home, work.plan.campaign_id) / ".cycle.lock"):
        started_at = work.now().isoformat()
        before = step_results(work.home, work.plan.campaign_id, work.cycle)
        found: dict[str, StepResult] = {}
        for step in steps_due(work.plan, work.cycle, backup_to=backup_to):
            result = before.get(step.name) or _idle(work, step)
            if result is None:
                return None
            found[step.name] = result
        for name, result in found.items():
            if name not in before:
                _record_step(work, result)
        if work.cycle not in set(cycle_rows(work.home, work.plan.campaign_id)["cycle"]):
            _record(work, found, started_at)
    return found


def _idle(work: CycleWork, step: CampaignStep) -> StepResult | None:
    """The result of a step that has nothing to do; None for one whose command has to be started."""
    began = work.now()
    said = nothing_to_do(work.home, work.plan, step)
    if said is None:
        return None
    return StepResult(
        step=step.name,
        attempt=1,
        outcome=StepOutcome.OK,
        exit_code=0,
        started_at=began.isoformat(),
        seconds=round(max((work.now() - began).total_seconds(), 0.0), 3),
        what=said,
        command=command_line(step.words),
        log="",
    )


def _record_step(work: CycleWork, result: StepResult) -> None:
    record_step(
        work.home, work.plan, work.cycle, result, run_id=work.run_id, written_at=work.now().isoformat()
    )


def _record(work: CycleWork, results: Mapping[str, StepResult], started_at: str) -> None:
    stopped = work.stop_requested()
    row = cycle_row(
        work.plan,
        work.cycle,
        CycleOutcome.STOPPED if stopped else CycleOutcome.RUN,
        why="the campaign was stopped" if stopped else "",
        dagster_run=work.run_id,
        started_at=min([started_at, *(result.started_at for result in results.values())]),
        results=results,
    )
    cycles_ledger(work.home).append([row], run_id=work.run_id, written_at=work.now().isoformat())


def _run_step(work: CycleWork, step: CampaignStep) -> StepResult:
    started_at = work.now().isoformat()
    attempt, log = _next_log(work, step)
    inputs = gates_inputs(work.home, work.plan) if step.name == GATES else None
    root = str(local_path(work.home.root))
    child = Child(
        [sys.executable, "-m", "sopilot_assets.cli", "--home", root, *step.words],
        {HOME_VARIABLE: root, RUN_TAGS: json.dumps(dict(work.tags))},
        f"{work.mark}/{step.name}",
        log,
    )
    try:
        ended = run_child(
            child,
            limit_s=work.plan.step_timeout_s,
            grace_s=work.plan.grace_s,
            stop_requested=work.stop_requested,
        )
        outcome, exit_code, seconds, what = _outcome(ended), ended.exit_code, ended.seconds, _what(ended, log)
    except OSError as error:  # no process, no memory, no room for the log: the next cycle tries again
        outcome, exit_code, seconds = StepOutcome.FAILED, None, 0.0
        what = f"could not be started: {error.strerror or error}"
    if inputs is not None and outcome is StepOutcome.OK:
        note_gates_passed(work.home, work.plan, inputs)
    return StepResult(
        step=step.name,
        attempt=attempt,
        outcome=outcome,
        exit_code=exit_code,
        started_at=started_at,
        seconds=round(seconds, 3),
        what=what,
        command=command_line(step.words),
        log=log.relative_to(root).as_posix(),
    )


def _next_log(work: CycleWork, step: CampaignStep) -> tuple[int, Path]:
    """The number of this attempt at the step, and its log: attempts that were killed left theirs."""
    logs = local_path(folder(work.home, work.plan.campaign_id)) / "logs"
    attempt = 1
    while (log := logs / f"{work.cycle:06d}-{step.name}.{attempt}.log").exists():
        attempt += 1
    return attempt, log


def _outcome(ended: Ended) -> StepOutcome:
    if ended.cause != "exit":
        return StepOutcome.TIMED_OUT if ended.cause == "time" else StepOutcome.STOPPED
    return {0: StepOutcome.OK, FINDING_EXIT: StepOutcome.FINDING}.get(ended.exit_code, StepOutcome.FAILED)


def _what(ended: Ended, log: Path) -> str:
    """Why the step was ended, or what it said last."""
    if ended.cause == "time":
        return f"it did not end within its {ended.seconds:.0f} s and was ended"
    if ended.cause == "stop":
        return "the campaign was stopped, and it did not end within the grace time"
    if ended.exit_code < 0:
        return f"it was killed by signal {-ended.exit_code}"
    lines = [line.strip() for line in _end_of(log).splitlines()]
    errors = [line for line in lines if line.startswith("Error:")] if ended.exit_code else []
    said = [*errors[:1], *[line for line in reversed(lines) if line]]
    return said[0][:_SAID] if said else ""


def _end_of(log: Path) -> str:
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - _END_BYTES))
        return stream.read().decode("utf-8", "replace")
