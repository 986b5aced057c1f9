"""What a soak tells: the table of faults and outcomes, the verdicts, and figures, in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
import pandas as pd

from sopilot_assets.capture.ledgers import quarantine_ledger
from sopilot_assets.defs.instance import local_instance
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.alerts import read_events
from sopilot_assets.upkeep.campaign.records import FAULTS, CycleOutcome, cycle_rows, step_rows
from sopilot_assets_tests.soak.faults import Injected
from sopilot_assets_tests.soak.run import Soaked
from sopilot_assets_tests.soak.verify import Verdict


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What the home knows at the end: cycles, steps, how many runs each cycle took, and refusals by file."""

    cycles: pd.DataFrame
    steps: pd.DataFrame
    runs: Counter[str]
    by_process: dict[int, str]
    reasons: dict[str, str]

    @classmethod
    def of(cls, home: Home, campaign: str) -> Aftermath:
        """Read from the home."""
        with local_instance(home) as instance:
            records = instance.get_runs(dg.RunsFilter(job_name="campaign_cycle"))
            by_process = dict(_processes(instance))
        rows = quarantine_ledger(home).all_rows()
        return cls(
            cycle_rows(home, campaign),
            step_rows(home, campaign),
            Counter(run.tags.get("sopilot/cycle", "") for run in records),
            by_process,
            dict(zip(rows["original_name"], rows["reason"], strict=True)),
        )

    def outcome(self, fault: Injected, cycle: int) -> str:
        """What followed a fault that came in this cycle."""
        if fault.kind == "corrupt file dropped":
            return f"quarantined: {self.reasons.get(fault.target, 'NOT FOUND')}"
        said = [self._step(fault.target) or self._run(fault) or self._around(cycle), self._next(cycle)]
        if fault.lasts_s:
            said.insert(0, f"lasted {fault.lasts_s:.0f} s")
        return "; ".join(said)

    def _step(self, target: str) -> str:
        mark = target.partition(",")[0].split("/")
        if len(mark) != 3:
            return ""
        found = self.steps[(self.steps["cycle"] == int(mark[1])) & (self.steps["step"] == mark[2])]
        if found.empty:
            return f"cycle {mark[1]}, {mark[2]}: no result"
        row = found.iloc[-1]
        said = f"{row['outcome']} (attempt {row['attempt']}): {str(row['what'])[:90]}"
        return f"cycle {mark[1]}, {mark[2]}: {said}"

    def _run(self, fault: Injected) -> str:
        if fault.kind != "kill -9 of a run":
            return ""
        return self.by_process.get(int(fault.target.rpartition(" ")[2]), "")

    def _around(self, cycle: int) -> str:
        """How this cycle and the next ended, and which of their steps failed."""
        near = self.cycles[self.cycles["cycle"].isin([cycle, cycle + 1])]
        told = [
            f"cycle {row['cycle']} {row['outcome']}{self._tries(row['cycle'])}" for _, row in near.iterrows()
        ]
        bad = self.steps[
            self.steps["cycle"].isin([cycle, cycle + 1])
            & self.steps["outcome"].isin([one.value for one in FAULTS])
        ]
        return ", ".join([*told, *(f"{row['step']} {row['outcome']}" for _, row in bad.iterrows())])

    def _tries(self, cycle: object) -> str:
        tries = self.runs[str(cycle)]
        return f" in {tries} runs" if tries > 1 else ""

    def _next(self, cycle: int) -> str:
        later = self.cycles[
            (self.cycles["cycle"] > cycle) & (self.cycles["outcome"] == CycleOutcome.RUN.value)
        ]
        return "no later cycle" if later.empty else f"next whole cycle: {later['cycle'].min()}"


