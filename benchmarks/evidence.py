"""How fast the evaluation is, beside a plain-Python implementation of the old system's formulas.

    python -m benchmarks.evidence
    python -m benchmarks.evidence --jobs 1000 --cases 1000000 --repeats 5

Both run in one process on the same random jobs, in turns; a time is the median of the turns. The fit tries
the 294 points of the second guarded detector. Plain Python is measured twice: computing at each point no more
than the error rates, and computing all metrics, which is what the old program did. Both must find the same
point, or the benchmark stops. The metrics are those of one detector; the clustered intervals are by person.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from benchmarks import _old_formulas as old
from benchmarks._old_jobs import case_rows, random_jobs
from sopilot_assets.studies.cases import case_frame
from sopilot_assets.studies.grid import GridPoint, fit_grid
from sopilot_assets.studies.metrics import figures, old_outcome

MAX_MISS, MAX_FPR = 0.05, 0.15
"""The limits of the profile research_v2."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=1000, help="jobs of the fit")
    parser.add_argument("--cases", type=int, default=1_000_000, help="cases of the metrics")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each")
    options = parser.parse_args(arguments)
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, one thread")
    with threadpool_limits(1):
        _measure_fit(options.jobs, options.repeats)
        _measure_figures(options.cases, options.repeats)


def _measure_fit(n: int, repeats: int) -> None:
    jobs = random_jobs(n, seed=1)
    cases = case_frame(case_rows(jobs))

    def ours() -> GridPoint:
        return fit_grid(cases, max_miss=MAX_MISS, max_fpr=MAX_FPR)[0]

    def rates_only() -> dict[str, float]:
        return old.fit(jobs, max_miss=MAX_MISS, max_fpr=MAX_FPR)

    def all_metrics() -> None:
        for _ in range(294):
            old.metrics(jobs, "guarded_binary_v2")

    found, plain = ours(), rates_only()
    if (found.min_dtw, found.max_distance, found.max_span) != (
        plain["min_dtw"],
        plain["distance"],
        plain["span"],
    ):
        raise SystemExit(f"the two fits differ: {found} and {plain}")
    fast, lean = _medians([ours, rates_only], repeats)
    full = _medians([all_metrics], 1)[0]
    table = Table("294-point fit", "seconds", "times ours", title=f"{n} jobs, {len(cases)} cases")
    for name, seconds in (
        ("sopilot_assets", fast),
        ("plain Python, error rates only", lean),
        ("plain Python, all metrics at each point", full),
    ):
        table.add_row(name, f"{seconds:.4f}", f"{seconds / fast:.0f}")
    Console().print(table)


def _measure_figures(n: int, repeats: int) -> None:
    cases = many_cases(n)
    outcome = old_outcome(cases, "guarded_binary_v2")
    clusters = cases["person"].to_numpy(dtype=object)
    plain, clustered = _medians(
        [lambda: figures(cases, outcome), lambda: figures(cases, outcome, clusters=clusters)], repeats
    )
    detection = _medians([lambda: old_outcome(cases, "guarded_binary_v2")], repeats)[0]
    small = random_jobs(10_000, seed=1)
    by_hand = _medians([lambda: old.metrics(small, "guarded_binary_v2")], 1)[0] * n / len(small)
    table = Table("metrics", "seconds", title=f"{n} cases")
    table.add_row("detection", f"{detection:.2f}")
    table.add_row("figures of the old system", f"{plain:.2f}")
    table.add_row("the same, clustered intervals and drift too", f"{clustered:.2f}")
    table.add_row("plain Python, old figures (from 10,000 jobs)", f"{by_hand:.1f}")
    Console().print(table)


def many_cases(n: int) -> pd.DataFrame:
    """n cases drawn with repetition from 10,000 random ones, of n / 20 people with n / 5 recordings."""
    base = case_frame(case_rows(random_jobs(10_000, seed=2)))
    rng = np.random.default_rng(3)
    cases = base.iloc[rng.integers(0, len(base), n)].reset_index(drop=True)
    people, videos = rng.integers(0, max(1, n // 20), n), rng.integers(0, max(1, n // 5), n)
    cases["order"] = np.arange(n)
    cases["case_id"] = np.char.add("job-", np.arange(n).astype(str))
    cases["person"] = np.char.add("person-", people.astype(str))
    cases["video_id"] = np.char.add("video-", videos.astype(str))
    return cases


def _medians(contenders: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Seconds of each, measured in turns."""
    seconds: list[list[float]] = [[] for _ in contenders]
    for _ in range(repeats):
        for taken, contender in zip(seconds, contenders, strict=True):
            start = time.perf_counter()
            contender()
            taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in seconds]


if __name__ == "__main__":
    main()
