"""`sopilot reference`: what each task is compared with."""

from __future__ import annotations

import typer

from sopilot_assets.cli.options import AS_CSV, AS_JSON, HOME, examples
from sopilot_assets.cli.output import show_rows
from sopilot_assets.cli.rows import rows_of
from sopilot_assets.reference.ledger import references_ledger

app = typer.Typer()


@app.command("list", epilog=examples("sopilot reference list"))
def list_references(*, home: HOME, as_json: AS_JSON = False, as_csv: AS_CSV = False) -> None:
    """List what each task is compared with: its golds, their persons, those promoted, whether all their
    steps are confirmed.
    """
    columns = (
        "task_id",
        "reference_id",
        "golds",
        "persons",
        "promoted",
        "confirmed",
        "held_out",
        "problem",
        "model_id",
        "written_at",
    )
    rows = rows_of(references_ledger(home).latest())
    show_rows(rows, columns=columns, empty="No references yet.", as_json=as_json, as_csv=as_csv)
