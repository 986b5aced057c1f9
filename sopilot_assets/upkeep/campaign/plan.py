"""What a campaign was asked to do: ``campaigns/<id>/plan.json``, written once when it starts."""

from __future__ import annotations

import hashlib
import math
import os
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator
from upath import UPath

from sopilot_assets.documents.faults import describe
from sopilot_assets.errors import ConfigError
from sopilot_assets.processes.boot_clock import Moment
from sopilot_assets.store.canonical import pretty_json
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, only_writer, publish_bytes
from sopilot_assets.studies.profiles import gate_profile
from sopilot_assets.tasks import load_task

MOST_CYCLES: Final = 100_000
SHORTEST_INTERVAL_S: Final = 5.0
MOST_STEPS: Final = 7
"""Steps of a cycle in which everything falls due."""

ENDING_S: Final = 10.0
"""Seconds that it takes to end a step that does not want to."""

_ID: Final = re.compile(r"c\d{8}-\d{6}")
_Kind = TypeVar("_Kind", bound=BaseModel)
_Every = Annotated[int, Field(ge=1, le=MOST_CYCLES)]


class CampaignRequest(BaseModel):
    """What a campaign shall do, before it has a time and an id. Times are seconds; ``every`` counts cycles,
    None is never.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    duration_s: float = Field(default=96 * 3600.0, gt=0)
    interval_s: float = Field(default=3600.0, ge=SHORTEST_INTERVAL_S)
    damaged_every: _Every | None = 6
    rescore_every: _Every | None = 6
    backup_every: _Every | None = 24
    repeats_most: int = Field(default=20, ge=1)
    gate_profile: str | None = None
    step_timeout_s: float = Field(default=3600.0, gt=0)
    grace_s: float = Field(default=60.0, ge=0)
    task: str | None = None

    @model_validator(mode="after")
    def _not_too_many(self) -> CampaignRequest:
        if self.cycles > MOST_CYCLES:
            raise ValueError(f"expected at most {MOST_CYCLES} cycles, found {self.cycles}")
        return self

    @property
    def cycles(self) -> int:
        """How many cycles fall due before the deadline."""
        return math.ceil(self.duration_s / self.interval_s)

    @property
    def longest_cycle_s(self) -> float:
        """The most seconds that a cycle can take, if all its steps run into their limit."""
        return MOST_STEPS * (self.step_timeout_s + ENDING_S) + self.grace_s


class CampaignPlan(CampaignRequest):
    """One campaign. ``boot_id`` and ``since_boot_s`` are its start by the clock that cannot be set."""

    campaign_id: str = Field(pattern=_ID.pattern)
    started_at: AwareDatetime
    boot_id: str = ""
    since_boot_s: float = 0.0
    by: str = ""

    @property
    def start(self) -> Moment:
        """When it started."""
        return Moment(self.started_at, self.boot_id, self.since_boot_s)

    @property
    def deadline(self) -> datetime:
        """When it ends, if the clock is not set meanwhile."""
        return self.started_at + timedelta(seconds=self.duration_s)

    def scheduled_for(self, cycle: int) -> datetime:
        """When a cycle falls due."""
        return self.started_at + timedelta(seconds=cycle * self.interval_s)

    def elapsed_s(self, now: Moment) -> float:
        """Seconds that it has been running."""
        return now.since(self.start)

    def cycle_at(self, elapsed_s: float) -> int:
        """The number of the cycle that is due, from 0; below 0 before the start."""
        return math.floor(elapsed_s / self.interval_s)


class StopRequest(BaseModel):
    """Somebody wants the campaign to end: ``campaigns/<id>/stop.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requested_at: AwareDatetime
    by: str = ""
    boot_id: str = ""
    since_boot_s: float = 0.0

    @property
    def moment(self) -> Moment:
        """When it was asked for."""
        return Moment(self.requested_at, self.boot_id, self.since_boot_s)


def mark(home: Home, campaign_id: str) -> str:
    """What the processes of a campaign are marked with.

    Another home may have a campaign of the same id; its processes have another mark.
    """
    place = hashlib.sha256(os.fsencode(local_path(home.root).absolute())).hexdigest()[:12]
    return f"{place}-{campaign_id}"


