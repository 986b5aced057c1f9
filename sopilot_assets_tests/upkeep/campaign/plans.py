"""Plans for tests, without a home."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sopilot_assets.processes.boot_clock import Moment
from sopilot_assets.upkeep.campaign.plan import CampaignPlan

START = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)


def plan(**settings: object) -> CampaignPlan:
    """A campaign of ten minutes with a cycle each minute; ``settings`` replace its own."""
    wanted: dict[str, object] = {
        "campaign_id": "c20260302-070000",
        "started_at": START,
        "duration_s": 600.0,
        "interval_s": 60.0,
        "step_timeout_s": 60.0,
        "grace_s": 5.0,
        **settings,
    }
    return CampaignPlan.model_validate(wanted)


def after(seconds: float) -> Moment:
    """So many seconds after the start, by the clock on the wall."""
    return Moment(START + timedelta(seconds=seconds))
