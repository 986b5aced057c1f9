"""The newest campaign: its steps that failed, and whether it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sopilot_assets.processes.boot_clock import Moment
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.upkeep.alerts.alert import Alert, AlertEvent, AlertSeverity
from sopilot_assets.upkeep.alerts.noting import open_alerts, raise_alerts, resolve_alert, settle
from sopilot_assets.upkeep.campaign.plan import CampaignPlan, campaign_ids, has_ended, load_plan
from sopilot_assets.upkeep.campaign.records import FAULTS, step_rows
from sopilot_assets.upkeep.campaign.standing import Standing, campaign_status

CAMPAIGN: Final = "campaign"
STEP: Final = "campaign_step"


def settle_campaign(home: Home, *, now: Moment, repeat_after_hours: float) -> list[AlertEvent]:
    """The events about the newest campaign. A failed step is told once for each step until the same step goes
    through in a later cycle; none of them outlives its campaign.
    """
    ids = campaign_ids(home)
    if not ids:
        return []
    plan = load_plan(home, ids[-1])
    events = _note_steps(home, plan, now, repeat_after_hours)
    standing = [] if has_ended(home, plan.campaign_id) else _standing(home, plan, now)
    return events + settle(home, {CAMPAIGN}, standing, now=now.wall, repeat_after_hours=repeat_after_hours)


def _standing(home: Home, plan: CampaignPlan, now: Moment) -> list[Alert]:
    status = campaign_status(home, plan, now=now)
    if status.standing not in (Standing.STALLED, Standing.CRASHED):
        return []
    what = f"campaign {plan.campaign_id} has {status.standing}: {status.why}"
    return [Alert(CAMPAIGN, plan.campaign_id, AlertSeverity.PROBLEM, what, status.do)]


def _note_steps(home: Home, plan: CampaignPlan, now: Moment, repeat_after_hours: float) -> list[AlertEvent]:
    rows = plain_rows(step_rows(home, plan.campaign_id))
    failed = (_alert(plan, row) for row in rows if row["outcome"] in FAULTS)
    raised = raise_alerts(home, failed, now=now.wall, repeat_after_hours=repeat_after_hours)
    over = [
        resolve_alert(home, STEP, subject, now=now.wall, what=why)
        for subject, why in _over(home, plan, rows).items()
    ]
    return [event for event in (*raised, *over) if event is not None]


def _over(home: Home, plan: CampaignPlan, rows: Sequence[Mapping[str, Cell]]) -> dict[str, str]:
    """The alerts about steps that are over, and why."""
    newest = {_subject(plan, row): row for row in rows}
    ended = has_ended(home, plan.campaign_id)
    over = {}
    for subject in (one.newest.subject for one in open_alerts(home) if one.newest.kind == STEP):
        row = newest.get(subject)
        if row is None or ended:
            over[subject] = f"the campaign of {subject} has ended; its summary tells all"
        elif row["outcome"] not in FAULTS:
            over[subject] = f"{subject} went through in cycle {row['cycle']}"
    return over


def _alert(plan: CampaignPlan, row: Mapping[str, Cell]) -> Alert:
    which = f"step {row['step']} of cycle {row['cycle']} of campaign {plan.campaign_id}"
    what = f"{which} {str(row['outcome']).replace('_', ' ')}: {row['what']}"
    action = f"read {row['log']} below the home; the campaign goes on. By hand: `{row['command']}`"
    occurrence = f"{row['step_id']}/{row['attempt']}"
    return Alert(STEP, _subject(plan, row), AlertSeverity.PROBLEM, what, action, occurrence)


def _subject(plan: CampaignPlan, row: Mapping[str, Cell]) -> str:
    return f"{row['step']} of {plan.campaign_id}"
