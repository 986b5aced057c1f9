"""`sopilot init` and `sopilot doctor`."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from sopilot_assets.cli.options import AS_JSON, HOME, examples
from sopilot_assets.cli.output import say, show_rows


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog=examples("sopilot init", "sopilot init --home /data/sopilot --profile scale"))(init)
    app.command(epilog=examples("sopilot doctor", "sopilot doctor --sweep"))(doctor)


def init(
    *,
    home: HOME,
    profile: Annotated[
        Literal["local", "scale"] | None,
        typer.Option(help="One machine (the default), or several: PostgreSQL, Redis and `sopilot worker`."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(help="Share it through an object store, e.g. s3://bucket/home.", show_default=False),
    ] = None,
) -> None:
    """Make the home folder and the settings of its Dagster instance; what is there already stays."""
    from sopilot_assets.upkeep.setting_up import Profile, join_store, prepare_home  # noqa: PLC0415

    prepared = prepare_home(home, Profile(profile) if profile else None)
    made = f"{len(prepared.created)} folders and files made" if prepared.created else "all there already"
    say(f"Home: {home.root} ({made})")
    say(f"Dagster's settings: {prepared.dagster_home}")
    if store is not None:
        joined = join_store(home, store)
        say(f"Shared through {store}: {joined.stored} files stored there, {joined.fetched} fetched")
    say("Next: `sopilot demo`, or `sopilot task new TASK` and recordings into capture/TASK/gold/SITE/.")


def doctor(
    *,
    home: HOME,
    sweep: Annotated[
        bool,
        typer.Option("--sweep", help="Remove temporary files that killed processes left, before looking."),
    ] = False,
    as_json: AS_JSON = False,
) -> None:
    """Look for what is wrong, and say what to do about it; exit code 1 when something must be mended."""
    from sopilot_assets.settings import load_settings  # noqa: PLC0415
    from sopilot_assets.store.publish import sweep_unfinished  # noqa: PLC0415
    from sopilot_assets.upkeep.doctor import doctor_row, examine_home  # noqa: PLC0415

    now = datetime.now(UTC)
    if sweep:
        older_than_s = load_settings(home).limits.leftover_minutes * 60
        removed = sweep_unfinished(home.root, older_than_s=older_than_s, now_s=now.timestamp())
        say(f"{removed} temporary files removed")
    rows = [doctor_row(told) for told in examine_home(home, now=now, environment=os.environ)]
    show_rows(rows, columns=("check", "subject", "state", "what", "action"), as_json=as_json)
    if any(row["state"] == "problem" for row in rows):
        raise typer.Exit(1)
