"""The plots of a dossier, from its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from markupsafe import Markup
from sklearn.metrics import roc_curve

from sopilot_assets.dossier.chart import GOOD, INK, LIMIT, NEGATIVE, POSITIVE, SOFT, Chart, shares
from sopilot_assets.dossier.headline import HeadlineFigure, line_of
from sopilot_assets.dossier.inputs import BASELINE
from sopilot_assets.intervals import wilson
from sopilot_assets.studies.claims import FALSE_ALARM, MISS

Floats = npt.NDArray[np.float64]

_BINS: Final = 40
_RELIABILITY_BINS: Final = 5
_NAMES: Final[Mapping[str, str]] = {MISS: "Missed", FALSE_ALARM: "False alarms"}


def interval_plot(
    lines: Sequence[HeadlineFigure], detector: str, limits: Mapping[str, float | None]
) -> Markup:
    """Miss and false-alarm rate of the detector and the baseline on test and challenge, with both intervals.

    ``limits`` are the highest upper bounds that the gates allow, by figure.
    """
    chart = Chart((0.0, 1.0), (0.0, 9.4), width=980, height=330, left=250, right=150, top=14, bottom=42)
    chart.axes(x_ticks=shares(), y_ticks=[], x_name="share of the decided recordings of that class")
    place = 9.0
    for figure in (MISS, FALSE_ALARM):
        limit = limits.get(figure)
        if limit is not None:
            chart.line([(limit, place + 0.2), (limit, place - 3.9)], LIMIT, width=1.5, dashed=True)
            chart.label(limit, place, f"gate: upper bound ≤ {100 * limit:.3g} %", LIMIT, right=5)
        chart.label(0.0, place, _NAMES[figure], anchor="end", right=-12, bold=True)
        for split in ("test", "challenge"):
            for name, shown in ((detector, detector), (BASELINE, "old baseline")):
                place -= 0.93
                line = line_of(lines, figure, split, name)
                colour = (POSITIVE if figure == MISS else NEGATIVE) if name == detector else SOFT
                chart.label(0.0, place, f"{split}, {shown}", SOFT, anchor="end", right=-12)
                if line.point is None:
                    chart.label(0.0, place, "no recording", SOFT, right=8)
                    continue
                _bar(chart, (line.clustered_low, place), (line.clustered_high, place), colour, width=2.2)
                _bar(chart, (line.wilson_low, place), (line.wilson_high, place), colour, width=6)
                chart.dot(line.point, place, colour, size=5, hollow=True)
                chart.label(1.0, place, f"{line.errors} of {line.n}, {line.people} people", INK, right=10)
        place -= 0.95
    return chart.svg("Miss and false-alarm rates with their 95 % intervals")


def score_plot(scores: Floats, expected: Floats, decided: Floats, threshold: float | None) -> Markup:
    """Every labeled recording as a dot at the detector's score: critical ones above, others below."""
    known = ~np.isnan(expected) & ~np.isnan(scores)
    bins = np.minimum((scores[known] * _BINS).astype(int), _BINS - 1)
    positive, speaks = expected[known] == 1, decided[known].astype(bool)
    up = np.zeros(_BINS, dtype=int)
    down = np.zeros(_BINS, dtype=int)
    tallest = max(
        [1, *(np.bincount(bins[positive == side], minlength=_BINS).max() for side in (True, False))]
    )
    step = min(8.6, 105.0 / tallest)
    chart = Chart((0.0, 1.0), (-1.0, 1.0))
    chart.axes(
        x_ticks=[(tick / 5, f"{tick / 5:g}") for tick in range(6)], y_ticks=[], x_name="detector's score"
    )
    for place, is_positive, speaks_here in zip(bins, positive, speaks, strict=True):
        stack = up if is_positive else down
        lift = (stack[place] + 0.75) * step * (1 if is_positive else -1)
        stack[place] += 1
        colour = POSITIVE if is_positive else NEGATIVE
        chart.dot(
            (place + 0.5) / _BINS, 0.0, colour, size=min(3.7, step / 2.2), hollow=not speaks_here, lift=lift
        )
    chart.line([(0.0, 0.0), (1.0, 0.0)], INK)
    if threshold is not None:
        chart.line([(threshold, -1.0), (threshold, 1.0)], LIMIT, width=1.5, dashed=True)
        chart.label(threshold, -0.93, f"threshold {threshold:.3g}", LIMIT, right=5)
    chart.legend(
        [
            (POSITIVE, "critical, by the labels", False),
            (NEGATIVE, "not critical", False),
            (SOFT, "left open", True),
        ],
    )
    return chart.svg("Scores of the recordings by label")


