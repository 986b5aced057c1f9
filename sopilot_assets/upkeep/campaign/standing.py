"""How a campaign goes: one word for it, what has not happened for too long, and what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

import pandas as pd

from sopilot_assets.processes.boot_clock import Moment
from sopilot_assets.settings import Settings, load_settings
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.upkeep.campaign.durations import say_duration
from sopilot_assets.upkeep.campaign.plan import CampaignPlan, StopRequest, folder, has_ended, load_stop
from sopilot_assets.upkeep.campaign.records import (
    FAULTS,
    CycleOutcome,
    StepOutcome,
    cycle_rows,
    step_rows,
)
from sopilot_assets.upkeep.campaign.steps import periods
from sopilot_assets.upkeep.campaign.watching import current_step, last_watch


class Standing(StrEnum):
    """How a campaign goes."""

    RUNNING = "running"
    STALLED = "stalled"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FINISHED = "finished"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True)
class Watched:
    """One thing that should happen again and again: when it did last, how many seconds ago (since the start
    where it never did), and after how many it counts as stale.
    """

    what: str
    last: str | None
    age_s: float
    limit_s: float

    @property
    def stale(self) -> bool:
        """Whether it has not happened for too long."""
        return self.age_s > self.limit_s

    def as_row(self) -> dict[str, Cell]:
        """The row of a table."""
        return {
            "what": self.what,
            "last": self.last,
            "ago": say_duration(self.age_s),
            "limit": say_duration(self.limit_s),
            "stale": self.stale,
            "age_s": round(self.age_s, 1),
            "limit_s": round(self.limit_s, 1),
        }


@dataclass(frozen=True, slots=True)
class CampaignStatus:
    """The state of one campaign: why it is called so, what to do, figures, and what is watched."""

    campaign_id: str
    standing: Standing
    why: str
    do: str
    facts: Mapping[str, Cell]
    watched: tuple[Watched, ...]


@dataclass(frozen=True, slots=True)
class _Look:
    """What the rules below judge by; ``slack_s`` is what a cycle may need beyond its interval to be queued,
    started and noted, and that of whoever looks after it.
    """

    plan: CampaignPlan
    now: Moment
    stop: StopRequest | None
    cycles: pd.DataFrame
    watch: Watched
    steps: tuple[Watched, ...]
    slack_s: float


_Said: TypeAlias = tuple[Standing, str, str] | None


def campaign_status(home: Home, plan: CampaignPlan, *, now: Moment) -> CampaignStatus:
    """How a campaign goes at this moment."""
    cycles, steps = cycle_rows(home, plan.campaign_id), step_rows(home, plan.campaign_id)
    facts = _facts(plan, cycles, steps, now, at_work=current_step(home, plan.campaign_id))
    if has_ended(home, plan.campaign_id):
        return _over(home, plan, facts)
    settings = load_settings(home)
    limits = settings.limits
    look = _Look(
        plan=plan,
        now=now,
        stop=load_stop(home, plan.campaign_id),
        cycles=cycles,
        watch=_watch(home, plan, now, limits.campaign_unwatched_s),
        steps=_steps_watched(settings, plan, steps, now),
        slack_s=limits.campaign_slack_s + limits.campaign_unwatched_s,
    )
    return CampaignStatus(plan.campaign_id, *_judged(look), facts, (look.watch, *look.steps))


def _over(home: Home, plan: CampaignPlan, facts: Mapping[str, Cell]) -> CampaignStatus:
    target = folder(home, plan.campaign_id)
    ended = json.loads((target / "summary.json").read_bytes())["facts"]["ended_by"]
    standing = Standing.STOPPED if ended == "stop" else Standing.FINISHED
    why = "somebody stopped it" if ended == "stop" else "its deadline is over"
    return CampaignStatus(plan.campaign_id, standing, why, f"Read {target / 'summary.html'}.", facts, ())


def _judged(look: _Look) -> tuple[Standing, str, str]:
    """The first rule that has something to say, else that all is well."""
    for rule in (_clock, _unwatched, _stopping, _overdue, _died, _stale):
        said = rule(look)
        if said is not None:
            return said
    left_s = look.plan.duration_s - look.plan.elapsed_s(look.now)
    return Standing.RUNNING, f"it ends in {say_duration(left_s)}", "Nothing."


def _clock(look: _Look) -> _Said:
    ahead_s = -look.plan.elapsed_s(look.now)
    if ahead_s <= 0:
        return None
    why = f"the clock is {say_duration(ahead_s)} before the start of the campaign"
    return Standing.STALLED, why, "Set the clock of this machine."


def _unwatched(look: _Look) -> _Said:
    if not look.watch.stale:
        return None
    since = f"for {say_duration(look.watch.age_s)}" if look.watch.last else "since it was started"
    do = (
        "Start Dagster with its daemon (`make dev`), and see in the web page that the sensor campaign_watch "
        "and the schedule campaign_cycles_schedule are switched on. After the clock was set back, they wait "
        "until it has caught up."
    )
    return Standing.STALLED, f"nobody has looked after it {since}", do


def _stopping(look: _Look) -> _Said:
    if look.stop is None:
        return None
    waited_s = look.now.since(look.stop.moment)
    if waited_s > look.plan.grace_s + look.slack_s:
        return _without_summary(f"it was stopped {say_duration(waited_s)} ago")
    return Standing.STOPPING, f"a stop was asked for {say_duration(waited_s)} ago", "Wait for its summary."


def _overdue(look: _Look) -> _Said:
    over_s = look.plan.elapsed_s(look.now) - look.plan.duration_s
    if over_s <= 0:
        return None
    if over_s > look.plan.longest_cycle_s + look.slack_s:
        return _without_summary(f"its deadline was {say_duration(over_s)} ago")
    return Standing.STOPPING, "its deadline is over", "Wait for its summary."


def _died(look: _Look) -> _Said:
    ran = look.cycles[look.cycles["outcome"].isin([CycleOutcome.RUN.value, CycleOutcome.FAILED.value])]
    if ran.empty or ran.iloc[-1]["outcome"] != CycleOutcome.FAILED.value:
        return None
    do = (
        "The next cycle begins by itself. If that dies too, look at its run in the web page, and run "
        "`sopilot home doctor`."
    )
    return Standing.CRASHED, f"cycle {ran.iloc[-1]['cycle']} died: {ran.iloc[-1]['why']}", do


def _stale(look: _Look) -> _Said:
    stale = [one for one in look.steps if one.stale]
    if not stale:
        return None
    oldest = max(stale, key=lambda one: one.age_s)
    why = f"{oldest.what} has not gone through for {say_duration(oldest.age_s)}"
    do = "Look at the newest runs of campaign_cycle in the web page, and run `sopilot home doctor`."
    return Standing.STALLED, why, do


def _without_summary(why: str) -> tuple[Standing, str, str]:
    do = (
        "Look at the runs of campaign_summary in the web page. When the fault is mended, materialize "
        "campaign_summaries there for this campaign."
    )
    return Standing.CRASHED, f"{why}, and it has no summary", do


def _watch(home: Home, plan: CampaignPlan, now: Moment, limit_s: float) -> Watched:
    last = last_watch(home, plan.campaign_id)
    age_s = now.since(last) if last else plan.elapsed_s(now)
    return Watched("watch", last.wall.isoformat() if last else None, max(age_s, 0.0), limit_s)


def _steps_watched(
    settings: Settings, plan: CampaignPlan, steps: pd.DataFrame, now: Moment
) -> tuple[Watched, ...]:
    """The steps that go through again and again; a finding is a result as well."""
    backup_to = settings.backup.destination
    good = steps[~steps["outcome"].isin([*(fault.value for fault in FAULTS), StepOutcome.STOPPED.value])]
    last = good.groupby("step")["started_at"].max().to_dict()
    watched = []
    for name, period_s in periods(plan, backup_to=backup_to).items():
        at = last.get(name)
        age_s = (now.wall - datetime.fromisoformat(str(at))).total_seconds() if at else plan.elapsed_s(now)
        limit_s = 2 * period_s + plan.step_timeout_s + settings.limits.campaign_slack_s
        watched.append(Watched(name, None if at is None else str(at), max(age_s, 0.0), limit_s))
    return tuple(watched)


def _facts(
    plan: CampaignPlan, cycles: pd.DataFrame, steps: pd.DataFrame, now: Moment, *, at_work: str | None
) -> dict[str, Cell]:
    counts = cycles["outcome"].value_counts().to_dict()
    ended = steps["outcome"].value_counts().to_dict()
    return {
        "campaign": plan.campaign_id,
        "started_at": plan.started_at.isoformat(),
        "deadline": plan.deadline.isoformat(),
        "interval": say_duration(plan.interval_s),
        "cycle_due": max(min(plan.cycle_at(plan.elapsed_s(now)), plan.cycles - 1), 0),
        "cycles_planned": plan.cycles,
        **{f"cycles_{outcome.value}": int(counts.get(outcome.value, 0)) for outcome in CycleOutcome},
        "faults": sum(int(ended.get(fault.value, 0)) for fault in FAULTS),
        "findings": int(ended.get(StepOutcome.FINDING.value, 0)),
        "at_work": at_work,
    }
