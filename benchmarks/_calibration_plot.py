"""The picture of what the calibration says beforehand against what happened."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks._calibration_figures import (
    CONFIDENCE_EDGES,
    FALSE_EDGES,
    POWER_EDGES,
    PROBABILITY_EDGES,
    Bin,
    bins,
    confidence_trials,
    critical_trials,
    false_events,
    mean_stated,
    power_events,
    share,
)
from benchmarks._calibration_sets import (
    MEASURED,
    SetResult,
)
from sopilot_assets.bench.selective import Trial
from sopilot_assets.store.publish import publish_path


def plot(results: Sequence[SetResult], path: Path) -> None:
    """Stated against measured, four times: power, false events, something critical, confidence."""
    scored = [one for result in results for one in result.scored]
    figure = Figure(figsize=(9.0, 9.0), layout="constrained")
    panels = figure.subplots(2, 2).ravel()
    for axes, title, events, edges in (
        (panels[0], "Power", power_events(results), POWER_EDGES),
        (panels[1], "False events", false_events(results), FALSE_EDGES),
    ):
        _curve(axes, events, edges, label="all", marker="o")
        for kind, marker in zip(MEASURED, "^sDv", strict=True):
            some = [event for event in events if event.kind is kind]
            _points(
                axes, [Bin(mean_stated(some), share(e.hit for e in some))], label=kind.value, marker=marker
            )
        _finish(axes, title)
    widest = 1.2 * max(panels[1].dataLim.x1, panels[1].dataLim.y1)
    panels[1].set(xlim=(0, widest), ylim=(0, widest))
    panels[1].locator_params(nbins=5)
    _curve(panels[2], critical_trials(scored), PROBABILITY_EDGES, label="all", marker="o")
    _finish(panels[2], "Something critical")
    _curve(panels[3], confidence_trials(scored), CONFIDENCE_EDGES, label="type and steps right", marker="o")
    by_type = confidence_trials(scored, steps=False)
    _curve(panels[3], by_type, CONFIDENCE_EDGES, label="type right", marker="^")
    _finish(panels[3], "Confidence of deviations")
    publish_path(path, lambda temporary: figure.savefig(temporary, format="png", dpi=110))


def _curve(axes: Axes, trials: Sequence[Trial], edges: Sequence[float], *, label: str, marker: str) -> None:
    _points(axes, bins(trials, edges), label=label, marker=marker, line="-")


def _points(axes: Axes, found: Sequence[Bin], *, label: str, marker: str, line: str = "") -> None:
    known = [one for one in found if one.measured.cases]
    values = [one.measured.value for one in known]
    below = [one.measured.value - one.measured.interval[0] for one in known]
    above = [one.measured.interval[1] - one.measured.value for one in known]
    axes.errorbar(
        [one.stated for one in known],
        values,
        yerr=[below, above],
        marker=marker,
        linestyle=line,
        capsize=3,
        label=label,
    )


def _finish(axes: Axes, title: str) -> None:
    axes.axline((0, 0), slope=1, color="grey", linestyle=":", linewidth=1)
    axes.set(title=title, xlabel="stated", ylabel="measured (95 %)", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.legend(fontsize="small")