def roc_plot(
    scores: Floats,
    expected: Floats,
    decided: Floats,
    points: Sequence[tuple[str, str, HeadlineFigure, HeadlineFigure]],
) -> Markup:
    """Found against falsely alarmed share over all thresholds, and where detectors work.

    ``points`` are (name, colour, line of the miss rate, line of the false-alarm rate); their bars are the
    person-clustered intervals.
    """
    chart = Chart((0.0, 1.0), (0.0, 1.0))
    chart.axes(x_ticks=shares(), y_ticks=shares(), x_name="false alarms", y_name="critical ones found")
    chart.line([(0.0, 0.0), (1.0, 1.0)], SOFT, dashed=True)
    known = ~np.isnan(expected) & ~np.isnan(scores) & decided.astype(bool)
    truth = expected[known] == 1
    if truth.any() and not truth.all():
        alarms, found, _ = roc_curve(truth, scores[known], drop_intermediate=False)
        chart.line(list(zip(alarms.tolist(), found.tolist(), strict=True)), INK, width=1.8)
    for name, colour, miss, alarm in points:
        if miss.point is None or alarm.point is None:
            continue
        x, y = alarm.point, 1 - miss.point
        _bar(chart, (alarm.clustered_low, y), (alarm.clustered_high, y), colour, width=1.4)
        low, high = (None if one is None else 1 - one for one in (miss.clustered_low, miss.clustered_high))
        _bar(chart, (x, low), (x, high), colour, width=1.4)
        chart.dot(x, y, colour, size=5, title=name)
    chart.legend([(colour, name, False) for name, colour, _, _ in points])
    return chart.svg("Receiver operating characteristic with the operating points")


def threshold_plot(scores: Floats, expected: Floats, decided: Floats, threshold: float | None) -> Markup:
    """Both error rates over all thresholds of the score, with Wilson's intervals."""
    known = ~np.isnan(expected) & ~np.isnan(scores) & decided.astype(bool)
    chart = Chart((0.0, 1.0), (0.0, 1.0))
    chart.axes(
        x_ticks=[(tick / 5, f"{tick / 5:g}") for tick in range(6)],
        y_ticks=shares(),
        x_name="threshold",
        y_name="share of that class",
    )
    grid = np.linspace(0.0, 1.0, 201)
    for label, colour in ((1, POSITIVE), (0, NEGATIVE)):
        values = scores[known & (expected == label)]
        if not len(values):
            continue
        below = np.searchsorted(np.sort(values), grid, side="left")
        errors = below if label == 1 else len(values) - below
        for bound in wilson(errors, np.full(len(grid), len(values))):
            chart.line(list(zip(grid.tolist(), bound.tolist(), strict=True)), colour, width=0.8, dashed=True)
        rate = (errors / len(values)).tolist()
        chart.line(list(zip(grid.tolist(), rate, strict=True)), colour, width=2)
    chart.legend([(POSITIVE, "missed", False), (NEGATIVE, "false alarms", False)])
    if threshold is not None:
        chart.line([(threshold, 0.0), (threshold, 1.0)], LIMIT, width=1.5, dashed=True)
    return chart.svg("Error rates by threshold")


