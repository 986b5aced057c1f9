"""What a home costs as it grows: every operation that somebody waits for or that goes on by itself, at
several sizes, in CPU seconds, and how each grows.

    python -m benchmarks.growth --source HOME                           1,000, 10,000 and 50,000 recordings
    python -m benchmarks.growth --source HOME --before REVISION         an older revision beside this one
    python -m benchmarks.growth --source HOME --recordings 1000 --only plan report
    python -m benchmarks.growth --source HOME --write                   also into benchmarks/growth.md

HOME is a small scored home with golds (`sopilot demo run` makes one); it is copied. Every operation runs in
a process of its own; of those that are repeated in a process the first time stands beside the median of the
next three. `n^x` says how CPU grows from one size to the next: 0 is not at all, 1 as the recordings do.
50,000 recordings need about 3 GB of disk meanwhile.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from benchmarks._checkouts import ROOT, checkout
from benchmarks._growth_home import grown_home
from benchmarks._growth_operations import OPERATIONS, Cost

REPORT: Final = ROOT / "benchmarks" / "growth.md"
LEAST_S: Final = 0.02
"""CPU below which a figure is noise: no growth is said."""

Found: TypeAlias = dict[str, dict[int, Cost]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", type=Path, required=True, help="a small scored home; it is copied")
    parser.add_argument("--recordings", type=int, nargs="+", default=[1000, 10_000, 50_000], metavar="N")
    parser.add_argument("--before", metavar="REVISION", help="an older revision, measured beside this one")
    parser.add_argument("--only", nargs="+", choices=list(OPERATIONS), help="these operations alone")
    parser.add_argument("--homes", type=Path, help="keep the homes here, and take those that are here")
    parser.add_argument("--write", action="store_true", help=f"also write {REPORT.relative_to(ROOT)}")
    options = parser.parse_args()
    with ExitStack() as stack:
        trees = {"now": ROOT}
        if options.before:
            trees = {"before": stack.enter_context(checkout(options.before)), **trees}
            shutil.rmtree(trees["before"] / "benchmarks")  # those of this checkout measure it
        found: dict[str, Found] = {name: {} for name in trees}
        facts = [_measure(options, size, trees, found) for size in options.recordings]
        report = _report(found, options.recordings, facts)
    print(report)
    if options.write:
        REPORT.write_text(report, encoding="utf-8")


def _measure(
    options: argparse.Namespace, size: int, trees: Mapping[str, Path], found: Mapping[str, Found]
) -> str:
    """Fill a home, measure it by each tree, and say how large it is."""
    with ExitStack() as stack:
        folder = options.homes and options.homes / str(size)
        folder = folder or stack.enter_context(tempfile.TemporaryDirectory(prefix="sopilot-growth-"))
        root = Path(folder) / "home"
        if not root.exists():
            grown_home(options.source, root, size)
            list(
                _run(ROOT, root, "backup create {folder}/backups")
            )  # so that the measured one finds nothing new
        for name, tree in trees.items():
            for cost in _run(tree, root, *(options.only or OPERATIONS)):
                found[name].setdefault(cost.what, {})[size] = cost
                print(f"{size:>6} {name:>6} {cost.cpu_s:8.3f} CPU-s  {cost.what}", file=sys.stderr)
        return _size(root, size)


def _run(tree: Path, home: Path, *operations: str) -> Iterator[Cost]:
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks._growth_operations", str(home), *operations],
        env={**os.environ, "PYTHONPATH": f"{tree}:{ROOT}"},
        cwd=tree,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stdout or ():
            if line.startswith("{"):
                yield Cost(**json.loads(line))
    if process.returncode:
        raise SystemExit(f"{tree}: an operation failed")


def _size(root: Path, size: int) -> str:
    files = [path.stat() for path in root.rglob("*") if path.is_file()]
    databases = sum(path.stat().st_size for path in (root / "dagster").rglob("index.db"))
    ledgers = sum(path.stat().st_size for path in (root / "ledgers").rglob("*") if path.is_file())
    fullest = max(sum(1 for _ in folder.iterdir()) for folder in root.iterdir() if folder.is_dir())
    return (
        f"- {size:,} recordings: {len(files):,} files, {fullest:,} of them in the fullest folder; ledgers "
        f"{ledgers / 1e6:.1f} MB; Dagster's index of events {databases / 1e6:,.0f} MB."
    )


def _report(found: Mapping[str, Found], sizes: Sequence[int], facts: Sequence[str]) -> str:
    now = found["now"]
    heads = ["operation", *(f"{size:,}" for size in sizes), *(_step(*pair) for pair in _pairs(sizes))]
    heads += ["first", "on the clock", "MB"]
    heads += [f"before: {size:,}" for size in sizes] if "before" in found else []
    heads += ["result"] if "before" in found else []
    lines = [heads, ["---"] + ["--:"] * (len(heads) - 1)]
    for what, costs in now.items():
        before = found.get("before", {}).get(what, {})
        lines.append(list(_row(what, costs, before, sizes, compared="before" in found)))
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    facts_lines = "\n".join(facts)
    head = (
        f"Written by `python -m benchmarks.growth` on {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} CPUs,\n"
        f"load {os.getloadavg()[0]:.1f} at the end. CPU seconds; `first`, the seconds on the clock and the\n"
        "most memory of the process are those of the largest size."
    )
    return f"# How it grows\n\n{head}\n\n{facts_lines}\n\n{table}\n"


def _row(
    what: str, costs: Mapping[int, Cost], before: Mapping[int, Cost], sizes: Sequence[int], *, compared: bool
) -> Iterator[str]:
    largest = costs.get(sizes[-1])
    yield what
    yield from (_seconds(costs.get(size)) for size in sizes)
    yield from (_exponent(costs, *pair) for pair in _pairs(sizes))
    yield f"{largest.first_cpu_s:.2f}" if largest else ""
    yield f"{largest.wall_s:.2f}" if largest else ""
    yield f"{largest.peak_mb:.0f}" if largest else ""
    if compared:
        yield from (_seconds(before.get(size)) for size in sizes)
        yield _compared(costs, before)


def _compared(costs: Mapping[int, Cost], before: Mapping[int, Cost]) -> str:
    pairs = [(costs[size].result, before[size].result) for size in costs if size in before]
    told = [one == other for one, other in pairs if one and other]
    return "" if not told else "same" if all(told) else "DIFFERS"


def _seconds(cost: Cost | None) -> str:
    return f"{cost.cpu_s:.3f}" if cost and cost.cpu_s < 1 else f"{cost.cpu_s:.1f}" if cost else ""


def _exponent(costs: Mapping[int, Cost], small: int, large: int) -> str:
    if small not in costs or large not in costs or costs[small].cpu_s < LEAST_S:
        return ""
    return f"{math.log(costs[large].cpu_s / costs[small].cpu_s) / math.log(large / small):.2f}"


def _pairs(sizes: Sequence[int]) -> list[tuple[int, int]]:
    return list(itertools.pairwise(sizes))


def _step(small: int, large: int) -> str:
    return f"n^x, {small:,} to {large:,}"


if __name__ == "__main__":
    main()
