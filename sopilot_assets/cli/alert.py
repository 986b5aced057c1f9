"""`sopilot alert`: what needs attention, and whether people are reached."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from sopilot_assets.cli.options import AS_CSV, AS_JSON, HOME, examples
from sopilot_assets.cli.output import say, show_rows
from sopilot_assets.settings import load_settings
from sopilot_assets.upkeep.alerts import deliver as deliver_waiting
from sopilot_assets.upkeep.alerts import open_alerts, read_events
from sopilot_assets.upkeep.alerts.alert import trial_event
from sopilot_assets.upkeep.alerts.deliver import alert_outbox

if TYPE_CHECKING:
    from sopilot_assets.store.home import Home
    from sopilot_assets.store.ledgers import Cell
    from sopilot_assets.upkeep.alerts import AlertDelivery

app = typer.Typer()

_COLUMNS = ("since", "severity", "kind", "subject", "times", "what", "action")


@app.command("list", epilog=examples("sopilot alert list", "sopilot alert list --all --csv"))
def list_alerts(
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Every event ever noted, not only the alerts that are open.")
    ] = False,
    home: HOME,
    as_json: AS_JSON = False,
    as_csv: AS_CSV = False,
) -> None:
    """List the open alerts: since when, what is wrong, and what to do."""
    if every:
        events: list[dict[str, Cell]] = [_cells(event.as_line()) for event in read_events(home)]
        columns = ("at", "event", "severity", "kind", "subject", "what")
        show_rows(events, columns=columns, empty="No alert was ever raised.", as_json=as_json, as_csv=as_csv)
        return
    rows: list[dict[str, Cell]] = [
        {
            "alert": one.newest.alert_id,
            "since": one.newest.first_seen[:16],
            "severity": one.newest.severity,
            "kind": one.newest.kind,
            "subject": one.newest.subject,
            "times": one.newest.count,
            "what": one.newest.what,
            "action": one.newest.action,
        }
        for one in open_alerts(home)
    ]
    show_rows(rows, columns=_COLUMNS, empty="No alert is open.", as_json=as_json, as_csv=as_csv)


@app.command(epilog=examples("sopilot alert deliver", "sopilot alert deliver --test"))
def deliver(
    *,
    test: Annotated[
        bool,
        typer.Option("--test", help="Instead send a test message on each channel of settings.yaml."),
    ] = False,
    home: HOME,
    as_json: AS_JSON = False,
) -> None:
    """Send what waits, now; exit code 1 when something could not be sent."""
    if test:
        _send_test(home, as_json=as_json)
        return
    alerts = load_settings(home).alerts
    sent = deliver_waiting(
        home,
        alerts,
        environment=os.environ,
        installation=alerts.installation or socket.gethostname(),
        now=datetime.now(UTC),
        everything=True,
    )
    _show_sent(sent, as_json=as_json)


def _send_test(home: Home, *, as_json: bool) -> None:
    alerts, now = load_settings(home).alerts, datetime.now(UTC)
    installation = alerts.installation or socket.gethostname()
    outbox = alert_outbox(home, alerts, environment=os.environ, installation=installation, now=now)
    rows: list[dict[str, Cell]] = []
    for channel in outbox.channels:
        taken, said = outbox.attempt(partial(channel.send, trial_event(now), now))
        rows.append({"channel": channel.name, "ok": taken, "answer": said})
    empty = "settings.yaml names no webhook and no e-mail; alerts are only noted in alerts/alerts.jsonl."
    show_rows(rows, columns=("channel", "ok", "answer"), empty=empty, as_json=as_json)
    if not all(row["ok"] for row in rows):
        raise typer.Exit(1)


def _show_sent(sent: AlertDelivery, *, as_json: bool) -> None:
    rows: list[dict[str, Cell]] = [
        {"channel": one.channel, "message": one.parcel.id, "tries": one.tries, "answer": one.error}
        for one in sent.failed
    ]
    show_rows(
        rows,
        columns=("channel", "message", "tries", "answer"),
        title="Not delivered",
        as_json=as_json,
    )
    if not as_json:
        say(f"{sent.delivered} messages delivered, {sent.waiting} wait.")
    if rows:
        raise typer.Exit(1)


def _cells(line: dict[str, object]) -> dict[str, Cell]:
    return {name: value if isinstance(value, int) else str(value) for name, value in line.items()}
