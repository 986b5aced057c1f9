"""What many golds cost: building a reference, calibrating it and aligning a recording, in CPU time.

Made-up golds of 60 s, as large as real ones: six steps, a clip every half second, every gold of another
person. Prints CPU seconds, one thread, and the most memory a process needed, for 5, 10 and 20 golds; with
``--before`` an older revision beside this checkout:

    python -m benchmarks.golds
    python -m benchmarks.golds --golds 5 10 --before HEAD~20
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from benchmarks._checkouts import ROOT, checkout, python
from sopilot_assets.alignment.align import align
from sopilot_assets.alignment.calibration import calibrate
from sopilot_assets.embedding.clips import ClipEmbedding, clip_starts
from sopilot_assets.reference.annotations import StepInterval
from sopilot_assets.reference.model import Gold, build_reference
from sopilot_assets.segments import Segment

STEPS: Final = 6
BLOCKS: Final = {
    **dict.fromkeys(("final", "final_spread", "box_final", "box_final_spread"), 1280),
    **dict.fromkeys(("mid", "mid_spread", "box_mid", "box_mid_spread"), 1008),
    "hof_and_mbh": 250,
}
"""Features of a clip, as many as the embedder of full size gives."""
LENGTH_S, STRIDE_S = 2.0, 0.5
NOISE, PERSON = 1.0, 0.5
RECORDINGS: Final = 8
"""Recordings that are aligned, half of them with two steps exchanged."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--golds", type=int, nargs="+", default=[5, 10, 20], help="how many (5 10 20)")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of a recording (60)")
    parser.add_argument("--before", metavar="REVISION", help="an older revision, measured beside this one")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(measure(options.golds[0], options.seconds)))
        return
    table = Table("", *(f"{count} golds" for count in options.golds), title="CPU time, one thread")
    with ExitStack() as stack:
        trees = {"before": stack.enter_context(checkout(options.before))} if options.before else {}
        for name, tree in {**trees, "now": ROOT}.items():
            columns = [measured_in(tree, count, options.seconds) for count in options.golds]
            for row in columns[0]:
                table.add_row(f"{row}, {name}", *(f"{column[row]:.3f}" for column in columns))
            table.add_section()
    Console().print(table)


def measured_in(tree: Path, count: int, seconds: float) -> dict[str, float]:
    """`measure` by the package of ``tree``, in a process of its own."""
    words = ("--one", "--golds", str(count), "--seconds", str(seconds))
    program = f"import sys; sys.path.append({str(ROOT)!r}); from benchmarks.golds import main; main()"
    done = python(tree, "-c", program, *words)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(count: int, seconds: float) -> dict[str, float]:
    """CPU seconds of each part with ``count`` golds, and the peak of memory in MiB."""
    spent: dict[str, float] = {}
    with threadpool_limits(1):
        build_and_align(3, seconds=10.0)  # what is compiled once
        start = time.process_time()
        reference = build_reference("job", STEP_IDS, [gold(number, seconds) for number in range(count)])
        spent["build, s"] = time.process_time() - start
        start = time.process_time()
        calibration = calibrate(reference)
        spent["calibrate, s"] = time.process_time() - start
        videos = [recording(1000 + number, seconds) for number in range(RECORDINGS)]
        align("first", videos[0], reference, prices=calibration.prices)
        start = time.process_time()
        for video in videos:
            align("measured", video, reference, prices=calibration.prices)
        spent["align a recording, s"] = (time.process_time() - start) / RECORDINGS
    spent["memory, MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return spent


STEP_IDS: Final = tuple(f"step_{step}" for step in range(STEPS))


def build_and_align(count: int, *, seconds: float) -> None:
    """Every part once, on few and short golds."""
    reference = build_reference("job", STEP_IDS, [gold(number, seconds) for number in range(count)])
    prices = calibrate(reference).prices
    for number in range(2):
        align("first", recording(number, seconds), reference, prices=prices)


def gold(number: int, seconds: float) -> Gold:
    """A made-up gold recording of the whole procedure, by a person of its own."""
    lengths = np.random.default_rng(number).uniform(0.7, 1.3, size=STEPS)
    edges = np.concatenate([[0.0], np.cumsum(lengths / lengths.sum() * seconds)]).tolist()
    intervals = tuple(StepInterval(k, Segment(edges[k], edges[k + 1])) for k in range(STEPS))
    embedding = shown(list(range(STEPS)), edges, number)
    return Gold(f"{number:012x}", f"person_{number}", "site", embedding, intervals, True)


def recording(number: int, seconds: float) -> ClipEmbedding:
    """A made-up recording; in every other one, two steps are exchanged."""
    steps = list(range(STEPS))
    if number % 2:
        first = number // 2 % (STEPS - 1)
        steps[first], steps[first + 1] = steps[first + 1], steps[first]
    return shown(steps, np.linspace(0.0, seconds, STEPS + 1).tolist(), number)


def shown(steps: list[int], edges: list[float], seed: int) -> ClipEmbedding:
    """The embedding of a video that shows these steps between these times (s)."""
    seconds = edges[-1]
    starts = clip_starts(seconds, length_s=LENGTH_S, stride_s=STRIDE_S)
    times = np.arange(0.125, seconds, 0.125)
    rng = np.random.default_rng(seed + 1)
    places = np.searchsorted(edges[1:-1], np.minimum(starts + LENGTH_S / 2, seconds))
    blocks = {}
    for index, (name, size) in enumerate(BLOCKS.items()):
        directions = np.random.default_rng(index).normal(size=(STEPS, size))
        manners = PERSON * rng.normal(size=(STEPS, size))
        looks = (directions + manners)[np.array(steps)[places]]
        blocks[name] = (looks + NOISE * rng.normal(size=looks.shape)).astype(np.float32)
    return ClipEmbedding(
        model_id="made_up-1",
        clip_start_s=starts,
        clip_length_s=LENGTH_S,
        duration_s=seconds,
        blocks=blocks,
        still_time_s=times,
        stillness=rng.uniform(10.0, 30.0, size=times.shape).astype(np.float32),
        reader="made_up",
    )


if __name__ == "__main__":
    main()
