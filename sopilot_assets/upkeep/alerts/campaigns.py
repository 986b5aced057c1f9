"""Steps of a campaign that failed, and when they go through again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.upkeep.alerts.alert import AlertEvent
from sopilot_assets.upkeep.alerts.noting import open_alerts, raise_alerts, resolve_alert
from sopilot_assets.upkeep.campaign.plan import (
    CampaignPlan,
    active_campaign,
    campaign_ids,
    has_ended,
    load_plan,
)
from sopilot_assets.upkeep.campaign.records import FAULTS, step_rows
from sopilot_assets.upkeep.conditions.condition import Condition, ConditionSeverity

STEP_FAILED: Final = "campaign_step"


def note_campaign_steps(home: Home, *, now: datetime, repeat_after_hours: float) -> list[AlertEvent]:
    """The events about steps of the active campaign, else of the newest. A failed step is told once for each
    step until the same step goes through in a later cycle; none outlives its campaign.
    """
    ids = campaign_ids(home)
    if not ids:
        return []
    plan = active_campaign(home) or load_plan(home, ids[-1])
    rows = plain_rows(step_rows(home, plan.campaign_id))
    failed = (_alert(plan, row) for row in rows if row["outcome"] in FAULTS)
    raised = raise_alerts(home, failed, now=now, repeat_after_hours=repeat_after_hours)
    over = [
        resolve_alert(home, STEP_FAILED, subject, now=now, what=why)
        for subject, why in _over(home, plan, rows).items()
    ]
    return [event for event in (*raised, *over) if event is not None]


def _over(home: Home, plan: CampaignPlan, rows: Sequence[Mapping[str, Cell]]) -> dict[str, str]:
    """The alerts about steps that are over, and why."""
    newest = {_subject(plan, row): row for row in rows}
    ended = has_ended(home, plan.campaign_id)
    over = {}
    for subject in (one.newest.subject for one in open_alerts(home) if one.newest.kind == STEP_FAILED):
        row = newest.get(subject)
        if row is None or ended:
            over[subject] = f"the campaign of {subject} has ended; its summary tells all"
        elif row["outcome"] not in FAULTS:
            over[subject] = f"{subject} went through in cycle {row['cycle']}"
    return over


def _alert(plan: CampaignPlan, row: Mapping[str, Cell]) -> Condition:
    which = f"step {row['step']} of cycle {row['cycle']} of campaign {plan.campaign_id}"
    what = f"{which} {str(row['outcome']).replace('_', ' ')}: {row['what']}"
    action = f"read {row['log']} below the home; the campaign goes on. By hand: `{row['command']}`"
    occurrence = f"{row['step_id']}/{row['attempt']}"
    return Condition(STEP_FAILED, _subject(plan, row), ConditionSeverity.PROBLEM, what, action, occurrence)


def _subject(plan: CampaignPlan, row: Mapping[str, Cell]) -> str:
    return f"{row['step']} of {plan.campaign_id}"
