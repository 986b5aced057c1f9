"""Starting and stopping a campaign from the web page: two jobs with a launchpad."""

import getpass

import dagster as dg
from pydantic import Field

from sopilot_assets.defs.campaign.assets import moment
from sopilot_assets.defs.publish import scalars
from sopilot_assets.defs.resources import ClockResource, HomeResource
from sopilot_assets.defs.runs import MAX_RETRIES
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.upkeep.campaign.durations import parse_duration, say_duration
from sopilot_assets.upkeep.campaign.plan import (
    CampaignRequest,
    campaign_request,
    request_stop,
    start_campaign,
)


class StartConfig(dg.Config):
    """What the campaign shall do; durations as 90s, 15m, 1h or 4d, 0 cycles is never."""

    duration: str = Field(default="96h", description="How long it goes on.")
    interval: str = Field(default="1h", description="From the start of a cycle to the next.")
    damaged_every: int = Field(default=6, ge=0, description="Damaged examples every N cycles; 0: never.")
    rescore_every: int = Field(default=6, ge=0, description="Rescoring with repeats every N cycles.")
    backup_every: int = Field(default=24, ge=0, description="A backup every N cycles, where it has a place.")
    gate_profile: str = Field(default="", description="Gates to hold the dev recordings against.")
    step_timeout: str = Field(default="1h", description="How long a step may take.")
    grace: str = Field(default="1m", description="How long a running step may go on after a stop.")
    task: str = Field(default="", description="Only recordings of this task are scored; empty: all.")


class StopConfig(dg.Config):
    """Which campaign to stop."""

    require_id: str = Field(default="", description="Stop it only if it has this id; empty: whichever.")


@dg.op(description="Write the plan of a new campaign; its schedule launches the first cycle.")
def begin_campaign(
    context: dg.OpExecutionContext, config: StartConfig, home: HomeResource, clock: ClockResource
) -> None:
    """A new campaign in the home."""
    plan = start_campaign(home.home, request_of(config), now=moment(clock), by=getpass.getuser())
    facts: dict[str, Cell] = {
        "campaign": plan.campaign_id,
        "cycles": plan.cycles,
        "interval": say_duration(plan.interval_s),
        "deadline": plan.deadline.isoformat(),
    }
    context.add_output_metadata(scalars(facts))


@dg.op(description="Ask the active campaign to end; a running step may finish within the grace time.")
def end_campaign(
    context: dg.OpExecutionContext, config: StopConfig, home: HomeResource, clock: ClockResource
) -> None:
    """A request to stop in the campaign's folder."""
    plan = request_stop(
        home.home, required_id=config.require_id or None, now=moment(clock), by=getpass.getuser()
    )
    context.add_output_metadata({"campaign": plan.campaign_id})


@dg.job(
    name="start_campaign",
    description="Start a campaign: fill in the launchpad. The same as `sopilot campaign start`.",
    executor_def=dg.in_process_executor,
    tags={MAX_RETRIES: "0"},
)
def start_campaign_job() -> None:
    """One op."""
    begin_campaign()


@dg.job(
    name="stop_campaign",
    description="Stop the active campaign. The same as `sopilot campaign stop`.",
    executor_def=dg.in_process_executor,
    tags={MAX_RETRIES: "0"},
)
def stop_campaign_job() -> None:
    """One op."""
    end_campaign()


def request_of(config: StartConfig) -> CampaignRequest:
    """The settings of the launchpad as a campaign takes them."""
    return campaign_request(
        duration_s=parse_duration(config.duration, name="duration"),
        interval_s=parse_duration(config.interval, name="interval"),
        damaged_every=config.damaged_every or None,
        rescore_every=config.rescore_every or None,
        backup_every=config.backup_every or None,
        gate_profile=config.gate_profile or None,
        step_timeout_s=parse_duration(config.step_timeout, name="step_timeout"),
        grace_s=parse_duration(config.grace, name="grace"),
        task=config.task or None,
    )
