"""`sopilot retention`: remove what is over its time."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.cli.options import AS_JSON, HOME, examples
from sopilot_assets.cli.output import show_rows
from sopilot_assets.upkeep.setting_up import prepare_home

with at_first_use():
    from sopilot_assets.defs import instance
    from sopilot_assets.defs.retention import retention

app = typer.Typer()


@app.command(epilog=examples("sopilot retention apply --dry-run", "sopilot retention apply"))
def apply(
    *,
    home: HOME,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be removed; nothing changes.")
    ] = False,
    as_json: AS_JSON = False,
) -> None:
    """Remove runs, logs, proxies, uploads, unfinished files and videos of trainees whose time is over; merge
    ledgers.

    settings.yaml says after how many days (retention), and of videos of trainees their task
    (keep_videos_days; without it they stay). Erasures of persons that were begun are ended. Scores, labels,
    studies, dossiers and golds stay, and so does every run that made the newest state of a partition.
    """
    prepare_home(home)
    with instance.local_instance(home) as used:
        removed = retention.remove_expired(home, used, now=datetime.now(UTC), dry_run=dry_run)
    rows = [{**asdict(one), "freed_mib": round(one.freed_bytes / (1 << 20), 1)} for one in removed]
    show_rows(
        rows,
        columns=("what", "removed", "freed_mib", "kept", "rule"),
        title="Would be removed" if dry_run else "Removed",
        as_json=as_json,
    )
