"""`sopilot upgrade`: a home brought to the format of this version, and taken back."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Annotated

import typer

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.cli.options import AS_JSON, HOME, examples
from sopilot_assets.cli.output import say, show_json, show_rows, show_warning, stage
from sopilot_assets.store.home_format import HOME_FORMAT, this_program
from sopilot_assets.upkeep.conditions.situation import Situation
from sopilot_assets.upkeep.doctor import doctor_row

with at_first_use():
    from sopilot_assets.defs.dagster_internals import schema
    from sopilot_assets.defs.upgrade import migrations
    from sopilot_assets.upkeep.upgrade import check as checking
    from sopilot_assets.upkeep.upgrade import run as running

app = typer.Typer()


@app.command(epilog=examples("sopilot upgrade check", "sopilot upgrade check --json"))
def check(*, home: HOME, as_json: AS_JSON = False) -> None:
    """Say what this version would change in the home, what that needs, and which scores become stale; nothing
    is written.

    Exit code 0: nothing to do. 3: an upgrade is due and can be run. 1: something stands in its way.
    """
    asked = Situation(home, datetime.now(UTC), os.environ)
    found = checking.check_upgrade(asked, migrations.MIGRATIONS, settings_faults=schema.settings_faults)
    if as_json:
        show_json(found.as_json())
    else:
        columns = ("check", "subject", "state", "what", "action")
        show_rows([doctor_row(one) for one in found.told], columns=columns)
    if found.is_blocked:
        raise typer.Exit(1)
    if found.plan.is_needed:
        raise typer.Exit(3)


@app.command(epilog=examples("sopilot upgrade run", "sopilot upgrade run --no-backup"))
def run(
    *,
    home: HOME,
    backup: Annotated[
        bool,
        typer.Option(
            "--backup/--no-backup",
            help="Back the whole home up first, where settings.yaml names a place. What changes is kept in "
            "the home in any case.",
        ),
    ] = True,
) -> None:
    """Bring the home to the format of this version; `sopilot upgrade revert` takes that back.

    Nobody may work in the home meanwhile. One that was interrupted goes on.
    """
    with stage("Upgrading"):
        done = running.run_upgrade(home, migrations.MIGRATIONS, now=datetime.now(UTC), backup=backup)
    if done is None:
        say(f"Nothing to do: {home.root} is of format {HOME_FORMAT}, as {this_program()} makes it.")
        return
    if done.backup is not None:
        say(f"Backup: {done.backup.backup.name} in {done.backup.row['destination']}")
        for remark in done.backup.remarks:
            show_warning(f"{remark.path}: {remark.what}")
    its = done.upgrade
    how = "Finished" if done.finished else "Done"
    say(f"{how}: {home.root} is of format {its.after} now, before {its.before} ({its.name}).")
    say(f"Changed: {', '.join(one.path for one in its.files) or 'the format number only'}")
    say("Next: start the services again; `sopilot score list --stale` shows which scores are stale, and why.")
    say("Back: `sopilot upgrade revert`, then the version before.")


@app.command(epilog=examples("sopilot upgrade revert", "sopilot upgrade revert --keep-aside"))
def revert(
    *,
    home: HOME,
    keep_aside: Annotated[
        bool,
        typer.Option(
            "--keep-aside",
            help="Also where files of the upgrade changed since, which would be lost: copy them aside first.",
        ),
    ] = False,
) -> None:
    """Take the last upgrade of the home back, before an earlier version is activated.

    Recordings, scores and labels that were written since stay.
    """
    done = running.revert_upgrade(home, now=datetime.now(UTC), keep_aside=keep_aside)
    say(f"Taken back: {home.root} is of format {done.number} again ({done.upgrade.name}).")
    if done.aside is not None:
        say(f"What had changed since: {done.aside}")
    for remark in done.unknown:
        show_warning(f"{remark}.")
    before = done.upgrade.before
    say(f"Next: activate a version that writes format {before} (`install.sh --activate VERSION`), start it.")
