"""How a campaign goes is one word, with what is stale and what to do; in the end there is a summary."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.campaign.ending import summarise
from sopilot_assets.upkeep.campaign.plan import CampaignPlan, CampaignRequest, request_stop, start_campaign
from sopilot_assets.upkeep.campaign.records import (
    CycleOutcome,
    StepOutcome,
    StepResult,
    cycle_row,
    cycles_ledger,
    record_cycles,
    record_step,
)
from sopilot_assets.upkeep.campaign.standing import CampaignStatus, Standing, campaign_status
from sopilot_assets.upkeep.campaign.watching import last_watch, note_watch
from sopilot_assets_tests.upkeep.campaign.plans import after

WISHES = CampaignRequest(
    duration_s=36_000.0,
    interval_s=600.0,
    damaged_every=None,
    rescore_every=None,
    step_timeout_s=60.0,
    grace_s=5.0,
)


@pytest.fixture
def begun(home: Home) -> CampaignPlan:
    """A campaign of ten hours with a cycle each ten minutes."""
    return start_campaign(home, WISHES, now=after(0), by="ann")


def at(home: Home, plan: CampaignPlan, seconds: float) -> CampaignStatus:
    return campaign_status(home, plan, now=after(seconds))


def ran(home: Home, plan: CampaignPlan, cycle: int, **outcomes: StepOutcome) -> None:
    """A cycle whose steps ended so, ten seconds after it fell due."""
    time = after(cycle * plan.interval_s + 10).wall.isoformat()
    results = {
        name: StepResult(name, 1, outcome, 0, time, 3.0, f"<{name}>", f"sopilot {name}", f"{name}.log")
        for name, outcome in outcomes.items()
    }
    for one in results.values():
        record_step(home, plan, cycle, one, run_id="r", written_at=time)
    row = cycle_row(plan, cycle, CycleOutcome.RUN, why="", dagster_run="r", started_at=time, results=results)
    cycles_ledger(home).append([row], run_id="r", written_at=time)


def test_a_campaign_that_nobody_looks_after_has_stalled(home: Home, begun: CampaignPlan) -> None:
    assert at(home, begun, 60).standing is Standing.RUNNING
    found = at(home, begun, 200)
    assert found.standing is Standing.STALLED
    assert "nobody has looked after it since it was started" in found.why
    assert "make dev" in found.do
    note_watch(home, begun.campaign_id, after(190))
    assert last_watch(home, begun.campaign_id) == after(190)
    assert at(home, begun, 200).standing is Standing.RUNNING
    assert "for 1m 40s" in at(home, begun, 290).why


def test_a_step_that_does_not_go_through_makes_it_stalled_and_names_it(
    home: Home, begun: CampaignPlan
) -> None:
    for cycle in range(3):
        ran(home, begun, cycle, intake=StepOutcome.OK, score=StepOutcome.FAILED)
    note_watch(home, begun.campaign_id, after(1450))
    found = at(home, begun, 1460)
    assert found.standing is Standing.STALLED
    assert "score has not gone through for" in found.why
    stale = {one.what: one.stale for one in found.watched}
    assert stale == {"watch": False, "intake": False, "score": True}
    assert found.facts["faults"] == 3


def test_a_finding_is_no_fault(home: Home, begun: CampaignPlan) -> None:
    ran(home, begun, 0, intake=StepOutcome.OK, score=StepOutcome.FINDING)
    note_watch(home, begun.campaign_id, after(60))
    found = at(home, begun, 61)
    assert (found.standing, found.facts["faults"], found.facts["findings"]) == (Standing.RUNNING, 0, 1)


def test_a_cycle_that_died_is_a_crash_until_the_next_goes_through(home: Home, begun: CampaignPlan) -> None:
    note_watch(home, begun.campaign_id, after(50))
    record_cycles(home, begun, [0], CycleOutcome.FAILED, "run 1234 died", run_id="w", written_at="2026")
    record_cycles(home, begun, [1], CycleOutcome.SKIPPED, "busy", run_id="w", written_at="2026")
    found = at(home, begun, 60)
    assert found.standing is Standing.CRASHED
    assert "cycle 0 died: run 1234 died" in found.why
    ran(home, begun, 2, intake=StepOutcome.OK)
    assert at(home, begun, 60).standing is Standing.RUNNING


@pytest.mark.parametrize(("waited_s", "standing"), [(3, Standing.STOPPING), (400, Standing.CRASHED)])
def test_a_stop_is_awaited_but_not_for_ever(
    home: Home, begun: CampaignPlan, waited_s: float, standing: Standing
) -> None:
    request_stop(home, required_id=None, now=after(100), by="ann")
    note_watch(home, begun.campaign_id, after(100 + waited_s))
    assert at(home, begun, 100 + waited_s).standing is standing


@pytest.mark.parametrize(("over_s", "standing"), [(5, Standing.STOPPING), (2000, Standing.CRASHED)])
def test_a_deadline_without_a_summary_is_a_crash_after_a_while(
    home: Home, begun: CampaignPlan, over_s: float, standing: Standing
) -> None:
    note_watch(home, begun.campaign_id, after(36_000 + over_s))
    assert at(home, begun, 36_000 + over_s).standing is standing


def test_a_clock_before_the_start_is_named(home: Home, begun: CampaignPlan) -> None:
    assert "before the start of the campaign" in at(home, begun, -3600).why


def test_the_summary_ends_the_campaign_and_shows_what_needs_a_look(home: Home, begun: CampaignPlan) -> None:
    ran(home, begun, 0, intake=StepOutcome.OK, score=StepOutcome.FAILED)
    ran(home, begun, 1, intake=StepOutcome.OK, score=StepOutcome.FINDING)
    record_cycles(home, begun, [2, 3], CycleOutcome.MISSED, "nobody", run_id="w", written_at="2026")
    summary = summarise(home, begun, ending="stop", ended_at=after(2400).wall)
    assert {
        name: summary.facts[name] for name in ("ended_by", "cycles_run", "cycles_missed", "steps_failed")
    } == {
        "ended_by": "stop",
        "cycles_run": 2,
        "cycles_missed": 2,
        "steps_failed": 1,
    }
    assert [(row["cycle"], row["step"]) for row in summary.troubles] == [(0, "score"), (1, "score")]
    assert [row["runs"] for row in summary.steps] == [2, 2]
    page = summary.page.read_text(encoding="utf-8")
    assert "&lt;score&gt;" in page
    assert "<score>" not in page
    written = json.loads((Path(str(home.campaigns)) / begun.campaign_id / "summary.json").read_bytes())
    assert written["facts"] == dict(summary.facts)
    assert at(home, begun, 2500).standing is Standing.STOPPED
    summarise(home, begun, ending="deadline", ended_at=after(2400).wall)
    assert at(home, begun, 2500).standing is Standing.FINISHED