def folder(home: Home, campaign_id: str) -> UPath:
    """The folder of one campaign; ``ConfigError`` for what is no id of one."""
    if not _ID.fullmatch(campaign_id):
        raise ConfigError(
            f"campaign {campaign_id!r}: expected an id such as c20260302-070000. "
            "`sopilot campaign list` lists them."
        )
    return home.campaigns / campaign_id


def campaign_ids(home: Home) -> list[str]:
    """The ids of all campaigns that have a plan, oldest first."""
    if not home.campaigns.exists():
        return []
    return sorted(
        path.name
        for path in home.campaigns.iterdir()
        if _ID.fullmatch(path.name) and (path / "plan.json").exists()
    )


def load_plan(home: Home, campaign_id: str) -> CampaignPlan:
    """The plan of a campaign; ``ConfigError`` where it is missing or not what was written."""
    return _read(folder(home, campaign_id) / "plan.json", CampaignPlan)


def load_stop(home: Home, campaign_id: str) -> StopRequest | None:
    """The request to stop a campaign, if there is one."""
    path = folder(home, campaign_id) / "stop.json"
    return _read(path, StopRequest) if path.exists() else None


def has_ended(home: Home, campaign_id: str) -> bool:
    """Whether the campaign has its summary."""
    return (folder(home, campaign_id) / "summary.json").exists()


def active_campaign(home: Home) -> CampaignPlan | None:
    """The campaign that has no summary yet; there is one at most."""
    for campaign_id in reversed(campaign_ids(home)):
        if not has_ended(home, campaign_id):
            return load_plan(home, campaign_id)
    return None


def campaign_request(**values: object) -> CampaignRequest:
    """A request with these values; ``ConfigError`` that names every one which cannot be."""
    try:
        return CampaignRequest.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{'; '.join(describe(error, CampaignRequest))}. Change the options.") from error


def start_campaign(home: Home, request: CampaignRequest, *, now: Moment, by: str) -> CampaignPlan:
    """A new campaign, whose plan is published; Dagster's daemon launches its cycles from then on.

    Raises ``ConfigError`` where another one has not ended, or the gate profile or task does not exist.
    """
    if request.gate_profile is not None:
        gate_profile(request.gate_profile)
    if request.task is not None:
        load_task(home.tasks / f"{request.task}.yaml")
    with only_writer(home.campaigns / ".lock"):
        active = active_campaign(home)
        if active is not None:
            raise ConfigError(
                f"campaign {active.campaign_id} has not ended, and there can be only one. "
                "`sopilot campaign show` says how it goes, `sopilot campaign stop` ends it."
            )
        plan = CampaignPlan(
            **request.model_dump(),
            campaign_id=f"c{now.wall.astimezone(UTC):%Y%m%d-%H%M%S}",
            started_at=now.wall,
            boot_id=now.boot_id,
            since_boot_s=now.since_boot_s,
            by=by,
        )
        path = folder(home, plan.campaign_id) / "plan.json"
        if path.exists():
            raise ConfigError(
                f"{path}: there is a campaign of this second. Wait for the next, and try again."
            )
        publish_bytes(path, pretty_json(plan))
    return plan


def request_stop(home: Home, *, required_id: str | None, now: Moment, by: str) -> CampaignPlan:
    """Ask the active campaign to end; asking again changes nothing.

    Raises ``ConfigError`` where none is active, or it is not the one called ``required_id``.
    """
    with only_writer(home.campaigns / ".lock"):
        active = active_campaign(home)
        if active is None:
            raise ConfigError("No campaign is active. `sopilot campaign list` lists those that were.")
        if required_id is not None and active.campaign_id != required_id:
            raise ConfigError(
                f"the active campaign is {active.campaign_id}, not {required_id}; nothing was stopped."
            )
        path = folder(home, active.campaign_id) / "stop.json"
        if not path.exists():
            stop = StopRequest(
                requested_at=now.wall, by=by, boot_id=now.boot_id, since_boot_s=now.since_boot_s
            )
            publish_bytes(path, pretty_json(stop))
    return active


def _read(path: UPath, kind: type[_Kind]) -> _Kind:
    try:
        return kind.model_validate_json(local_path(path).read_bytes())
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: there is no such campaign. `sopilot campaign list` lists them."
        ) from error
    except (OSError, ValidationError) as error:
        raise ConfigError(
            f"{path}: expected what the project wrote there, found something else ({error}). "
            "Restore it from a backup, or remove the campaign's folder."
        ) from error
