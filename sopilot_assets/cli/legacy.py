"""`sopilot legacy`: an existing installation of the old system."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from uuid import uuid4

import typer

from sopilot_assets.cli.options import AS_CSV, AS_JSON, NEW_HOME, examples
from sopilot_assets.cli.output import say, show_rows, show_warning
from sopilot_assets.cli.rows import figure
from sopilot_assets.errors import ConfigError
from sopilot_assets.legacy.compare import compare_folder
from sopilot_assets.legacy.database import read_installation
from sopilot_assets.legacy.importing import import_installation
from sopilot_assets.legacy.labels import read_labels
from sopilot_assets.legacy.old_and_right import old_and_right
from sopilot_assets.legacy.reports import OldJobs

if TYPE_CHECKING:
    from sopilot_assets.store.ledgers import Cell

DATABASE: Final = typer.Option("--db", help="The old system's database, sopilot.db.", dir_okay=False)
LABELS: Final = typer.Option("--labels", help="The old system's labels.json.", dir_okay=False)

app = typer.Typer()


@app.command("import", epilog=examples("sopilot legacy import --db sopilot.db --labels labels.json"))
def import_legacy(
    *,
    db: Annotated[Path, DATABASE],
    labels: Annotated[Path | None, LABELS] = None,
    home: NEW_HOME,
) -> None:
    """Enter an existing installation into the ledgers: videos, scores with all repeats, reviews, task
    profiles and labels, all marked as imported. Importing again adds only what is new.
    """
    written_at = datetime.now(UTC).isoformat(timespec="seconds")
    imported = import_installation(
        home,
        read_installation(db),
        None if labels is None else read_labels(labels),
        run_id=f"import-legacy-{uuid4().hex[:12]}",
        written_at=written_at,
    )
    rows: list[dict[str, Cell]] = [
        {"ledger": name, "in_the_installation": imported.held[name], "added": count}
        for name, count in imported.added.items()
    ]
    show_rows(rows, columns=("ledger", "in_the_installation", "added"), title="Imported")
    for warning in imported.warnings:
        show_warning(warning)
    say(f"Tasks: {', '.join(imported.tasks) or 'none'}")
    task = imported.tasks[0] if len(imported.tasks) == 1 else "TASK"
    say(f"Next: `sopilot study create STUDY --task {task} --title TITLE --scores imported`.")


@app.command(
    epilog=examples(
        "sopilot legacy compare --db sopilot.db --labels labels.json",
        "sopilot legacy compare --db sopilot.db --labels labels.json --expected reports/",
    )
)
def compare(
    *,
    db: Annotated[Path, DATABASE],
    labels: Annotated[Path, LABELS],
    expected: Annotated[
        Path | None,
        typer.Option(
            "--expected",
            help="The folder with the reports of the old scripts: make them again instead, and print for "
            "each file the largest difference.",
        ),
    ] = None,
    task: Annotated[str | None, typer.Option(help="The task. (Default: that of the labels.)")] = None,
    as_json: AS_JSON = False,
    as_csv: AS_CSV = False,
) -> None:
    """Show the old system's figures that mislead, each with the right one beside it, and why.

    With --expected the exit code is 1 where any file differs, is missing something or is no report of the old
    scripts.
    """
    if expected is not None:
        if task or as_json or as_csv:
            raise ConfigError("--expected: expected without --task, --json and --csv.")
        _compare_reports(db, labels, expected)
        return
    read = read_labels(labels)
    jobs = OldJobs.of(read_installation(db), read)
    rows: list[dict[str, Cell]] = [asdict(row) for row in old_and_right(jobs, task or read.task_id)]
    if not (as_json or as_csv):
        rows = [{name: figure(cell) for name, cell in row.items()} for row in rows]
    show_rows(rows, columns=("figure", "old", "right", "why"), as_json=as_json, as_csv=as_csv)


def _compare_reports(db: Path, labels: Path, expected: Path) -> None:
    compared = compare_folder(read_installation(db), read_labels(labels), expected)
    for one in compared:
        typer.echo(one.line())
    different = [one for one in compared if not one.equal]
    typer.echo(f"{len(compared)} files compared, {len(compared) - len(different)} equal to 1e-6")
    if different:
        raise typer.Exit(1)
