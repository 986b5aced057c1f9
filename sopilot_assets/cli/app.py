"""The root of the command line: `sopilot NOUN VERB`, and the options before them."""

from __future__ import annotations

from typing import Annotated

import typer

import sopilot_assets
from sopilot_assets.cli.groups import Commands
from sopilot_assets.cli.options import ROOT_HOME

app = typer.Typer(
    cls=Commands,
    name="sopilot",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Scores recorded work against a standard operating procedure: `sopilot NOUN VERB`.",
    epilog="Begin with `sopilot demo run`; it makes recordings, scores them and says where to look.",
)


@app.callback(invoke_without_command=True)
def sopilot(
    context: typer.Context,
    home: ROOT_HOME = None,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Scores recorded work against a standard operating procedure."""
    context.obj = home
    if version:
        typer.echo(sopilot_assets.__version__)
        raise typer.Exit
