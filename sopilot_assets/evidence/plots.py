"""Small plots for the pages of the assets: scores with a threshold, intervals, gates, paired decisions."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sopilot_assets.intervals import ClusteredInterval
from sopilot_assets.studies.gates import CheckResult, GateReport
from sopilot_assets.studies.metrics import Figures
from sopilot_assets.studies.policies import Policy

_POSITIVE: Final = "#b5402f"
_NEGATIVE: Final = "#2f6f8f"
_GREY: Final = "#77808a"
_GOOD: Final = "#3d7f4f"
_SEED: Final = 7
_JITTER: Final = 0.28


def score_plot(cases: pd.DataFrame, policy: Policy) -> bytes:
    """The policy's score of each labelled case by label, and its threshold, as PNG."""
    outcome = policy.outcome(cases)
    expected = cases["expected"].to_numpy()
    figure, axes = _figure(2.6)
    chance = np.random.default_rng(_SEED)
    for place, (truth, name, colour) in enumerate(
        ((0.0, "no critical deviation", _NEGATIVE), (1.0, "critical deviation", _POSITIVE))
    ):
        scores = outcome.score[(expected == truth) & outcome.decided]
        y = place + chance.uniform(-_JITTER, _JITTER, len(scores))
        axes.scatter(scores, y, s=14, alpha=0.6, color=colour, linewidths=0)
        axes.text(-0.02, place, f"{name}\n{len(scores)} cases", ha="right", va="center", fontsize=8)
    if policy.threshold is not None:
        axes.axvline(policy.threshold, color="black", linewidth=1)
        axes.text(policy.threshold, 1.55, f" threshold {policy.threshold:.3g}", fontsize=8, va="bottom")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.5, 1.5), yticks=[], xlabel=f"score of {policy.detector}")
    return _png(figure)


def interval_plot(evaluations: Mapping[str, Mapping[str, Figures]], detector: str) -> bytes:
    """Miss and false-positive rate of one detector on each split with clustered 95 % intervals, as PNG."""
    figure, axes = _figure(2.6)
    rows = [
        (f"{split}: {label}", interval, colour)
        for split, found in evaluations.items()
        for label, interval, colour in (
            ("missed", found[detector].clustered_miss_rate, _POSITIVE),
            ("false alarms", found[detector].clustered_false_positive_rate, _NEGATIVE),
        )
    ]
    for place, (label, interval, colour) in enumerate(reversed(rows)):
        axes.text(-0.02, place, label, ha="right", va="center", fontsize=8)
        if interval.point is not None and interval.low is not None and interval.high is not None:
            axes.plot([interval.low, interval.high], [place, place], color=colour, linewidth=2)
            axes.plot([interval.point], [place], "o", color=colour, markersize=5)
            axes.text(1.02, place, _counted(interval), fontsize=7, va="center")
    axes.set(xlim=(0, 1), ylim=(-0.6, len(rows) - 0.4), yticks=[])
    axes.set_xlabel(f"rate of {detector}, with the 95 % interval by groups")
    return _png(figure)


def gate_plot(report: GateReport) -> bytes:
    """Every enabled check: its value against its threshold, as PNG."""
    checks = [check for check in report.checks if check.enabled]
    figure, axes = _figure(0.9 + 0.24 * max(len(checks), 1))
    for place, check in enumerate(reversed(checks)):
        colour = _GOOD if check.passed else _POSITIVE
        axes.text(-0.02, place, check.name.replace("_", " "), ha="right", va="center", fontsize=7.5)
        axes.barh(place, _share_of_threshold(check), height=0.6, color=colour)
        axes.text(2.04, place, _said(check), va="center", fontsize=7.5, color=colour)
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set(xlim=(0, 2), ylim=(-0.6, len(checks) - 0.4), yticks=[], xticks=[0, 1, 2])
    axes.set_xlabel(f"{report.profile}: value as a share of the threshold")
    return _png(figure)


def paired_plot(report: Mapping[str, Any]) -> bytes:
    """What the candidate mends and breaks against the baseline, by class, as PNG."""
    figure, axes = _figure(1.9)
    for place, name in enumerate(("negatives", "positives")):
        test = report["tests"][name]
        axes.barh(place, test["fixed"], color=_GOOD, height=0.5)
        axes.barh(place, -test["broken"], color=_POSITIVE, height=0.5)
        axes.text(
            axes.get_xlim()[0], place + 0.33, f"{name}: {test['compared']} compared", fontsize=8, va="bottom"
        )
    axes.axvline(0, color="black", linewidth=1)
    axes.set(yticks=[], ylim=(-0.5, 1.8), xlabel="broken by the policy  |  mended by the policy")
    return _png(figure)


def _share_of_threshold(check: CheckResult) -> float:
    if check.value is None or check.threshold is None:
        return 0.0
    if check.threshold == 0:
        return 1.0 if check.value == 0 else 2.0
    return float(np.clip(check.value / check.threshold, 0.0, 2.0))


def _said(check: CheckResult) -> str:
    sign = "≤" if check.direction == "max" else "≥"
    value = "missing" if check.value is None else f"{check.value:.3g}"
    return f"{value}{'' if check.passed else ', not'} {sign} {check.threshold:.3g}"


def _counted(interval: ClusteredInterval) -> str:
    return f"n = {interval.n}, {interval.clusters} groups"


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.2, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8, colors=_GREY)
    axes.xaxis.label.set_fontsize(8)
    return figure, axes


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
