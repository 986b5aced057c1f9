"""`sopilot bench`: how often the product is right, on recordings that somebody labelled."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from sopilot_assets.cli.options import examples
from sopilot_assets.cli.output import say, show_error, show_warning, stage, stdout
from sopilot_assets.errors import ConfigError
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import publish_text

if TYPE_CHECKING:
    from sopilot_assets.bench.folder import LabelledFolder
    from sopilot_assets.bench.report import TaskCases

app = typer.Typer(no_args_is_help=True, help="Measure the product.")

UNUSABLE: Final = 2
"""The exit code for a folder that cannot be used."""

Block: TypeAlias = Mapping[str, Any]
"""One block of the report, see docs/accuracy.md."""


@app.callback()
def bench() -> None:
    """Measure the product."""


@app.command(
    epilog=examples(
        "sopilot bench accuracy --root ~/labelled",
        "sopilot bench accuracy --root ~/labelled --golds 2 --seed 3 --json figures.json --dump rows.csv",
    )
)
def accuracy(
    *,
    root: Annotated[
        Path, typer.Option("--root", help="The folder with labels.jsonl, tasks.json and the videos.")
    ],
    golds: Annotated[
        int | None, typer.Option(min=1, help="Use this many golds of each task. (Default: all.)")
    ] = None,
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
    """Score labelled recordings as in production and say how often that was right.

    Labels of trainee recordings are read after scoring. docs/accuracy.md defines every figure.
    """
    from sopilot_assets.bench.folder import open_folder  # noqa: PLC0415
    from sopilot_assets.bench.report import dump as dump_csv  # noqa: PLC0415
    from sopilot_assets.bench.report import not_scored, report  # noqa: PLC0415

    try:
        folder = open_folder(root)
    except ConfigError as error:
        show_error(str(error))
        raise typer.Exit(UNUSABLE) from error
    with _home(home) as chosen:
        tasks = list(
            _runs(
                folder,
                chosen,
                golds=golds,
                seed=seed,
                baseline=not no_baseline,
                processes=processes or os.cpu_count() or 1,
            )
        )
    found = report(folder, tasks, golds=golds, seed=seed)
    for note in folder.notes:
        say(f"[dim]{escape(note)}[/dim]")
    for one in not_scored(folder, tasks):
        show_warning(f"not scored: {one.file} ({one.task_id}): {one.why}")
    _show(found)
    if json_file is not None:
        publish_text(json_file, json.dumps(found, ensure_ascii=False, indent=1, allow_nan=False) + "\n")
        say(f"Figures: {escape(str(json_file))}")
    if dump is not None:
        publish_text(dump, dump_csv(tasks))
        say(f"Rows: {escape(str(dump))}")
    if home is not None:
        say(f"Review pages: {escape(str(chosen.reviews / 'index.html'))}")


def _home(kept: Path | None) -> AbstractContextManager[Home]:
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
    folder: LabelledFolder, home: Home, *, golds: int | None, seed: int, baseline: bool, processes: int
) -> Iterator[TaskCases]:
    """Each task through the product and the baseline; only then joined with its labels."""
    from sopilot_assets.bench.baseline import run_baseline  # noqa: PLC0415
    from sopilot_assets.bench.report import join  # noqa: PLC0415
    from sopilot_assets.bench.run import run_product  # noqa: PLC0415

    for task in folder.tasks:
        run = run_product(
            task.with_golds(golds, seed=seed),
            home,
            processes=processes,
            now=lambda: datetime.now(UTC),
            stages=stage,
        )
        beside = run_baseline(run, processes=processes, stages=stage) if baseline else None
        yield join(folder, run, beside)


_FOOTNOTES: Final = (
    """\
missed: critical recordings without a critical finding, of all critical ones; those that are not
verifiable count as missed in 'strict' only. passed: critical recordings that pass. false: recordings
that are not critical with a critical finding. In brackets 95 % intervals, by performer.""",
    """\
false alarms: correct recordings in which anything is reported. passed: correct recordings, and those
that show other work. IoU, s off: overlap of found deviations with the labelled ones; seconds between
the moments of missing steps.""",
    """\
