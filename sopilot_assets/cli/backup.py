"""`sopilot backup`: back the home up, check backups, and bring a home back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from sopilot_assets.at_first_use import at_first_use, load_now
from sopilot_assets.cli.options import AS_JSON, HOME, NEW_HOME, examples
from sopilot_assets.cli.output import say, show_error, show_rows, show_warning, stage
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.backup.forget import forget as remove_old
from sopilot_assets.upkeep.backup.restore import restore as bring_back
from sopilot_assets.upkeep.backup.routine import (
    back_up,
    chosen_snapshot,
    drill_newest,
    repository_of,
    snapshot_rows,
)
from sopilot_assets.upkeep.backup.verify import verify_repository

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sopilot_assets.store.home import Home
    from sopilot_assets.store.ledgers import Cell

with at_first_use():
    from sopilot_assets.defs.backup import restored

app = typer.Typer()

PLACE = Annotated[
    str | None,
    typer.Argument(
        metavar="[REPOSITORY]",
        help="The folder or URL of the backups. (Default: backup.destination of settings.yaml.)",
    ),
]


@app.command(epilog=examples("sopilot backup create /mnt/backup/sopilot", "sopilot backup create --json"))
def create(place: PLACE = None, *, home: HOME, as_json: AS_JSON = False) -> None:
    """Back the home up; only what changed since the last backup is written. Work may go on meanwhile.

    Exit code 1 when something could not be backed up or was found damaged.
    """
    with stage("Backing up") as bar:
        done = back_up(home, place, now=datetime.now(UTC), on_progress=bar)
    show_rows(
        [done.row],
        columns=("backup", "files", "bytes", "new_objects", "new_bytes", "seconds"),
        as_json=as_json,
    )
    for remark in done.remarks:
        show_warning(f"{remark.path}: {remark.what}")
    if done.remarks:
        raise typer.Exit(1)


@app.command("list", epilog=examples("sopilot backup list", "sopilot backup list /mnt/backup/sopilot --json"))
def list_(place: PLACE = None, *, home: HOME, as_json: AS_JSON = False) -> None:
    """List the backups of a repository, oldest first, and whether each is one of this home."""
    show_rows(
        snapshot_rows(repository_of(home, place), home),
        columns=("backup", "created_at", "files", "bytes", "left_out", "problems", "home", "own", "damage"),
        empty="no backups",
        as_json=as_json,
    )


@app.command(
    epilog=examples(
        "sopilot backup verify",
        "sopilot backup verify /mnt/backup/sopilot --json",
        "sopilot backup verify --drill",
    )
)
def verify(
    place: PLACE = None,
    *,
    drill: Annotated[
        bool,
        typer.Option(
            "--drill",
            help="Instead restore the newest backup into a scratch folder of the home, compare all of it, "
            "and remove it again; that needs as much free space as the home takes.",
        ),
    ] = False,
    home: HOME,
    as_json: AS_JSON = False,
) -> None:
    """Read a whole repository again and compare every file with its hash.

    Exit code 1 when anything differs.
    """
    if drill:
        _drill(home, place, as_json=as_json)
    else:
        _verify(home, place, as_json=as_json)


def _verify(home: Home, place: str | None, *, as_json: bool) -> None:
    repository = repository_of(home, place)
    with stage("Reading the repository") as bar:
        found = verify_repository(repository, on_progress=bar)
    rows: list[dict[str, Cell]] = [
        {
            "file": one.file,
            "what": one.what,
            "held": _some(one.paths),
            "backups": len(one.snapshots),
        }
        for one in found.damaged
    ]
    show_rows(
        rows,
        columns=("file", "what", "held", "backups"),
        empty=f"{repository.name}: {found.snapshots} backups, {found.objects} objects, all whole"
        + (f"; {found.unused} belong to no backup" if found.unused else ""),
        as_json=as_json,
    )
    for name in found.foreign[:20]:
        show_warning(f"{repository.name}/{name}: no backup wrote this file.")
    if found.damaged:
        show_error(
            f"{repository.name}: {len(found.damaged)} damaged files. Make a new backup: what the home still "
            "has is written again. Look after the disk."
        )
        raise typer.Exit(1)


def _drill(home: Home, place: str | None, *, as_json: bool) -> None:
    with stage("Starting Dagster"):
        load_now(restored)
    with stage("Restoring and comparing") as bar:
        done = drill_newest(
            home, place, now=datetime.now(UTC), look=restored.instance_problems, on_progress=bar
        )
    columns = ("drill", "backup", "files", "rows", "problems", "passed", "seconds")
    show_rows([done.row], columns=columns, as_json=as_json)
    for remark in done.drill.problems:
        show_error(f"{remark.path}: {remark.what}")
    if done.drill.problems:
        raise typer.Exit(1)


@app.command(
    epilog=examples(
        "sopilot backup restore /mnt/backup/sopilot --home /data/sopilot",
        "sopilot backup restore /mnt/backup/sopilot --backup 20250602T080000Z-1f3a9c2b7d04 --force",
    )
)
def restore(
    place: PLACE = None,
    *,
    backup: Annotated[
        str | None,
        typer.Option(
            help="The name of a backup, or how it begins; also another home's. (Default: this home's newest.)"
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Put what is in the home aside, as HOME.before-TIME.")
    ] = False,
    home: NEW_HOME,
) -> None:
    """Bring a home back from a backup. All files are written beside it and checked before it changes."""
    with stage("Starting Dagster"):
        load_now(restored)
    repository = repository_of(home, place)
    name = chosen_snapshot(repository, home, backup)
    with stage("Restoring and checking") as bar:
        done = bring_back(
            repository, name, local_path(home.root), now=datetime.now(UTC), force=force, on_progress=bar
        )
    ended = restored.end_interrupted_runs(home)
    say(f"Home: {done.target}, as it was at {done.snapshot.created_at} ({len(done.snapshot.files)} files)")
    if done.replaced is not None:
        say(f"Before: {done.replaced}; remove it when you are content.")
    if ended:
        say(f"{len(ended)} runs that were at work then are marked as failed; those that may are retried.")
    for remark in done.snapshot.problems:
        show_warning(f"{remark.path}: was not in the backup: {remark.what}")
    say("Next: `sopilot home doctor`, then `make dev`.")


@app.command(epilog=examples("sopilot backup forget --keep 30"))
def forget(
    place: PLACE = None,
    *,
    keep: Annotated[int, typer.Option(min=1, help="How many backups stay, the newest ones.")],
    home: HOME,
) -> None:
    """Remove old backups of this home, and the files that only they held."""
    done = remove_old(repository_of(home, place), home, keep=keep)
    say(f"{len(done.names)} backups removed, {done.objects} objects, {done.bytes / 2**20:.1f} MiB")


def _some(paths: Sequence[str]) -> str:
    return ", ".join([*paths[:3], *([f"{len(paths) - 3} more"] if len(paths) > 3 else [])])
