"""How far the steps that are proposed for a gold are from the true ones, before anybody looks at them.

    python -m benchmarks.proposals --root DIR [--root DIR2 ...]

DIR is a folder that `sopilot measure compare` takes. Each gold is proposed for by change points, as the first
gold of a task is, and by every choice of one, two and three other golds with their true steps. The figures
are over the borders between and after steps but the recording's two ends: the distance in seconds, and the
share that is within half a second. CPU time is that of one proposal. Embeddings are kept below ``--cache``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks._runs import Cache, EmbedJob, embed, embedding_of, labeled, video_id
from benchmarks._variations import Backend
from sopilot_assets.bench.recordings import BenchTask
from sopilot_assets.reference.annotations import StepInterval
from sopilot_assets.reference.model import Gold
from sopilot_assets.stations.step_proposals import proposed_steps
from sopilot_assets.tasks import NEW_TASKS_USE

MOST_GOLDS: Final = 3
NEAR_S: Final = 0.5
END_S: Final = 0.25
"""A border this near to an end of the recording is that end: nobody has to find it."""


@dataclass(frozen=True, slots=True)
class Distances:
    """The distances (m,) of proposed borders by so many marked golds, and the CPU seconds of a proposal."""

    task: str
    golds: int
    seconds: tuple[float, ...]
    cpu_s: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, action="append", required=True, help="a labeled folder")
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="where embeddings are kept")
    options = parser.parse_args(arguments)
    table = Table("task", "marked golds", "borders", "median", "mean", "90 %", f"within {NEAR_S:g} s", "CPU")
    for root in options.root:
        for task in labeled(root).tasks:
            for found in measured(task, golds_of(task, Cache(options.cache))):
                table.add_row(*_row(found))
            table.add_section()
    Console().print(table)


def golds_of(task: BenchTask, cache: Cache) -> list[Gold]:
    """The task's golds with their true steps, embedded where they are not."""
    backend = Backend(NEW_TASKS_USE)
    found = []
    for one in task.golds:
        if not cache.path(backend, one.path).exists():
            embed(EmbedJob(cache, backend, one.path))
        embedding = embedding_of(cache, backend, one.path)
        found.append(
            Gold(
                video_id(one.path), one.person, one.site, embedding, task.gold_steps[one.file], confirmed=True
            )
        )
    return found


def measured(task: BenchTask, golds: Sequence[Gold]) -> Iterator[Distances]:
    """The distances by no, one, two and three marked golds."""
    orders = [tuple(range(len(task.steps)))]
    for count in range(min(MOST_GOLDS, len(golds) - 1) + 1):
        distances: list[float] = []
        began_s, proposals = time.process_time(), 0
        for gold in golds:
            for others in combinations([other for other in golds if other is not gold], count):
                found = proposed_steps(
                    gold.embedding, others, task.step_ids, task_id=task.task_id, orders=orders
                )
                distances += border_distances(found.steps, gold.intervals, gold.embedding.duration_s)
                proposals += 1
        yield Distances(
            task.title, count, tuple(distances), (time.process_time() - began_s) / max(proposals, 1)
        )


def border_distances(
    proposed: Sequence[StepInterval], true: Sequence[StepInterval], duration_s: float
) -> Iterator[float]:
    """By how many seconds the beginning and the end of each true step is missed, a common border once."""
    by_step = {one.step: one.segment for one in proposed}
    told = set[float]()
    for one in true:
        found = by_step.get(one.step)
        for border_s, near_s in (
            (one.segment.start_s, found.start_s if found else np.inf),
            (one.segment.end_s, found.end_s if found else np.inf),
        ):
            if END_S < border_s < duration_s - END_S and border_s not in told:
                told.add(border_s)
                yield abs(near_s - border_s)


def _row(found: Distances) -> tuple[str, ...]:
    seconds = np.array(found.seconds)
    return (
        found.task,
        "none: change points" if found.golds == 0 else str(found.golds),
        str(seconds.size),
        f"{np.median(seconds):.2f} s",
        f"{seconds.mean():.2f} s",
        f"{np.quantile(seconds, 0.9):.2f} s",
        f"{(seconds <= NEAR_S).mean():.0%}",
        f"{found.cpu_s:.2f} s",
    )


if __name__ == "__main__":
    main()
