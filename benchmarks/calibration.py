"""Whether the calibration from golds alone is honest: what it says beforehand against what happens.

    python -m benchmarks.calibration [--recordings 80] [--golds 4] [--home DIR] [--out benchmarks]
    python -m benchmarks.calibration --root DIR [--root DIR2 ...] [--cache DIR] [--out benchmarks]

Two simulated sets are made, each with its own golds. Persons and sites change roles between them: who is seen
in the golds of one set is among the trainees of the other, and never among the trainees of the same set. Each
reference is calibrated on its golds; then all trainees are scored and compared with their exact labels. With
``--root`` the tasks of these labeled folders are the sets.
``--home`` keeps videos and embeddings for the next run. ``--out`` is where calibration.md and calibration.png
are written.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import Final, TypeVar

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks._calibration_plot import plot
from benchmarks._calibration_report import LABELED, SIMULATED, checks, document, tables
from benchmarks._calibration_sets import (
    SETS,
    ScoreJob,
    SetJob,
    SetResult,
    make_set,
    plan_sets,
    score_set,
)
from benchmarks._runs import Cache, EmbedJob, embed, labeled
from benchmarks._variations import Backend
from sopilot_assets.store.publish import publish_text


def print_report(results: Sequence[SetResult], console: Console) -> None:
    """The tables and checks for the terminal."""
    for figures in tables(results):
        table = Table(title=figures.title, title_justify="left", caption_justify="left")
        for number, name in enumerate(figures.head):
            table.add_column(name, justify="right" if number else "left")
        for row in figures.rows:
            table.add_row(*row)
        console.print(table)
    for one in checks(results):
        console.print(f"{'[red]off[/]' if one.off else '[green]ok[/] '} {one}", highlight=False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the sets, score them and report."""
    options = _options(arguments)
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sopilot-calibration-") as scratch:
        results = _run(options, options.home or Path(scratch))
    console = Console(highlight=False)
    print_report(results, console if console.is_terminal else Console(highlight=False, width=160))
    if options.out:
        chosen = f"--recordings {options.recordings} --seed {options.seed} --golds {options.golds}"
        if options.root:
            chosen = " ".join(f"--root {root.name}" for root in options.root)
        command = f"python -m benchmarks.calibration {chosen}"
        plot(results, options.out / "calibration.png")
        what = LABELED if options.root else SIMULATED
        publish_text(options.out / "calibration.md", document(results, command=command, what=what))
    print(f"{time.monotonic() - started_s:.0f} s" + (f", written to {options.out}" if options.out else ""))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recordings", type=int, default=80, help="trainees in all (default 80)")
    parser.add_argument("--golds", type=int, default=4, help="golds of each set (default 4, at least 2)")
    parser.add_argument("--seed", type=int, default=100, help="of the first set (default 100)")
    parser.add_argument("--root", type=Path, action="append", help="a labeled folder; none is simulated then")
    parser.add_argument("--home", type=Path, help="where videos and embeddings are kept; nowhere without it")
    parser.add_argument("--cache", type=Path, help="where embeddings are kept; below --home without it")
    parser.add_argument("--out", type=Path, help="the folder to write calibration.md and calibration.png to")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args(arguments)
    if options.golds < 2:
        parser.error("--golds: expected at least 2, of two persons; one gold cannot be calibrated")
    if options.recordings < SETS:
        parser.error(f"--recordings: expected at least {SETS}")
    return options


def _run(options: argparse.Namespace, home: Path) -> list[SetResult]:
    cache, roots = Cache(options.cache or home / "embeddings"), options.root or []
    with (
        Progress(console=Console(stderr=True)) as progress,
        ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as workers,
    ):
        if not roots:
            plans = plan_sets(recordings=options.recordings, golds=options.golds, seed=options.seed)
            sets = [SetJob(home / f"set_{number}", plan) for number, plan in enumerate(plans, start=1)]
            videos = sum(plan.golds + plan.trainees for plan in plans)
            _each(progress, "simulating", make_set, sets, workers, videos, lambda: len([*home.glob(VIDEOS)]))
            roots = [one.root for one in sets]
        tasks = [(root, task) for root in roots for task in labeled(root).tasks]
        todo = [
            EmbedJob(cache, Backend(), one.path)
            for _, task in tasks
            for one in (*task.golds, *task.trainees)
            if not cache.path(Backend(), one.path).exists()
        ]
        _each(progress, "embedding", embed, todo, workers)
        jobs = [ScoreJob(cache, root, task.task_id) for root, task in tasks]
        return _each(progress, "scoring", score_set, jobs, workers)


VIDEOS: Final = "set_*/videos/*/*.mp4"
POLL_S: Final = 1.0
Todo = TypeVar("Todo")
Done = TypeVar("Done")


def _each(
    progress: Progress,
    what: str,
    work: Callable[[Todo], Done],
    jobs: Sequence[Todo],
    workers: Executor,
    total: int | None = None,
    count: Callable[[], int] | None = None,
) -> list[Done]:
    """The results of all jobs in their order; the bar shows ``count`` of ``total``, or the jobs done."""
    bar = progress.add_task(what, total=len(jobs) if total is None else total)
    futures: list[Future[Done]] = [workers.submit(work, job) for job in jobs]
    waiting: set[Future[Done]] = set(futures)
    while waiting:
        waiting = wait(waiting, timeout=POLL_S).not_done
        progress.update(bar, completed=count() if count else len(futures) - len(waiting))
    return [future.result() for future in futures]


if __name__ == "__main__":
    main()