n: recordings with the type. exact: F1 with the right steps. old: the baseline.""",
)


def _show(found: Block) -> None:
    blocks = list(_blocks(found))
    tables = (_critical_table(blocks), _other_table(blocks), _types_table(blocks))
    for table, footnote in zip(tables, _FOOTNOTES, strict=True):
        stdout().print(table)
        say(f"[dim]{footnote}[/dim]\n")


def _blocks(found: Block) -> Iterator[tuple[str, Block]]:
    """Each task, its sites where there are several, and all tasks, where there are several."""
    for title, block in found["tasks"].items():
        yield title, block
        if len(block["sites"]) > 1:
            yield from ((f"  at {site}", here) for site, here in block["sites"].items())
    if len(found["tasks"]) > 1:
        yield "all tasks", found["pooled"]


def _sides(blocks: Sequence[tuple[str, Block]]) -> Iterator[tuple[str, str, Block]]:
    for name, block in blocks:
        yield name, "product", block
        if block["baseline"] is not None:
            yield "", "baseline", block["baseline"]


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=title, title_justify="left", header_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for number, name in enumerate(columns):
        table.add_column(name, justify="left" if number < 2 else "right", overflow="fold")
    return table


def _critical_table(blocks: Sequence[tuple[str, Block]]) -> Table:
    names = ("missed", "", "strict", "passed", "false", "", "AUC score", "AUC critical")
    table = _table("Critical deviations", "recordings", "by", "n", *names)
    for name, side, block in _sides(blocks):
        critical, auc = block["critical"], block["auc"]
        table.add_row(
            escape(name),
            side,
            str(block["n"]),
            _of(critical["counts"]["miss"], critical["n_critical"]),
            _interval(critical["ci95"]["miss"]),
            _of(critical["counts"]["miss_strict"], critical["n_critical"]),
            _of(critical["counts"]["passed"], critical["n_critical"]),
            _of(critical["counts"]["fpr"], critical["n_not_critical"]),
            _interval(critical["ci95"]["fpr"]),
            _number(auc["score"], 3),
            _number(auc["critical"], 3),
        )
    return table


def _other_table(blocks: Sequence[tuple[str, Block]]) -> Table:
    alarms = ("false alarms", "gold site", "other site")
    rest = ("passed correct", "other", "abstained", "IoU", "s off", "s/video")
    table = _table("Everything else", "recordings", "by", *alarms, *rest)
    for name, side, block in _sides(blocks):
        table.add_row(
            escape(name),
            side,
            *(_counted(block["false_alarms"], group) for group in ("all", "same_site", "other_site")),
            *(_counted(block["passes"], group) for group in ("correct", "other_task")),
            _percent(block["abstained"]),
            _number(block["iou"], 2),
            _number(block["moment_error_s"], 1),
            _number(block["seconds_per_video"], 2),
        )
    return table


def _types_table(blocks: Sequence[tuple[str, Block]]) -> Table:
    figures = ("precision", "recall", "f1", "f1_exact")
    shown = ("n", "precision", "recall", "F1", "exact")
    compared = any(block["baseline"] for _, block in blocks)
    old = [f"old {name}" for name in shown[1:]] if compared else []
    table = _table("Types of deviations", "recordings", "type", *shown, *old)
    for name, block in blocks:
        told = name
        for kind, row in block["types"].items():
            beside = block["baseline"]["types"][kind] if block["baseline"] else {}
            if not (row["n"] or row["false"] or beside.get("false")):
                continue
            table.add_row(
                escape(told),
                kind,
                str(row["n"]),
                *(_number(row[figure], 2) for figure in figures),
                *(_number(beside.get(figure), 2) for figure in figures[: len(old)]),
            )
            told = ""
    return table


def _counted(block: Block, group: str) -> str:
    return _of(block["counts"][group], block["n"][group])


def _of(part: int, whole: int) -> str:
    return f"{part}/{whole}" if whole else "–"


def _interval(limits: Sequence[float] | None) -> str:
    return "" if limits is None else f"({100 * limits[0]:.0f}–{100 * limits[1]:.0f} %)"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
