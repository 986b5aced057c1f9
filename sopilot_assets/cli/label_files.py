"""What `sopilot label` reads and writes beside its own sheets: the files of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sopilot_assets.cli.options import HOME, TASK
from sopilot_assets.cli.output import say, show_warning
from sopilot_assets.exchange.formats import FileFormat, format_for
from sopilot_assets.exchange.labels import is_label_sheet
from sopilot_assets.labels.chain import read_chain
from sopilot_assets.labels.sheet_files import SUFFIXES, read_sheet
from sopilot_assets.stations.exchanged_labels import export_labels, read_labels
from sopilot_assets.store.publish import publish_bytes
from sopilot_assets.tasks import load_task

if TYPE_CHECKING:
    from sopilot_assets.documents.sheets import Sheet
    from sopilot_assets.store.home import Home

WHO = Annotated[str, typer.Option("--who", help="The id of the person who labels, without spaces.")]
SHEET_OR_FILE = Annotated[
    Path,
    typer.Argument(
        help="A sheet that ends in .csv or .json; or a file of ELAN, VIA, Label Studio, BORIS or CVAT.",
        dir_okay=False,
    ),
]
FORMAT = Annotated[
    FileFormat | None,
    typer.Option("--format", help="Its format. (Default: what it begins with, or is called, says.)"),
]


def export(
    task: TASK,
    file: Annotated[
        Path, typer.Argument(help="The file to write; its ending says the format.", dir_okay=False)
    ],
    *,
    who: WHO,
    form: FORMAT = None,
    home: HOME,
) -> None:
    """Write the newest labels of one person for another tool, without their notes.

    Formats with one recording a file are written as a ZIP where there are several.
    """
    chosen = format_for(file, form)
    spec = load_task(home.tasks / f"{task}.yaml")
    suffix, data = export_labels(home, spec, read_chain(home, task), chosen, who=who)
    target = file if suffix == file.suffix.lower() else file.with_name(f"{file.stem}{suffix}")
    publish_bytes(target, data)
    say(f"{target}: labels by {who} in the format {chosen.value}")


def sheet_or_file(home: Home, task: str, path: Path, form: FileFormat | None) -> Sheet:
    """The sheet at a path, or what a file of another tool says as one."""
    own = path.suffix.lower() in SUFFIXES and form is None
    if not path.exists() or (own and is_label_sheet(path.read_bytes())):
        return read_sheet(path)
    spec = load_task(home.tasks / f"{task}.yaml")
    found = read_labels(home, spec, path.read_bytes(), source=path.name, form=form)
    for remark in found.remarks:
        show_warning(f"{remark.en}.")
    return found.sheet
