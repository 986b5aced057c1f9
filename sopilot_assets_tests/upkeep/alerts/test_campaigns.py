"""What a campaign tells: each failed step once until it goes through, a campaign that stands, and its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sopilot_assets.processes.boot_clock import Moment
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import publish_text
from sopilot_assets.upkeep.alerts import open_alerts, read_events
from sopilot_assets.upkeep.alerts.campaigns import note_campaign_steps
from sopilot_assets.upkeep.alerts.lasting import settle_lasting
from sopilot_assets.upkeep.campaign.plan import CampaignPlan, CampaignRequest, folder, start_campaign
from sopilot_assets.upkeep.campaign.records import StepOutcome, StepResult, record_step
from sopilot_assets.upkeep.campaign.watching import note_watch
from sopilot_assets.upkeep.conditions.campaign import CAMPAIGN
from sopilot_assets.upkeep.conditions.situation import Situation

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(minutes: float) -> Moment:
    return Moment(START + timedelta(minutes=minutes))


def campaign(home: Home) -> CampaignPlan:
    plan = start_campaign(home, CampaignRequest(duration_s=7200, interval_s=600), now=at(0), by="test")
    note_watch(home, plan.campaign_id, at(0))
    return plan


def step(home: Home, plan: CampaignPlan, cycle: int, outcome: StepOutcome, *, attempt: int = 1) -> None:
    began = (START + timedelta(minutes=10 * cycle)).isoformat()
    result = StepResult("intake", attempt, outcome, 1, began, 2.0, "no space left", "sopilot x", "log.txt")
    record_step(home, plan, cycle, result, run_id=f"run-{cycle}-{attempt}", written_at=began)


def settle(home: Home, minutes: float = 1) -> list[tuple[str, str]]:
    now = at(minutes).wall
    events = note_campaign_steps(home, now=now, repeat_after_hours=24)
    events += settle_lasting(Situation(home, now, {}), CAMPAIGN)
    return [(event.event, event.kind) for event in events]


def test_a_home_without_campaigns_has_nothing_to_tell(home: Home) -> None:
    assert settle(home) == []


def test_a_failed_step_is_told_once_until_it_goes_through(home: Home) -> None:
    plan = campaign(home)
    step(home, plan, 0, StepOutcome.FAILED)
    assert settle(home) == [("raised", "campaign_step")]
    assert settle(home) == []
    assert "no space left" in open_alerts(home)[0].newest.what
    step(home, plan, 1, StepOutcome.TIMED_OUT)
    assert settle(home) == [("again", "campaign_step")]
    step(home, plan, 2, StepOutcome.FINDING)
    assert settle(home) == [("resolved", "campaign_step")]
    assert settle(home) == []


def test_a_campaign_that_begins_after_a_clock_was_set_back_is_told_of(home: Home) -> None:
    ahead = campaign(home)
    publish_text(folder(home, ahead.campaign_id) / "summary.json", "{}")
    request = CampaignRequest(duration_s=7200, interval_s=600)
    plan = start_campaign(home, request, now=at(-60 * 24 * 90), by="test")
    step(home, plan, 0, StepOutcome.FAILED)
    note_watch(home, plan.campaign_id, at(1))
    assert ("raised", "campaign_step") in settle(home)
    assert plan.campaign_id in open_alerts(home)[0].newest.what


def test_a_failure_that_was_over_before_anybody_looked_is_told_all_the_same(home: Home) -> None:
    plan = campaign(home)
    step(home, plan, 0, StepOutcome.FAILED)
    step(home, plan, 1, StepOutcome.OK)
    assert settle(home) == [("raised", "campaign_step"), ("resolved", "campaign_step")]


def test_a_campaign_that_nobody_looks_after_is_a_problem_until_somebody_does(home: Home) -> None:
    plan = campaign(home)
    assert settle(home, 1) == []
    assert settle(home, 5) == [("raised", "campaign")]
    note_watch(home, plan.campaign_id, at(6))
    assert settle(home, 6) == [("resolved", "campaign")]


def test_no_alert_outlives_its_campaign(home: Home) -> None:
    plan = campaign(home)
    step(home, plan, 0, StepOutcome.FAILED)
    settle(home, 5)
    publish_text(folder(home, plan.campaign_id) / "summary.json", "{}")
    settle(home, 6)
    assert open_alerts(home) == []
    assert len(read_events(home)) == 4
