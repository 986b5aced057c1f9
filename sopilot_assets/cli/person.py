"""`sopilot person`: whose recordings there are, what is handed over to one person, and erasing them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.cli.options import AS_CSV, AS_JSON, HOME, OF_TASK, examples
from sopilot_assets.cli.output import say, show_rows, show_warning, stage
from sopilot_assets.texts.names import safe_name
from sopilot_assets.upkeep.setting_up import prepare_home

if TYPE_CHECKING:
    from sopilot_assets.store.ledgers import Cell
    from sopilot_assets.upkeep.erasing.erase import ErasureReport

with at_first_use():
    from sopilot_assets.defs import instance
    from sopilot_assets.defs.dagster_internals import old_runs
    from sopilot_assets.people import export as exporting
    from sopilot_assets.people import persons
    from sopilot_assets.upkeep.erasing import erase as erasing

app = typer.Typer()

CODE = Annotated[str, typer.Argument(help="The code of the person, as recordings say it.", metavar="CODE")]


@app.command(name="list", epilog=examples("sopilot person list", "sopilot person list --task oil_change"))
def list_them(*, home: HOME, task: OF_TASK = None, as_json: AS_JSON = False, as_csv: AS_CSV = False) -> None:
    """List the people who were filmed as trainees, with how many recordings each has."""
    rows: list[dict[str, Cell]] = [
        {
            "person": one.person,
            "task": one.task_id,
            "recordings": one.recordings,
            "decided": one.decided,
            "last_at": one.last_at,
        }
        for one in persons.all_persons(home, task=task)
    ]
    columns = ("person", "task", "recordings", "decided", "last_at")
    empty = "no recording says who is seen in it; `sopilot recording correct` says so"
    show_rows(rows, columns=columns, empty=empty, as_json=as_json, as_csv=as_csv)


@app.command(
    epilog=examples(
        "sopilot person erase p014 --by ann --reason 'asked on 2 March' --dry-run",
        "sopilot person erase p014 --by ann --reason 'asked on 2 March'",
    )
)
def erase(
    person: CODE,
    *,
    by: Annotated[str, typer.Option("--by", help="The id of whoever decides, without spaces.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, for those who look later; no names.")],
    golds: Annotated[
        bool, typer.Option("--golds", help="Also where recordings of theirs are golds that judge others.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be removed; nothing changes.")
    ] = False,
    home: HOME,
    as_json: AS_JSON = False,
) -> None:
    """Erase one person: videos, pictures, pages, embeddings, file names, account; backups with the next one.

    What stays is the code, hashes and numbers, so that chains and dossiers still verify; they say how many
    recordings were erased. It cannot be undone. A call that was interrupted is made again.
    """
    now = datetime.now(UTC)
    if dry_run:
        _show(erasing.preview(home, person, who=by, why=reason, at=now), as_json=as_json)
        return
    prepare_home(home)
    with instance.local_instance(home) as used:
        working = old_runs.unfinished_runs(used)
    with stage("Erasing"):
        report = erasing.erase_person(
            home,
            person,
            who=by,
            why=reason,
            clock=lambda: datetime.now(UTC),
            run_id=f"erase-{now:%Y%m%dT%H%M%S}",
            golds=golds,
            working=working,
        )
    _show(report, as_json=as_json)
    if report.waits_for:
        show_warning(
            f"{len(report.waits_for)} runs are at work (one is {report.waits_for[0][:8]}) and may "
            "still make something of these recordings. Call the same command again when they have "
            "ended; otherwise retention ends it tonight."
        )
        raise typer.Exit(1)


@app.command(epilog=examples("sopilot person export p014", "sopilot person export p014 --out p014.zip"))
def export(
    person: CODE,
    *,
    out: Annotated[
        Path | None, typer.Option(help="The zip to write. (Default: person-CODE.zip in this folder.)")
    ] = None,
    home: HOME,
) -> None:
    """Write everything about one person into a zip, to be handed over to that person.

    Tables of recordings, results, times, labels and corrections, videos, pages, and an index in English and
    Japanese. Other people are not named. The same home gives the same bytes.
    """
    target = out or Path(f"person-{safe_name(person)}.zip")
    with stage("Collecting"):
        done = exporting.export_person(home, person, target.absolute())
    for key, why in done.without_page.items():
        show_warning(f"{key}: no page: {why}")
    say(f"{done.recordings} recordings, {done.videos} videos, {done.pages} pages: {escape(str(done.path))}")


def _show(report: ErasureReport, *, as_json: bool) -> None:
    rows: list[dict[str, Cell]] = [
        {"what": f"{kind}/", "count": number, "mib": round(size / (1 << 20), 1)}
        for kind, (number, size) in report.files.items()
    ]
    rows += [{"what": "dossiers without their pictures", "count": len(report.dossiers), "mib": 0.0}]
    rows += [{"what": "accounts at the desk", "count": len(report.plan.accounts), "mib": 0.0}]
    show_rows(rows, columns=("what", "count", "mib"), title=report.plan.person, as_json=as_json)
    if as_json:
        return
    plan = report.plan
    say(
        f"{len(plan.recordings)} recordings of {escape(plan.person)}, {len(plan.golds)} of them golds now or "
        "once."
    )
    if plan.golds:
        say(
            f"The references made of these golds go; {len(plan.pages)} pages of others show them and go too. "
            "Others' scores stay, and are stale: `sopilot score run --stale`."
        )
    say(
        "What stays: the code, hashes and numbers in ledgers, chains and signed dossiers, and what people "
        "wrote in labels. Backups: the next `sopilot backup create` removes all older ones of its place."
    )
