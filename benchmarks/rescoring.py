"""Rescoring of thousands of recordings, Dagster's events included: where the time goes, side by side.

    python benchmarks/rescoring.py --recordings 200                    makes its own recordings first
    python benchmarks/rescoring.py --recordings 3507 --source HOME     copies those of a home, 4 of its golds
    python benchmarks/rescoring.py --source HOME --before REVISION     also by the code of an earlier revision
    python benchmarks/rescoring.py --source HOME --profile             and the functions that take longest

Each way of doing it gets a new home of the same recordings (embeddings are copied, not computed) and goes
through alignments and scores on a SQLite instance, reference and calibration included, since that is what
changes when scores have to be made again. Pages that are left to whoever looks are then made
too, and said apart. All ways have to come to the same alignments, rows and pages.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks._copied_home import copied_home
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path

ROOT = Path(__file__).resolve().parents[1]
GOLDS = 4
FEW = ("--trainees", "20", "--size", "320x240")


@dataclass(frozen=True)
class Way:
    """One way to rescore; ``code`` is the folder that holds the package."""

    name: str
    processes: int
    stock_events: bool
    code: Path = ROOT


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="sopilot-rescoring-", dir=options.scratch) as name:
        scratch = Path(name)
        source = Home.at(options.source) if options.source else _own_recordings(scratch / "source")
        print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; {options.recordings} recordings\n")
        found = {}
        for way in _ways(options, scratch):
            if way.name not in options.without:
                found[way.name] = _measure(way, source, scratch, options)
        print(_table(found, options.recordings))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recordings", type=int, default=200, help="how many, golds included (default 200)")
    parser.add_argument("--source", type=Path, help="a home with embedded recordings of one task")
    parser.add_argument("--before", metavar="REVISION", help="measure that revision's code too")
    parser.add_argument("--without", nargs="*", default=[], metavar="WAY", help="ways that are left out")
    parser.add_argument("--profile", action="store_true", help="print the profile of each way; slower")
    parser.add_argument(
        "--scratch", type=Path, help="where the homes are made (default: the system's folder)"
    )
    return parser.parse_args(arguments)


def _ways(options: argparse.Namespace, scratch: Path) -> Iterator[Way]:
    cores = os.cpu_count() or 1
    if options.before:
        yield Way("before", cores, False, _code_of(options.before, scratch / "before"))
    yield Way("events one by one", cores, True)
    yield Way("one process", 1, False)
    yield Way("now", cores, False)


def _code_of(revision: str, folder: Path) -> Path:
    """The package as it was at a revision."""
    command = ["git", "archive", "--format=tar", f"--output={folder}.tar", revision]
    subprocess.run(command, cwd=ROOT, check=True)
    with tarfile.open(f"{folder}.tar") as archive:
        archive.extractall(folder, filter="data")
    return folder


def _own_recordings(root: Path) -> Home:
    """A home with the demonstration's recordings, simulated and embedded now."""
    command = [sys.executable, "-m", "sopilot_assets.cli", "demo", "run", "--home", str(root), *FEW]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return Home.at(root)


def _measure(way: Way, source: Home, scratch: Path, options: argparse.Namespace) -> dict[str, object]:
    root = scratch / way.name.replace(" ", "_")
    _rescored(way, copied_home(source, scratch / f"{root.name}_few", recordings=2 * GOLDS, golds=GOLDS))
    home = copied_home(source, root, recordings=options.recordings, golds=GOLDS, scored=True)
    cpu_s = _cpu_s()
    found = _rescored(way, home, *["--profile"] * options.profile)
    print(f"{way.name}: {found['wall']:.1f} s, load now {os.getloadavg()[0]:.1f}", flush=True)
    found["cpu"], cpu_s = _cpu_s() - cpu_s, _cpu_s()
    found["pages"] = _pages(home)
    render = [sys.executable, "-m", "sopilot_assets.cli", "--home", str(root), "score", "render"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(render, check=True, cwd=way.code, env=_environment(way), **quiet)
    found["looked"] = _cpu_s() - cpu_s
    found["results"] = f"{_pages(home)} pages, {_results(home)}"
    if options.profile:
        print(found["profile"])
    subprocess.run(["rm", "-rf", str(root)], check=True)
    return found


def _rescored(way: Way, home: Home, *words: str) -> dict[str, object]:
    """What one way says of rescoring a home. A few come first: code that was never run here is compiled."""
    command = [sys.executable, str(way.code / "benchmarks/_rescoring_run.py"), str(home.root)]
    command += ["--processes", str(way.processes), *["--stock-events"] * way.stock_events, *words]
    ended = subprocess.run(
        command, cwd=way.code, env=_environment(way), check=True, stdout=subprocess.PIPE, text=True
    )
    return dict(json.loads(ended.stdout.splitlines()[-1]))


def _environment(way: Way) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(way.code)}


def _pages(home: Home) -> int:
    return len(list(local_path(home.reviews).glob("*-*.html")))


def _results(home: Home) -> str:
    """A hash of all alignments, pages and rows, but for when and by which run the rows were written."""
    digest, root = hashlib.sha256(), local_path(home.root)
    for pattern in ("alignments/**/*.npz", "reviews/*-*.html"):
        for path in sorted(root.glob(pattern)):
            digest.update(path.name.encode() + path.read_bytes())
    rows = scores_ledger(home).latest().drop(columns=["written_at", "run_id"])
    digest.update(rows.to_csv().encode())
    return digest.hexdigest()[:16]


def _cpu_s() -> float:
    """User and system seconds of the processes that have ended, and of all that they had started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _table(found: dict[str, dict[str, object]], recordings: int) -> str:
    """The ways side by side, seconds of each stage."""
    lines = [("stage, seconds", *found), *_stage_lines(found)]
    lines.append(("**all**", *(f"**{one['wall']:.1f}**" for one in found.values())))
    lines.append(("a recording, ms", *(f"{1e3 * one['wall'] / recordings:.1f}" for one in found.values())))
    lines.append(("CPU seconds, start of Python included", *(f"{one['cpu']:.1f}" for one in found.values())))
    pairs = recordings * GOLDS
    lines.append(("pairs a second", *(f"{pairs / one['wall']:.0f}" for one in found.values())))
    lines.append(("pairs a CPU second", *(f"{pairs / one['cpu']:.0f}" for one in found.values())))
    lines.append(("pages made with it", *(str(one["pages"]) for one in found.values())))
    lines.append(("CPU seconds of the other pages", *(f"{one['looked']:.1f}" for one in found.values())))
    for name, unit in (("memory_gb", "memory of the run, GB"), ("database_gb", "Dagster's databases, GB")):
        lines.append((unit, *(f"{one[name]:.2f}" for one in found.values())))
    lines.append(("results", *(str(one["results"]) for one in found.values())))
    rows = [f"| {' | '.join(line)} |" for line in lines]
    same = "the same" if len({one["results"] for one in found.values()}) == 1 else "NOT THE SAME"
    rule = "|" + "---|" + "--:|" * len(found)
    return "\n".join(["", rows[0], rule, *rows[1:], "", f"Results of all ways: {same}."])


def _stage_lines(found: dict[str, dict[str, object]]) -> list[tuple[str, ...]]:
    stages = [one["stages"] for one in found.values()]
    return [(name, *(f"{one[name]:.1f}" for one in stages)) for name in stages[0]]


if __name__ == "__main__":
    main()
