"""Starting and stopping: one campaign at a time, and a stop that means the right one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from sopilot_assets.errors import ConfigError, SopilotError
from sopilot_assets.processes.boot_clock import Moment, moment_at
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.campaign.plan import (
    CampaignRequest,
    active_campaign,
    campaign_ids,
    load_plan,
    load_stop,
    request_stop,
    start_campaign,
)
from sopilot_assets.upkeep.campaign.steps import command_line, steps_due
from sopilot_assets_tests.upkeep.campaign.plans import START, after, plan

SHORT = CampaignRequest(duration_s=60.0, interval_s=10.0)


def end(home: Home, campaign_id: str) -> None:
    """As the summary does."""
    (Path(str(home.campaigns)) / campaign_id / "summary.json").write_text("{}", encoding="utf-8")


def test_a_campaign_is_active_until_it_has_its_summary(home: Home) -> None:
    assert active_campaign(home) is None
    started = start_campaign(home, SHORT, now=after(0), by="ann")
    assert active_campaign(home) == started == load_plan(home, "c20260302-070000")
    assert started.deadline == START + timedelta(seconds=60)
    with pytest.raises(ConfigError, match="c20260302-070000 has not ended"):
        start_campaign(home, SHORT, now=after(1), by="ann")
    end(home, started.campaign_id)
    assert active_campaign(home) is None
    assert start_campaign(home, SHORT, now=after(2), by="ann").campaign_id == "c20260302-070002"
    assert campaign_ids(home) == ["c20260302-070000", "c20260302-070002"]


def test_a_stop_takes_the_right_campaign_and_is_written_once(home: Home) -> None:
    with pytest.raises(ConfigError, match="No campaign is active"):
        request_stop(home, required_id=None, now=after(0), by="ann")
    started = start_campaign(home, SHORT, now=after(0), by="ann")
    with pytest.raises(ConfigError, match="nothing was stopped"):
        request_stop(home, required_id="c20260101-000000", now=after(1), by="ann")
    assert load_stop(home, started.campaign_id) is None
    request_stop(home, required_id=started.campaign_id, now=after(5), by="ann")
    request_stop(home, required_id=None, now=after(9), by="bob")
    stop = load_stop(home, started.campaign_id)
    assert stop is not None
    assert (stop.by, stop.requested_at) == ("ann", after(5).wall)


@pytest.mark.parametrize("asked", [CampaignRequest(gate_profile="nix"), CampaignRequest(task="nix")])
def test_what_does_not_exist_is_refused_before_the_start(home: Home, asked: CampaignRequest) -> None:
    with pytest.raises(SopilotError, match="nix"):
        start_campaign(home, asked, now=after(0), by="ann")
    assert campaign_ids(home) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"interval_s": 1.0},
        {"duration_s": 0.0},
        {"damaged_every": 0},
        {"interval_s": 5.0, "duration_s": 1e6},
        {"unknown": 1},
    ],
)
def test_a_campaign_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        CampaignRequest.model_validate(wrong)


def test_a_damaged_plan_says_so(home: Home) -> None:
    started = start_campaign(home, SHORT, now=after(0), by="ann")
    path = Path(str(home.campaigns)) / started.campaign_id / "plan.json"
    path.write_text(path.read_text(encoding="utf-8")[:40], encoding="utf-8")
    with pytest.raises(ConfigError, match="expected what the project wrote there"):
        active_campaign(home)


def test_an_id_that_leads_elsewhere_is_refused(home: Home) -> None:
    with pytest.raises(ConfigError, match="expected an id"):
        load_plan(home, "../ledgers")


def test_the_clock_that_cannot_be_set_decides_while_the_machine_was_not_started_anew() -> None:
    begun = Moment(START, "boot", 1000.0)
    set_forward = Moment(START + timedelta(hours=9), "boot", 1030.0)
    set_back = replace(set_forward, wall=START - timedelta(hours=9))
    assert set_forward.since(begun) == set_back.since(begun) == 30.0
    another = replace(set_forward, boot_id="later", since_boot_s=5.0)
    assert another.since(begun) == 9 * 3600.0
    assert moment_at(START).since(moment_at(START).before(7.0)) == pytest.approx(7.0, abs=1.0)


@pytest.mark.parametrize(
    ("cycle", "names"),
    [
        (0, ["intake", "score"]),
        (1, ["intake", "score", "damaged"]),
        (2, ["intake", "score", "rescore", "repeat"]),
        (3, ["intake", "score", "damaged", "backup"]),
        (11, ["intake", "score", "damaged", "rescore", "repeat", "backup"]),
    ],
)
def test_what_comes_every_n_cycles_comes_with_the_nth(cycle: int, names: list[str]) -> None:
    wanted = plan(damaged_every=2, rescore_every=3, backup_every=4)
    assert [step.name for step in steps_due(wanted, cycle, backup_to="/backups")] == names


def test_steps_are_commands_for_people() -> None:
    wanted = plan(
        damaged_every=1, rescore_every=1, gate_profile="ops_v1", task="filter_change", repeats_most=7
    )
    lines = [command_line(step.words) for step in steps_due(wanted, 0, backup_to=None)]
    assert lines == [
        "sopilot capture register",
        "sopilot score run --stale --task filter_change",
        "sopilot measure damage --most 1 --task filter_change",
        "sopilot score run --all --task filter_change",
        "sopilot measure repeat --most 7 --task filter_change",
        "sopilot study check --profile ops_v1 --task filter_change",
    ]