def reliability_plot(scores: Floats, expected: Floats) -> Markup:
    """The share of critical recordings among those of similar score, with Wilson's interval, by fifths."""
    known = ~np.isnan(expected) & ~np.isnan(scores)
    order = np.argsort(scores[known], kind="stable")
    chart = Chart((0.0, 1.0), (0.0, 1.0))
    chart.axes(
        x_ticks=shares(), y_ticks=shares(), x_name="mean score of a fifth", y_name="critical ones among them"
    )
    chart.line([(0.0, 0.0), (1.0, 1.0)], SOFT, dashed=True)
    for part in np.array_split(order, _RELIABILITY_BINS):
        if not len(part):
            continue
        critical, mean = int((expected[known][part] == 1).sum()), float(scores[known][part].mean())
        low, high = wilson(critical, len(part))
        chart.line([(mean, low), (mean, high)], GOOD, width=1.8)
        chart.dot(mean, critical / len(part), GOOD, size=4.5, title=f"{critical} of {len(part)}")
    return chart.svg("Reliability of the score")


def repeats_plot(repeats: pd.DataFrame, limit: float | None) -> Markup:
    """How far the score of a repeat lies from the first one, by the first one."""
    first = repeats["base_score"].to_numpy(dtype=np.float64)
    moved = repeats["score"].to_numpy(dtype=np.float64) - first
    known = ~np.isnan(moved)
    reach = float(max(1.0, 1.15 * np.abs(moved[known]).max(initial=0.0), 1.15 * (limit or 0.0)))
    chart = Chart((0.0, 100.0), (-reach, reach))
    step = next(one for one in (0.5, 1, 2, 5, 10, 20, 50, 100) if reach / one <= 4)
    ticks = [(k * step, f"{k * step:+g}") for k in range(-4, 5) if abs(k * step) <= reach]
    chart.axes(
        x_ticks=[(tick * 20.0, str(tick * 20)) for tick in range(6)],
        y_ticks=ticks,
        x_name="score at first",
        y_name="change in points",
    )
    for side in (-1, 1) if limit else ():
        chart.line(
            [(0.0, side * (limit or 0.0)), (100.0, side * (limit or 0.0))], LIMIT, width=1.5, dashed=True
        )
    for kind, colour in (("exact", SOFT), ("shifted", NEGATIVE)):
        here = known & (repeats["kind"] == kind).to_numpy()
        for x, y in zip(first[here].tolist(), moved[here].tolist(), strict=True):
            chart.dot(x, y, colour, size=3.4, hollow=kind == "exact")
    chart.legend([(SOFT, "exact", True), (NEGATIVE, "sampling shifted", False)])
    return chart.svg("Change of the score when a recording is scored again")


def drift_plot(scores: Floats) -> Markup:
    """The distribution of the score in the earlier and in the later half of the recordings."""
    half = len(scores) // 2
    chart = Chart((0.0, 100.0), (0.0, 1.0))
    chart.axes(
        x_ticks=[(tick * 20.0, str(tick * 20)) for tick in range(6)],
        y_ticks=shares(),
        x_name="score",
        y_name="recordings up to it",
    )
    for values, colour in ((scores[:half], SOFT), (scores[half:], NEGATIVE)):
        ordered = np.sort(values[~np.isnan(values)])
        if not len(ordered):
            continue
        x = np.repeat(np.concatenate([[0.0], ordered, [100.0]]), 2)
        y = np.repeat(np.arange(len(ordered) + 1) / len(ordered), 2)
        chart.line(list(zip(x[1:-1].tolist(), y.tolist(), strict=True)), colour, width=1.8)
    chart.legend([(SOFT, "earlier half", False), (NEGATIVE, "later half", False)])
    return chart.svg("Scores of the earlier and of the later half")


def _bar(
    chart: Chart,
    start: tuple[float | None, float | None],
    end: tuple[float | None, float | None],
    colour: str,
    *,
    width: float,
) -> None:
    """A line between two points that are known."""
    known = [(x, y) for x, y in (start, end) if x is not None and y is not None]
    chart.line(known, colour, width=width)
