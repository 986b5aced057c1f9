"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from sopilot_assets.cli.known import EXISTING, PERSONS, SITES, STUDIES, TASKS
from sopilot_assets.store.home import DEFAULT_HOME, HOME_VARIABLE, Home
from sopilot_assets.texts.languages import Language


def _home(context: typer.Context, given: str | None) -> Home:
    """The home named here, else before the command, else by the variable, else the default; one that several
    machines share is brought up to date.
    """
    from sopilot_assets.store.shared import pull  # noqa: PLC0415 - the help needs neither

    home = Home.at(given or context.find_root().obj or DEFAULT_HOME)
    pull(Path(str(home.root)))
    return home


ROOT_HOME: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--home",
        envvar=HOME_VARIABLE,
        help=f"The home folder, for all commands. (Default: {DEFAULT_HOME}.)",
        show_default=False,
    ),
]

NEW_HOME: TypeAlias = Annotated[
    Home,
    typer.Option(
        "--home",
        parser=str,
        callback=_home,
        metavar="FOLDER",
        default_factory=str,
        show_default=False,
        help=f"The home folder. (Default: ${HOME_VARIABLE}, else {DEFAULT_HOME}.)",
    ),
]
"""For commands that make the home where it is not there yet, or say themselves that it is not."""
HOME: TypeAlias = Annotated[NEW_HOME, EXISTING]

TASK: TypeAlias = Annotated[str, typer.Argument(help="The task's id."), TASKS]
OF_TASK: TypeAlias = Annotated[str | None, typer.Option("--task", help="Only of this task."), TASKS]
OF_PERSON: TypeAlias = Annotated[str | None, typer.Option("--person", help="Only of this person."), PERSONS]
OF_SITE: TypeAlias = Annotated[str | None, typer.Option("--site", help="Only from this site."), SITES]
STUDY: TypeAlias = Annotated[
    str, typer.Argument(help="The study's id: the name of its file below studies/, without .yaml."), STUDIES
]

LANG: TypeAlias = Annotated[
    Language, typer.Option("--lang", help="The language of reasons and advice.", show_default=True)
]

AS_JSON: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
AS_CSV: TypeAlias = Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")]


def examples(*lines: str) -> str:
    """The epilog of a command: its examples, one a line."""
    return "\n\n".join(["[bold]Examples[/bold]", *(f"  $ {line}" for line in lines)])
