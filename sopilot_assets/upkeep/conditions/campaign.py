"""Whether the active campaign goes on."""

from __future__ import annotations

from typing import Final

from sopilot_assets.processes.boot_clock import moment_at
from sopilot_assets.upkeep.campaign.plan import active_campaign
from sopilot_assets.upkeep.campaign.standing import CampaignStatus, Standing, campaign_status
from sopilot_assets.upkeep.conditions.condition import Answer, Condition, Fine, found, problem
from sopilot_assets.upkeep.conditions.situation import Situation

CAMPAIGN: Final = "campaign"


def goes_on(asked: Situation) -> Answer:
    """How the active campaign goes."""
    plan = active_campaign(asked.home)
    if plan is None:
        return found([], Fine(CAMPAIGN, "", "none is active"))
    status = campaign_status(asked.home, plan, now=moment_at(asked.now))
    stands = stands_still(status)
    what = f"{plan.campaign_id} is {status.standing.value}: {status.why}"
    return found([stands] if stands else [], Fine(CAMPAIGN, plan.campaign_id, what))


def stands_still(status: CampaignStatus) -> Condition | None:
    """That a campaign has stalled or crashed."""
    if status.standing not in (Standing.STALLED, Standing.CRASHED):
        return None
    what = f"campaign {status.campaign_id} has {status.standing}: {status.why}"
    return problem(CAMPAIGN, status.campaign_id, what, status.do)
