"""How fast the evaluation is, beside a plain-Python implementation of the old system's formulas.

    python -m benchmarks.evidence
    python -m benchmarks.evidence --jobs 1000 --cases 1000000 --repeats 5

The plain one is the oracle of the tests, which prints what the old scripts print.
Both run in one process on the same random jobs, in turns; a time is the median of the turns. The fit tries
the 294 points of the second guarded detector. Plain Python is measured twice: computing at each point no more
than the error rates, and computing all metrics, which is what the old program did. Both must find the same
point, or the benchmark stops. The metrics are those of one detector; the clustered intervals are by person.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from sopilot_assets.legacy.database import as_old, installed_cases, read_installation
from sopilot_assets.legacy.labels import read_labels
from sopilot_assets.old_rules.detectors import old_outcome
from sopilot_assets.old_rules.figures import label_figures, score_figures
from sopilot_assets.old_rules.grid import GridPoint, fit_grid
from sopilot_assets.studies.metrics import figures
from sopilot_assets_tests.legacy import old_studies, old_system
from sopilot_assets_tests.legacy.installations import Recipe, make_installation

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


@dataclass(frozen=True)
class Jobs:
    """Random jobs of the old system: as its scripts read them, and as a case table."""

    old: list[dict[str, Any]]
    labels: dict[int, bool]
    scope: dict[str, int]
    cases: pd.DataFrame


def random_jobs(n: int, seed: int) -> Jobs:
    """n completed jobs with labels, written to a database and read back both ways."""
    with tempfile.TemporaryDirectory() as folder:
        recipe = Recipe(seed=seed, jobs=n, golds=5, trainees=max(12, n // 25), labeled=1.0, odd=False)
        made = make_installation(Path(folder), recipe)
        labels, scope = old_system.label_file(made.labels)
        installation, label_file = read_installation(made.db), read_labels(made.labels)
        cases = as_old(installed_cases(installation, label_file))
        return Jobs(old_system.completed_jobs(made.db, None), labels, scope, cases)


def _measure_fit(n: int, repeats: int) -> None:
    jobs = random_jobs(n, seed=1)
    everything = {job["id"] for job in jobs.old}

    def ours() -> GridPoint:
        return fit_grid(jobs.cases, max_miss=MAX_MISS, max_fpr=MAX_FPR)[0]

    def plain() -> dict[str, float]:
        policy, _ = old_studies.fit(jobs.old, jobs.labels, None, everything, ci=False)
        rails: dict[str, float] = policy["guardrails"]["guarded_binary_v2"]
        return rails

    def all_metrics() -> None:
        for _ in range(294):
            old_system.evaluation(jobs.old, jobs.labels, jobs.scope, "guarded_binary_v2", 0.5, None)

    found, expected = ours(), plain()
    if [found.min_dtw, found.max_distance, found.max_span] != list(expected.values()):
        raise SystemExit(f"the two fits differ: {found} and {expected}")
    fast, lean = _medians([ours, plain], repeats)
    full = _medians([all_metrics], 1)[0]
    table = Table("294-point fit", "seconds", "times ours", title=f"{len(jobs.old)} jobs")
    for name, seconds in (
        ("sopilot_assets", fast),
        ("plain Python, error rates only", lean),
        ("plain Python, all metrics at each point", full),
    ):
        table.add_row(name, f"{seconds:.4f}", f"{seconds / fast:.0f}")
    Console().print(table)


def _measure_figures(n: int, repeats: int) -> None:
    few = random_jobs(10_000, seed=2)
    cases = many_cases(few.cases, n)
    outcome = old_outcome(cases, "guarded_binary_v2")
    clusters = cases["person"].to_numpy(dtype=object)
    old, clustered = _medians(
        [
            lambda: (score_figures(cases, outcome), label_figures(cases, outcome)),
            lambda: figures(cases, outcome, clusters=clusters),
        ],
        repeats,
    )
    detection = _medians([lambda: old_outcome(cases, "guarded_binary_v2")], repeats)[0]

    def by_hand() -> None:
        old_system.evaluation(few.old, few.labels, few.scope, "guarded_binary_v2", 0.5, None)

    slow = _medians([by_hand], 1)[0] * n / len(few.old)
    table = Table("metrics", "seconds", title=f"{n} cases")
    table.add_row("detection", f"{detection:.2f}")
    table.add_row("figures of the old system", f"{old:.2f}")
    table.add_row("the same, clustered intervals and drift too", f"{clustered:.2f}")
    table.add_row("plain Python, old figures (from 10,000 jobs)", f"{slow:.1f}")
    Console().print(table)


def many_cases(few: pd.DataFrame, n: int) -> pd.DataFrame:
    """n cases drawn with repetition from a few, of n / 20 people with n / 5 recordings."""
    rng = np.random.default_rng(3)
    cases = few.iloc[rng.integers(0, len(few), n)].reset_index(drop=True)
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
