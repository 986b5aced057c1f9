"""Harder labeled recordings, composed of the labeled steps of an existing folder in ProcBench's format.

    python -m benchmarks.compose --root DIR --out DIR --seed S [--variant-count N] [--processes N]

DIR holds labels.jsonl and videos/. Its labeled step segments are cut out, and new recordings of them are
written to the other DIR in the same format, for two tasks of each domain: ``<domain>A`` has hard cuts like
the source, ``<domain>B`` has pauses, cross-fades, camera shake and exposure drift. The order of the steps is
permuted by the seed, the golds are of two performers and the trainees of all others, and the trainees'
deviations are exactly known. The same folder and seed give the same labels.

Beyond the source's format: ``__pause__`` entries among the steps, the deviations ``extra_step``,
``other_task`` and ``empty_bench``, the variant ``double``, and ``composition``
(what was done to the picture).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from benchmarks._compose_parts import Json, Task
from benchmarks._compose_plan import plan_recordings, plan_tasks, read_pool
from benchmarks._compose_render import write_recording
from sopilot_assets.errors import ConfigError


def main() -> None:
    """Compose and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, required=True, help="the folder to cut segments out of")
    parser.add_argument("--out", type=Path, required=True, help="where the new folder goes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--variant-count", type=int, default=32, help="trainee recordings per task")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    labels = compose(
        options.root,
        options.out,
        seed=options.seed,
        variant_count=options.variant_count,
        processes=options.processes,
    )
    print(f"{len(labels)} recordings in {options.out}")


def compose(root: Path, out: Path, *, seed: int, variant_count: int = 32, processes: int = 2) -> list[Json]:
    """Write the composed folder and return its labels.

    Raises ``ConfigError`` when ``root`` has no labels, or ``out`` has some already.
    """
    if (out / "labels.jsonl").exists():
        raise ConfigError(f"{out}: expected a new folder, found labels.jsonl in it; choose another.")
    pool, lines = read_pool(root)
    tasks = plan_tasks(pool, lines, seed=seed)
    recordings = [
        recording
        for number, task in enumerate(tasks)
        for recording in plan_recordings(pool, task, seed=(seed, number), variant_count=variant_count)
    ]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as workers:
        list(workers.map(partial(write_recording, root, out), recordings))
    labels = [recording.label for recording in recordings]
    (out / "tasks.json").write_text(
        json.dumps([_task_line(task, labels) for task in tasks], indent=1), "utf-8"
    )
    (out / "labels.jsonl").write_text("".join(f"{json.dumps(label)}\n" for label in labels), "utf-8")
    return labels


def _task_line(task: Task, labels: Sequence[Json]) -> Json:
    golds = [one["file"] for one in labels if one["task"] == task.name and one["role"] == "gold"]
    return {"task": task.name, "domain": task.domain, "steps": list(task.steps), "gold_files": golds}


if __name__ == "__main__":
    main()