def _processes(instance: dg.DagsterInstance) -> Iterator[tuple[int, str]]:
    """The process that worked on each run, and what became of the run."""
    for run in instance.get_runs():
        entries = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        noted = [entry.get_dagster_event().engine_event_data.metadata.get("pid") for entry in entries]
        retry = run.tags.get("dagster/auto_retry_run_id", "")
        after = f", tried again as {retry[:8]}" if retry else ", not tried again"
        of = f" of cycle {run.tags['sopilot/cycle']}" if "sopilot/cycle" in run.tags else ""
        for pid in noted:
            if pid is not None:
                yield (
                    int(str(pid.value)),
                    f"run {run.run_id[:8]}, {run.job_name}{of}: {run.status.value}{after}",
                )


def report(soaked: Soaked) -> str:
    """The whole report."""
    status = soaked.standing
    lines = [
        "# Soak",
        "",
        *_figures(soaked),
        "",
        "| what must hold | holds | what speaks against it |",
        "|---|---|---|",
    ]
    lines += [_line(verdict) for verdict in soaked.verdicts]
    lines += ["", "| fault | times | cycles |", "|---|---|---|", *_counts(soaked), ""]
    lines += ["| # | at s | cycle | fault | hit | outcome |", "|---|---|---|---|---|---|"]
    aftermath = Aftermath.of(soaked.home, str(status.get("campaign")))
    lines += [_fault(number, fault, soaked, aftermath) for number, fault in enumerate(soaked.faults, start=1)]
    return "\n".join([*lines, ""])


def _fault(number: int, fault: Injected, soaked: Soaked, aftermath: Aftermath) -> str:
    cycle = soaked.cycle_of(fault)
    outcome = aftermath.outcome(fault, cycle).replace("|", "/").replace("\n", " ")
    at_s = fault.at_s - soaked.started_s
    return f"| {number} | {at_s:.0f} | {cycle} | {fault.kind} | {fault.target} | {outcome} |"


def _line(verdict: Verdict) -> str:
    return f"| {verdict.what} | {'yes' if verdict.holds else 'NO'} | {_short(verdict.against)} |"


def _figures(soaked: Soaked) -> list[str]:
    status, home, wanted = soaked.standing, soaked.home, soaked.wanted
    cycles = ", ".join(f"{status.get(f'cycles_{one.value}', 0)} {one.value}" for one in CycleOutcome)
    events = read_events(home)
    good = sum(drop.is_good for drop in soaked.dropped)
    restarts = ", ".join(f"{name} {times}" for name, times in soaked.restarts.items())
    refused = len(soaked.dropped) - good
    figures = (
        f"{wanted.cycles} cycles of {wanted.interval_s:g} s, seed {wanted.seed}, {soaked.seconds:.0f} s",
        f"state {status.get('state')}: {status.get('why')}",
        f"cycles: {cycles}; faults of steps {status.get('faults')}, findings {status.get('findings')}",
        f"dropped: {good} good recordings and {refused} bad files",
        f"rows of scores: {len(scores_ledger(home).all_rows())}",
        f"faults injected: {len(soaked.faults)}",
        f"faults that found nothing to hit: {', '.join(soaked.never_hit) or 'none'}",
        f"started again by the supervisor: {restarts}",
        f"alerts: {len(events)} events, {sum(event.is_told for event in events)} of them to be told",
        f"disk of its own: {soaked.limited_disk}; clock could be set: {soaked.clock_set}",
    )
    return [f"- {figure}" for figure in figures]


def _counts(soaked: Soaked) -> list[str]:
    """How often each fault came, and in which cycles."""
    found: dict[str, list[int]] = {}
    for fault in soaked.faults:
        found.setdefault(fault.kind, []).append(soaked.cycle_of(fault))
    return [
        f"| {kind} | {len(cycles)} | {', '.join(map(str, cycles))} |"
        for kind, cycles in sorted(found.items())
    ]


def _short(against: tuple[str, ...]) -> str:
    told = "; ".join(against[:5]).replace("|", "/")
    return told + (f" and {len(against) - 5} more" if len(against) > 5 else "")
