"""How fast dynamic time warping is, beside the plain loop and other libraries.

    python -m benchmarks.dtw
    python -m benchmarks.dtw --sizes 60 240 --repeats 50

Two tables, for as many gold clips as trainee clips: from a given matrix of distances to the path, and from
unit vectors (m, 2000) to the path, the cosine distances included, computed by each library in its own way.
All run in one process on one thread, in turns, so that other work on the machine meets them alike; a time is
the median of the turns, and the ratio says how many times longer than ours it is. All paths must have the
same sum, or the benchmark stops.

A library that is missing is named with what installs it; `make bench` installs them.

What was tried and not kept: a kernel written in LLVM's code, with rows side by side in vectors. It took
0.004, 0.010 and 0.024 ms where the loop takes 0.006, 0.020 and 0.101 (60, 120 and 240 clips), of the 68 ms
that a recording costs in all.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from sopilot_assets.alignment.dtw import cheapest_path, warp_path

Matrix: TypeAlias = npt.NDArray[Any]
Sum: TypeAlias = Callable[[], float]
"""One warping, with its path; returns the sum of the distances along the path."""

DIMENSIONS: Final = 2000
OURS: Final = "sopilot_assets"
LIBRARIES: Final = {"tslearn": "tslearn.metrics", "librosa": "librosa", "dtw-python": "dtw"}
"""Their names, and the modules that hold their warping."""
INSTALL: Final = "pip install 'sopilot-assets[bench]'"
TOLERANCE: Final = 1e-4
"""Relative: in the second table some libraries normalise the vectors once more, in single precision."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[60, 120, 240], help="clips in each video")
    parser.add_argument("--repeats", type=int, help="turns of each (default by size, 200 to 7)")
    options = parser.parse_args(arguments)
    modules = {name: _imported(module) for name, module in LIBRARIES.items()}
    random = np.random.default_rng(0)
    from_distances, from_vectors = [], []
    with threadpool_limits(1):
        for size in options.sizes:
            repeats = options.repeats or max(7, min(200, 24_000 // size - 20))
            gold, trainee = unit_vectors(random, size), unit_vectors(random, size)
            distances = cosine_distances(gold, trainee)
            from_distances.append(medians(on_distances(distances, modules), repeats))
            from_vectors.append(medians(on_vectors(gold, trainee, modules), max(3, repeats // 10)))
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, one thread")
    _print_table("From a matrix of distances to the path", options.sizes, from_distances)
    _print_table(f"From unit vectors (m, {DIMENSIONS}) to the path", options.sizes, from_vectors)


def unit_vectors(random: np.random.Generator, count: int) -> Matrix:
    """(count, 2000), each close to the one before it, as the clips of a video are."""
    rows = np.cumsum(random.normal(size=(count, DIMENSIONS)), axis=0)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def cosine_distances(gold: Matrix, trainee: Matrix) -> Matrix:
    """(m, n), as `warp_path` has them."""
    return 1.0 - np.clip(gold.astype(np.float64) @ trainee.T.astype(np.float64), -1.0, 1.0)


def on_distances(distances: Matrix, modules: dict[str, Any]) -> dict[str, Sum | None]:
    """Every contender on a given matrix (m, n); None for a library that is not installed."""
    tslearn, librosa, dtw_python = (modules[name] for name in LIBRARIES)
    return {
        OURS: lambda: cheapest_path(distances)[2],
        "tslearn": tslearn
        and (lambda: float(tslearn.dtw_path_from_metric(distances, metric="precomputed")[1])),
        "librosa": librosa and (lambda: float(librosa.sequence.dtw(C=distances)[0][-1, -1])),
        "dtw-python": dtw_python
        and (lambda: float(dtw_python.dtw(distances, step_pattern="symmetric1").distance)),
    }


def on_vectors(gold: Matrix, trainee: Matrix, modules: dict[str, Any]) -> dict[str, Sum | None]:
    """Every contender on unit vectors (m, D) and (n, D); None for a library that is not installed."""
    tslearn, librosa, dtw_python = (modules[name] for name in LIBRARIES)

    def ours() -> float:
        path, _, cost = warp_path(gold, trainee)
        return cost * len(path)

    return {
        OURS: ours,
        "tslearn": tslearn
        and (lambda: float(tslearn.dtw_path_from_metric(gold, trainee, metric="cosine")[1])),
        "librosa": librosa
        and (lambda: float(librosa.sequence.dtw(gold.T, trainee.T, metric="cosine")[0][-1, -1])),
        "dtw-python": dtw_python
        and (
            lambda: float(
                dtw_python.dtw(gold, trainee, dist_method="cosine", step_pattern="symmetric1").distance
            )
        ),
    }


def medians(contenders: dict[str, Sum | None], repeats: int) -> dict[str, float | None]:
    """Seconds of each contender, the median of ``repeats`` turns after one that compiles and is checked.

    Raises ValueError where a path's sum differs from ours.
    """
    installed = {name: work for name, work in contenders.items() if work is not None}
    sums = {name: work() for name, work in installed.items()}
    for name, total in sums.items():
        if not np.isclose(total, sums[OURS], rtol=TOLERANCE, atol=0.0):
            raise ValueError(f"{name}: its path sums to {total}, ours to {sums[OURS]}.")
    seconds: dict[str, list[float]] = {name: [] for name in installed}
    for _ in range(repeats):
        for name, work in installed.items():
            started = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(seconds[name]) if name in seconds else None for name in contenders}


def _imported(module: str) -> Any:
    """The module, or None where its library is not installed."""
    if importlib.util.find_spec(module.partition(".")[0]) is None:
        return None
    return importlib.import_module(module)


def _print_table(title: str, sizes: Sequence[int], columns: Sequence[dict[str, float | None]]) -> None:
    table = Table("", *(f"{size} × {size}" for size in sizes), title=title)
    for name in columns[0]:
        cells = [_cell(column[name], column[OURS]) for column in columns]
        table.add_row(name, *cells)
    Console().print(table, markup=False)


def _cell(seconds: float | None, ours: float | None) -> str:
    if seconds is None or ours is None:
        return INSTALL
    return f"{1000 * seconds:.3f} ms {seconds / ours:5.2f}×"


if __name__ == "__main__":
    main()
