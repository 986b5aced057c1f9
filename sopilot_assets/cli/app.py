"""The root of the command line: global options, the commands, and what happens to errors."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import sopilot_assets
from sopilot_assets.cli import (
    alerts,
    backup,
    bench,
    campaign,
    capture,
    care,
    commons,
    control,
    daily,
    demo,
    dossier,
    labels,
    legacy,
    models,
    repeat,
    score,
    serve,
    setting_up,
    show,
    simulation,
    study,
    task,
    worker,
)
from sopilot_assets.cli.options import ROOT_HOME
from sopilot_assets.cli.output import show_error
from sopilot_assets.errors import SopilotError


class _Commands(TyperGroup):
    """The commands; an error of ours ends them with its message and exit code 1, without a traceback."""

    def invoke(self, ctx: Any) -> Any:  # typer does not export the type of its contexts
        """What the command returns."""
        try:
            return super().invoke(ctx)
        except SopilotError as error:
            show_error(str(error))
            raise typer.Exit(1) from error
        except KeyboardInterrupt:
            show_error("Interrupted. What was finished is kept; run the same command again to go on.")
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=_Commands,
    name="sopilot",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Scores recorded work against a standard operating procedure.",
    epilog="Begin with `sopilot demo`; it makes recordings, scores them and says where to look.",
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


setting_up.add_to(app)
worker.add_to(app)
demo.add_to(app)
simulation.add_to(app)
app.add_typer(capture.app, name="capture")
app.add_typer(commons.app, name="commons")
app.add_typer(task.app, name="task")
app.add_typer(models.app, name="models")
score.add_to(app)
repeat.add_to(app)
control.add_to(app)
daily.add_to(app)
care.add_to(app)
app.add_typer(labels.app, name="labels")
app.add_typer(study.app, name="study")
app.add_typer(campaign.app, name="campaign")
app.add_typer(dossier.keys, name="keys")
app.add_typer(dossier.app, name="dossier")
legacy.add_to(app)
app.add_typer(legacy.app, name="legacy")
serve.add_to(app)
app.add_typer(alerts.app, name="alerts")
app.add_typer(show.app, name="show")
app.add_typer(backup.app, name="backup")
app.add_typer(bench.app, name="bench")
