"""`sopilot measure`: how good scores are, on shifted grids, on damaged golds, on labeled recordings."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.markup import escape

from sopilot_assets.bench.baseline import run_baseline
from sopilot_assets.bench.folder import open_folder
from sopilot_assets.bench.promotion import promoted
from sopilot_assets.bench.report import dump as dump_csv
from sopilot_assets.bench.report import join, not_scored, report
from sopilot_assets.bench.run import run_product
from sopilot_assets.capture.damaged_copies import Damage
from sopilot_assets.capture.registry import active_recordings, find_recordings
from sopilot_assets.cli.accuracy_tables import show_accuracy
from sopilot_assets.cli.options import AS_JSON, HOME, OF_TASK, examples
from sopilot_assets.cli.output import say, show_error, show_rows, show_warning, stage
from sopilot_assets.errors import ConfigError
from sopilot_assets.stations.damaged_copies import golds_to_damage, measure_damage
from sopilot_assets.stations.score_repeats import (
    PHASES_S,
    chosen_for_repeats,
    measure_repeats,
    repeat_summary,
)
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.publish import publish_text
from sopilot_assets.upkeep.campaign.cycle import FINDING_EXIT

if TYPE_CHECKING:
    from sopilot_assets.bench.folder import LabeledFolder
    from sopilot_assets.bench.report import TaskCases
    from sopilot_assets.stations.outcome import StationOutcome
    from sopilot_assets.store.ledgers import Cell


app = typer.Typer()

UNUSABLE: Final = 2
"""The exit code for a folder that cannot be used."""


@app.command(
    epilog=examples(
        "sopilot measure repeat --task filter_change --most 30",
        "sopilot measure repeat take_07.mp4 --phase 0 --phase 0.125",
    )
)
def repeat(
    recordings: Annotated[
        list[str] | None,
        typer.Argument(help="Partition keys, video ids or file names. (Default: what has no repeats yet.)"),
    ] = None,
    *,
    task: OF_TASK = None,
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
        columns=(
            *("task", "kind", "phase_s", "videos", "mean_delta", "max_delta"),
            *("decision_changes", "changed_low", "changed_high"),
        ),
        title="Repeats of scores that are up to date",
        as_json=as_json,
    )
    if any(_failed(outcome) for outcome in outcomes):
        raise typer.Exit(1)


def _failed(outcome: StationOutcome) -> bool:
    """Whether a recording gave no row at all."""
    return outcome.problem is not None and "kind" not in outcome.metadata


@app.command(
    "damage",
    epilog=examples(
        "sopilot measure damage",
        "sopilot measure damage --task filter_change --most 5 --kinds freeze,cut_tail",
    ),
)
def damage(
    golds: Annotated[
        list[str] | None,
        typer.Argument(help="Partition keys, video ids or file names of golds. (Default: those due.)"),
    ] = None,
    *,
    task: OF_TASK = None,
    kinds: Annotated[
        str | None, typer.Option(help="Kinds of damage, with commas between. (Default: all.)")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="At most so many golds.")] = 1,
    processes: Annotated[int, typer.Option(min=1, help="How many videos to embed at a time.")] = 1,
    home: HOME,
    as_json: AS_JSON = False,
) -> None:
    """Judge damaged copies of golds, and say which damage was found; nothing is registered.

    The exit code is 3 where a damaged copy passes although somebody should have noticed.
    """
    keys = _chosen(home, golds or [], task)[:most]
    if not keys:
        say("Nothing to do: no task has a reference of two golds or more.")
        return
    now = datetime.now(UTC)
    with stage("Judging damaged golds") as bar:
        outcomes = measure_damage(
            home,
            keys,
            kinds=_kinds(kinds),
            processes=processes,
            run_id=f"control-{now:%Y%m%dT%H%M%S}",
            written_at=now.isoformat(),
            on_progress=bar,
        )
    for outcome in outcomes:
        if outcome.problem:
            show_warning(f"{outcome.key}: {outcome.problem.removeprefix(f'{outcome.key}: ')}")
    rows = [dict(outcome.metadata) for outcome in outcomes if outcome.problem is None]
    columns = ("key", "damage", "found", "decision", "score", "intact_decision", "intact_score")
    show_rows(rows, columns=columns, title="Damaged golds", as_json=as_json)
    missed = [row for row in rows if not row["found"]]
    if not as_json:
        say(_said(rows, missed))
    if any(outcome.problem for outcome in outcomes):
        raise typer.Exit(1)
    if missed:
        raise typer.Exit(FINDING_EXIT)


def _kinds(text: str | None) -> list[Damage]:
    if text is None:
        return list(Damage)
    named = [name.strip() for name in text.split(",")]
    unknown = sorted(set(named) - set(Damage))
    if unknown:
        raise ConfigError(f"--kinds: expected some of {', '.join(Damage)}, found {unknown[0]!r}.")
    return [Damage(name) for name in named]


def _said(rows: Sequence[dict[str, Cell]], missed: Sequence[dict[str, Cell]]) -> str:
    kinds = {row["damage"] for row in rows}
    found = kinds - {row["damage"] for row in missed}
    said = f"{len(found)} of {len(kinds)} kinds of damage found"
    if missed:
        passed = ", ".join(f"{row['damage']} of {row['key']}" for row in missed)
        return f"{said}; passed: {passed}"
    blunt = sum(row["intact_decision"] != "pass" for row in rows)
    if blunt:
        return f"{said}; {blunt} of {len(rows)} show nothing: the intact gold does not pass either"
    return said


def _chosen(home: Home, names: Sequence[str], task_id: str | None) -> list[PartitionKey]:
    if not names:
        return golds_to_damage(home, task_id=task_id)
    found = find_recordings(active_recordings(home, task_id), names)
    return [PartitionKey.parse(key) for key in dict.fromkeys(found)]


@app.command(
    epilog=examples(
        "sopilot measure compare --root ~/labeled",
        "sopilot measure compare --root ~/labeled --golds 2 --promote 4 --json figures.json --dump rows.csv",
    )
)
def compare(
    *,
    root: Annotated[
        Path, typer.Option("--root", help="The folder with labels.jsonl, tasks.json and the videos.")
    ],
    golds: Annotated[
        int | None, typer.Option(min=1, help="Use this many golds of each task. (Default: all.)")
    ] = None,
    promote: Annotated[
        int,
        typer.Option(
            min=0,
            help="Make this many correct trainees of each task golds too, with their labeled steps. "
            "(Default: none.)",
        ),
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Which golds are drawn, and how intervals are.")] = 0,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file.", dir_okay=False)
    ] = None,
    dump: Annotated[
        Path | None, typer.Option(help="Write a CSV row for each trainee recording.", dir_okay=False)
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option("--home", help="Keep the home here, with all review pages. (Default: a temporary one.)"),
    ] = None,
    no_baseline: Annotated[
        bool, typer.Option("--no-baseline", help="Leave out the scoring of the old system.")
    ] = False,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Child processes. (Default: one for each core.)")
    ] = None,
) -> None:
    """Score labeled recordings as in production, and compare: say how often that was right.

    Labels of trainee recordings are read after scoring. docs/accuracy.md defines every figure.
    """
    try:
        folder = open_folder(root)
    except ConfigError as error:
        show_error(str(error))
        raise typer.Exit(UNUSABLE) from error
    with _kept_or_temporary(home) as chosen:
        tasks = list(
            _runs(
                folder,
                chosen,
                golds=golds,
                promote=promote,
                seed=seed,
                baseline=not no_baseline,
                processes=processes or os.cpu_count() or 1,
            )
        )
    found = report(folder, tasks, golds=golds, promote=promote, seed=seed)
    for note in folder.notes:
        say(f"[dim]{escape(note)}[/dim]")
    for one in not_scored(folder, tasks):
        show_warning(f"not scored: {one.file} ({one.task_id}): {one.why}")
    show_accuracy(found)
    if json_file is not None:
        publish_text(json_file, json.dumps(found, ensure_ascii=False, indent=1, allow_nan=False) + "\n")
        say(f"Figures: {escape(str(json_file))}")
    if dump is not None:
        publish_text(dump, dump_csv(tasks))
        say(f"Rows: {escape(str(dump))}")
    if home is not None:
        say(f"Review pages: {escape(str(chosen.reviews / 'index.html'))}")


def _kept_or_temporary(kept: Path | None) -> AbstractContextManager[Home]:
    return nullcontext(Home.at(kept)) if kept is not None else _TemporaryHome()


class _TemporaryHome(AbstractContextManager[Home]):
    """A home that is removed at the end."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="sopilot-bench-")

    def __enter__(self) -> Home:
        return Home.at(self._folder.name)

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def _runs(
    folder: LabeledFolder,
    home: Home,
    *,
    golds: int | None,
    promote: int,
    seed: int,
    baseline: bool,
    processes: int,
) -> Iterator[TaskCases]:
    """Each task through the product and the baseline; only then joined with its labels."""
    for task in folder.tasks:
        run = run_product(
            promoted(folder, task.with_golds(golds, seed=seed), promote, seed=seed),
            home,
            processes=processes,
            now=lambda: datetime.now(UTC),
            stages=stage,
        )
        beside = run_baseline(run, processes=processes, stages=stage) if baseline else None
        yield join(folder, run, beside)
