"""`sopilot campaign`: leave the installation alone for some days."""

from __future__ import annotations

import getpass
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from sopilot_assets.cli.known import CAMPAIGNS
from sopilot_assets.cli.options import AS_JSON, HOME, OF_TASK, examples
from sopilot_assets.cli.output import say, show_rows
from sopilot_assets.errors import ConfigError
from sopilot_assets.processes.boot_clock import moment_at
from sopilot_assets.settings import load_settings
from sopilot_assets.upkeep.campaign.durations import parse_duration, say_duration
from sopilot_assets.upkeep.campaign.plan import (
    SHORTEST_INTERVAL_S,
    active_campaign,
    campaign_ids,
    campaign_request,
    load_plan,
    request_stop,
    start_campaign,
)
from sopilot_assets.upkeep.campaign.standing import campaign_status
from sopilot_assets.upkeep.conditions.campaign import stands_still

if TYPE_CHECKING:
    from sopilot_assets.store.home import Home
    from sopilot_assets.store.ledgers import Cell
    from sopilot_assets.upkeep.campaign.standing import CampaignStatus

app = typer.Typer()

EVERY_HELP = "every N cycles; 0: never."


@app.command(
    epilog=examples(
        "sopilot campaign start --duration 96h --interval 1h --gate-profile ops_v1",
        "sopilot campaign start --duration 20m --interval 1m --damaged-every 3 --step-timeout 5m",
    )
)
def start(
    *,
    duration: Annotated[str, typer.Option(help="How long it goes on, e.g. 96h or 4d.")] = "96h",
    interval: Annotated[str, typer.Option(help="From the start of a cycle to the next.")] = "1h",
    damaged_every: Annotated[int, typer.Option(min=0, help=f"Damaged examples {EVERY_HELP}")] = 6,
    rescore_every: Annotated[int, typer.Option(min=0, help=f"Rescoring with repeats {EVERY_HELP}")] = 6,
    backup_every: Annotated[int, typer.Option(min=0, help=f"A backup {EVERY_HELP}")] = 24,
    repeats_most: Annotated[int, typer.Option(min=1, help="Repeat at most so many recordings.")] = 20,
    gate_profile: Annotated[
        str | None, typer.Option(help="Hold the dev recordings against these gates in every cycle.")
    ] = None,
    step_timeout: Annotated[str, typer.Option(help="How long a step may take.")] = "1h",
    grace: Annotated[str, typer.Option(help="How long a running step may go on after a stop.")] = "1m",
    task: OF_TASK = None,
    home: HOME,
) -> None:
    """Start a campaign: Dagster's daemon (`make dev`) launches a cycle an interval until the deadline."""
    request = campaign_request(
        duration_s=_seconds("--duration", duration),
        interval_s=_seconds("--interval", interval, least_s=SHORTEST_INTERVAL_S),
        damaged_every=damaged_every or None,
        rescore_every=rescore_every or None,
        backup_every=backup_every or None,
        repeats_most=repeats_most,
        gate_profile=gate_profile,
        step_timeout_s=_seconds("--step-timeout", step_timeout),
        grace_s=_seconds("--grace", grace),
        task=task,
    )
    plan = start_campaign(home, request, now=moment_at(datetime.now(UTC)), by=getpass.getuser())
    say(
        f"Campaign [bold]{plan.campaign_id}[/bold]: {plan.cycles} cycles, one each "
        f"{say_duration(plan.interval_s)}, until {plan.deadline:%Y-%m-%d %H:%M:%S} UTC"
    )
    if plan.backup_every is not None and _backup_to(home) is None:
        say("No backups: `settings.yaml` names no place for them (backup: destination).")
    say("Dagster's daemon launches the cycles: `make dev`. How it goes: `sopilot campaign show`.")


@app.command(epilog=examples("sopilot campaign stop", "sopilot campaign stop --require-id c20260302-070000"))
def stop(
    *,
    require_id: Annotated[
        str | None, typer.Option(help="Stop it only if it is this one.", show_default=False)
    ] = None,
    home: HOME,
) -> None:
    """Stop the active campaign: a running step may finish within the grace time; then comes the summary."""
    now = moment_at(datetime.now(UTC))
    plan = request_stop(home, required_id=require_id, now=now, by=getpass.getuser())
    say(
        f"Campaign {plan.campaign_id} stops: no further cycle begins, and a running step has "
        f"{say_duration(plan.grace_s)} to finish."
    )


@app.command(epilog=examples("sopilot campaign show", "sopilot campaign show c20260302-070000 --json"))
def show(
    campaign: Annotated[
        str | None, typer.Argument(help="Its id. (Default: the active one, else the newest.)"), CAMPAIGNS
    ] = None,
    *,
    home: HOME,
    as_json: AS_JSON = False,
) -> None:
    """Say how a campaign goes (running, stalled, stopping, stopped, finished, crashed), what is stale, and
    what to do.

    The exit code is 1 for stalled and crashed.
    """
    active, ids = active_campaign(home), campaign_ids(home)
    chosen = campaign or (active.campaign_id if active else (ids[-1] if ids else None))
    if chosen is None:
        raise ConfigError("there was no campaign yet. `sopilot campaign start` starts one.")
    found = campaign_status(home, load_plan(home, chosen), now=moment_at(datetime.now(UTC)))
    _show(found, as_json=as_json)
    if stands_still(found) is not None:
        raise typer.Exit(1)


@app.command(name="list", epilog=examples("sopilot campaign list"))
def list_campaigns(*, home: HOME, as_json: AS_JSON = False) -> None:
    """List all campaigns and how each goes or went."""
    now = moment_at(datetime.now(UTC))
    rows: list[dict[str, Cell]] = []
    for campaign_id in campaign_ids(home):
        found = campaign_status(home, load_plan(home, campaign_id), now=now)
        rows.append({"campaign": campaign_id, "state": found.standing.value, **found.facts})
    show_rows(
        rows,
        columns=("campaign", "state", "interval", "cycles_planned", "cycles_run", "faults", "findings"),
        empty="No campaign yet: `sopilot campaign start`.",
        as_json=as_json,
    )


def _show(found: CampaignStatus, *, as_json: bool) -> None:
    if as_json:
        document = {
            "campaign": found.campaign_id,
            "state": found.standing.value,
            "why": found.why,
            "do": found.do,
            **found.facts,
            "watched": [one.as_row() for one in found.watched],
        }
        typer.echo(json.dumps(document, ensure_ascii=False, indent=1))
        return
    say(
        f"Campaign [bold]{found.campaign_id}[/bold]: [bold]{found.standing.value}[/bold], {escape(found.why)}"
    )
    say(f"What to do: {escape(found.do)}")
    shown = [{"what": name, "value": value} for name, value in found.facts.items() if name != "campaign"]
    show_rows([{**row, "value": _text(row["value"])} for row in shown], columns=("what", "value"))
    if found.watched:
        rows = [one.as_row() for one in found.watched]
        show_rows(rows, columns=("what", "last", "ago", "limit", "stale"))


def _text(value: Cell) -> str:
    return "–" if value is None else str(value)


def _seconds(option: str, text: str, *, least_s: float = 0.0) -> float:
    seconds = parse_duration(text, name=option)
    if seconds < least_s:
        raise ConfigError(f"{option}: expected at least {say_duration(least_s)}, found '{text}'.")
    return seconds


def _backup_to(home: Home) -> str | None:
    return load_settings(home).backup.destination
