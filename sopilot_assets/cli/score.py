"""`sopilot score`: score recordings now, in this process, through Dagster."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from sopilot_assets.cli.options import AS_JSON, HOME, examples
from sopilot_assets.cli.output import say, show_error, show_rows, show_warning, stage
from sopilot_assets.errors import ConfigError

if TYPE_CHECKING:
    from sopilot_assets.local_run import LocalRun
    from sopilot_assets.stations.rescoring_plan import ScoringWork
    from sopilot_assets.store.home import Home
    from sopilot_assets.store.ledgers import Cell


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "sopilot score",
            "sopilot score --stale --dry-run",
            "sopilot score take_07.mp4 filter_change-t-1f3a9c2b7d04",
            "sopilot score --all --task filter_change",
        )
    )(score)


def score(
    recordings: Annotated[
        list[str] | None,
        typer.Argument(help="Partition keys, video ids or file names. (Default: what has no score yet.)"),
    ] = None,
    *,
    task: Annotated[str | None, typer.Option(help="Only recordings of this task.")] = None,
    stale: Annotated[
        bool, typer.Option("--stale", help="All whose score is missing or out of date.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="All, up to date or not.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    home: HOME,
    as_json: AS_JSON = False,
) -> None:
    """Score recordings now: what is registered and has no score, unless told otherwise.

    It goes through Dagster in this process, in one run; the web page shows the results.
    """
    from sopilot_assets.stations.rescoring_plan import plan_scoring  # noqa: PLC0415
    from sopilot_assets.stations.review_index import write_review_index  # noqa: PLC0415

    if sum((bool(recordings), stale, everything)) > 1:
        raise ConfigError("RECORDINGS, --stale and --all: choose one of them.")
    work = plan_scoring(home, names=recordings or (), task_id=task, stale=stale, everything=everything)
    planned, columns = _plan_rows(work), ("job", "recordings", "because")
    if dry_run or not as_json:
        show_rows(
            planned,
            columns=columns,
            empty="Nothing to do: all scores are up to date.",
            as_json=as_json,
        )
    if dry_run:
        return
    ended = run_work(home, work, quiet=as_json) if work else []
    # also when there was nothing to do: a run that was killed last may not have come to it
    index = write_review_index(home)
    if as_json:
        show_rows([{**row, "run_id": ended[0].run_id} for row in planned], columns=columns, as_json=True)
    else:
        say(f"Review pages: {index}")


def run_work(home: Home, work: list[ScoringWork], *, quiet: bool = False) -> list[LocalRun]:
    """The run that did the work; how it ended is said, among the results unless ``quiet``. Exit code 1 when
    it failed.
    """
    with stage("Starting Dagster"):
        from sopilot_assets.local_run import run_scoring  # noqa: PLC0415
    with stage("Scoring") as bar:
        runs = run_scoring(home, work, on_progress=lambda what, done, total: bar(done, total, what))
    for run in runs:
        if not quiet:
            say(f"Run {run.run_id[:8]}: {run.keys.size} recordings, {'done' if run.succeeded else 'failed'}")
        for warning in run.warnings:
            show_warning(warning)
        if not run.succeeded:
            show_error(f"{run.error} Look at the run in the web page (`make dev`), or `sopilot doctor`.")
    if not all(run.succeeded for run in runs):
        raise typer.Exit(1)
    return runs


def _plan_rows(work: list[ScoringWork]) -> list[dict[str, Cell]]:
    return [
        {"job": one.start.value, "recordings": len(one.keys), "because": _because(Counter(one.why.values()))}
        for one in work
    ]


def _because(reasons: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
