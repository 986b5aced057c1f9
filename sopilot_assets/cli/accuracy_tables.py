"""The tables that say how often the product is right on labeled recordings."""

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
verifiable, or held back for a person with a critical suspicion, count as missed in 'strict' only.
passed: critical recordings that pass. false: recordings that are not critical with a critical
finding. In brackets 95 % intervals, by performer.""",
    """\
golds: with those promoted of them. decided: pass, retrain or fail, of all that show the task.
passed: correct recordings that pass. review: left to a person. right moment: reviews that name a
moment within 2 s of a labeled deviation, of all reviews. held back: critical recordings without a
critical finding that are left to a person with a critical suspicion.""",
    """\
Of the critical probability. risk at 60 %: errors of its likelier outcome when the most certain 60 %
are decided; area: its mean over all coverages. ECE: expected calibration error in ten bins.""",
    """\
critical: the share of these recordings that is critical; 'stated' is the mean critical probability.""",
    """\
false alarms: correct recordings in which anything is reported. passed: correct recordings, and those
that show other work. IoU, s off: overlap of found deviations with the labeled ones; seconds between
the moments of missing steps.""",
    """\
n: recordings with the type. exact: F1 with the right steps. old: the baseline.""",
)


_ALL: Final = "all tasks"
_DECIDED: Final = ("pass", "retrain", "fail")


def show_accuracy(found: Block) -> None:
    """Print the tables of a report, each with a footnote."""
    blocks = list(_blocks(found))
    tables = (
        _critical_table(blocks),
        _decided_table(blocks),
        _selective_table(blocks),
        _reliability_table(blocks),
        _other_table(blocks),
        _types_table(blocks),
    )
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
        yield _ALL, found["pooled"]


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


def _decided_table(blocks: Sequence[tuple[str, Block]]) -> Table:
    names = ("golds", "decided", "passed", "review", "right moment", "held back")
    table = _table("Decided, and left to a person", "recordings", "by", *names)
    for name, side, block in _sides(blocks):
        decided, review, critical = block["decided"], block["review"], block["critical"]
        counts = review["counts"]
        table.add_row(
            escape(name),
            side,
            _golds(block.get("golds")),
            _of_percent(sum(decided["counts"][name] for name in _DECIDED), decided["n"]),
            _counted(block["passes"], "correct"),
            _of_percent(counts["reviews"], decided["n"]),
            _of(counts["right_moment"], counts["reviews"]),
            _of(critical["counts"]["held_back"], critical["n_critical"]),
        )
    return table


def _golds(golds: Block | None) -> str:
    """How many golds, and how many of them promoted; nothing for what has no golds of its own."""
    if golds is None:
        return ""
    return f"{golds['n']} ({golds['promoted']})" if golds["promoted"] else str(golds["n"])


def _selective_table(blocks: Sequence[tuple[str, Block]]) -> Table:
    coverages = list(blocks[0][1]["selective"]["risk"]) if blocks else []
    names = [f"risk at {float(coverage):.0%}" for coverage in coverages]
    table = _table("Errors by coverage", "recordings", "by", "n", *names, "area", "ECE")
    for name, side, block in _sides(blocks):
        selective = block["selective"]
        table.add_row(
            escape(name),
            side,
            str(selective["n"]),
            *(_percent(selective["risk"][coverage]) for coverage in coverages),
            _number(selective["aurc"], 3),
            _number(selective["calibration_error"], 3),
        )
    return table


def _reliability_table(blocks: Sequence[tuple[str, Block]]) -> Table:
    """Of all recordings together: the last block is the widest."""
    table = _table("Critical probability, reliability", "stated", "by", "n", "stated", "critical")
    pooled = [block for block in blocks if "golds" in block[1] or block[0] == _ALL][-1:]
    for _, side, block in _sides(pooled):
        for row in block["selective"]["reliability"]:
            table.add_row(
                f"{row['low']:.1f}–{row['high']:.1f}",
                side,
                str(row["n"]),
                _number(row["stated"], 2),
                _number(row["measured"], 2),
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


def _of_percent(part: int, whole: int) -> str:
    return f"{part}/{whole} ({part / whole:.0%})" if whole else "–"


def _interval(limits: Sequence[float] | None) -> str:
    return "" if limits is None else f"({100 * limits[0]:.0f}–{100 * limits[1]:.0f} %)"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
