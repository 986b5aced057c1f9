"""`sopilot repeat`: measure how much scores depend on where the sampling grid lies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from sopilot_assets.cli.options import AS_JSON, HOME, examples
from sopilot_assets.cli.output import say, show_rows, show_warning, stage

if TYPE_CHECKING:
    from sopilot_assets.stations.outcome import StationOutcome


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "sopilot repeat --task filter_change --most 30",
            "sopilot repeat take_07.mp4 --phase 0 --phase 0.125",
        )
    )(repeat)


def repeat(
    recordings: Annotated[
        list[str] | None,
        typer.Argument(help="Partition keys, video ids or file names. (Default: what has no repeats yet.)"),
    ] = None,
    *,
    task: Annotated[str | None, typer.Option(help="Only recordings of this task.")] = None,
    phase: Annotated[
        list[float] | None,
        typer.Option(
            help="Seconds by which sampling begins later, 0 for an exact repeat; may be given several times. "
            "(Default: 0, 0.0625 and 0.25.)"
        ),
    ] = None,
    most: Annotated[int | None, typer.Option(min=1, help="At most so many recordings.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="How many videos to embed at a time.")] = 1,
    home: HOME,
    as_json: AS_JSON = False,
) -> None:
    """Embed and score recordings again with a shifted sampling grid, and compare with their scores.

    Scores stay as they are. What is found is kept and used by studies; a repeat is measured only once.
    """
    from sopilot_assets.stations.score_repeats import (  # noqa: PLC0415
        PHASES_S,
        chosen_for_repeats,
        measure_repeats,
        repeat_summary,
    )

    phases_s = tuple(phase) if phase else PHASES_S
    keys = chosen_for_repeats(home, recordings or [], task_id=task, phases_s=phases_s)[:most]
    if not keys:
        say("Nothing to do: every score that is up to date has its repeats.")
        return
    now = datetime.now(UTC)
    with stage("Repeating") as bar:
        outcomes = measure_repeats(
            home,
            keys,
            phases_s=phases_s,
            processes=processes,
            run_id=f"repeat-{now:%Y%m%dT%H%M%S}",
            written_at=now.isoformat(),
            on_progress=bar,
        )
    for outcome in outcomes:
        if outcome.problem:
            show_warning(f"{outcome.key}: {outcome.problem.removeprefix(f'{outcome.key}: ')}")
    tasks = sorted({key.task_id for key in keys})
    show_rows(
        repeat_summary(home, tasks),
        columns=("task", "kind", "pairs", "videos", "mean_delta", "max_delta", "decision_changes"),
        title="Repeats of scores that are up to date",
        as_json=as_json,
    )
    if any(_failed(outcome) for outcome in outcomes):
        raise typer.Exit(1)


def _failed(outcome: StationOutcome) -> bool:
    """Whether a recording gave no row at all."""
    return outcome.problem is not None and "kind" not in outcome.metadata
