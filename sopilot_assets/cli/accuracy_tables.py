"""The tables that say how often the product is right on labelled recordings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from sopilot_assets.cli.output import say, stdout

Block: TypeAlias = Mapping[str, Any]
"""One block of the report, see docs/accuracy.md."""


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


def show_accuracy(found: Block) -> None:
    """Print the tables of a report, each with a footnote."""
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
