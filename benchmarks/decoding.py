"""What comparing one recording costs once its embedding is there, in CPU time.

Made-up embeddings as large as real ones: six steps, four golds of two persons, a clip every half second.
Prints milliseconds of CPU for recordings of 30 s and 60 s, part by part, and what a batch of recordings
takes, extrapolated from a measured part of it:

    python benchmarks/decoding.py --recordings 3507 --measured 200
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Final, TypeVar

import numpy as np
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from sopilot_assets.alignment.align import align
from sopilot_assets.alignment.clip_scores import clip_scores
from sopilot_assets.alignment.decode import decode, order_evidence
from sopilot_assets.alignment.dtw import warp_path
from sopilot_assets.alignment.explanations import Prices
from sopilot_assets.alignment.votes import GoldVotes
from sopilot_assets.embedding.clips import ClipEmbedding, clip_starts, comparable
from sopilot_assets.embedding.stillness import frozen_clips
from sopilot_assets.reference.annotations import StepInterval
from sopilot_assets.reference.model import Gold, Reference, build_reference
from sopilot_assets.reference.motion import clip_motion
from sopilot_assets.segments import Segment

Result = TypeVar("Result")

STEPS: Final = 6
DIMENSIONS: Final = 4826
"""As many features as the embedder of full size gives a clip."""
LENGTH_S, STRIDE_S = 2.0, 0.5
NOISE: Final = 1.5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recordings", type=int, default=3507, help="recordings in the batch (default 3507)")
    parser.add_argument("--measured", type=int, default=200, help="of them measured (default 200)")
    options = parser.parse_args()
    table = Table("", "30 s recordings", "60 s recordings", title="CPU time per recording, one thread")
    with threadpool_limits(1):
        columns = [measure(seconds, options.measured) for seconds in (30.0, 60.0)]
    for name in columns[0]:
        table.add_row(name, *(f"{1000 * column[name]:.1f} ms" for column in columns))
    table.add_section()
    table.add_row(
        f"{options.recordings} recordings",
        *(f"{options.recordings * column['align, all of it'] / 60:.1f} min" for column in columns),
    )
    Console().print(table)


def measure(seconds: float, recordings: int) -> dict[str, float]:
    """CPU seconds per recording of each part of an alignment, after a warm-up."""
    reference = build_reference(
        "made_up", [f"step_{step}" for step in range(STEPS)], [gold(n, seconds) for n in range(4)]
    )
    align("warm-up", recording(0, seconds), reference)
    spent: dict[str, float] = {}
    for number in range(recordings):
        for name, cpu_s in parts(recording(1000 + number, seconds), reference).items():
            spent[name] = spent.get(name, 0.0) + cpu_s / recordings
    return spent


def parts(video: ClipEmbedding, reference: Reference) -> dict[str, float]:
    """CPU seconds of each part of one recording's alignment, and of the alignment as a whole."""
    spent: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Result]) -> Result:
        start = time.process_time()
        result = work()
        spent[name] = time.process_time() - start
        return result

    live = ~frozen_clips(video)
    prices, evidence = Prices(), reference.evidence
    rows = timed("comparable rows", lambda: comparable(video, live))
    compared = timed("comparison with the golds", lambda: evidence.compare(rows))
    posterior, fit = timed("evidence of the steps", lambda: evidence.judge(compared, usable=live))
    motion = clip_motion(video, live)
    clips = timed(
        "motion and borders",
        lambda: clip_scores(reference, rows, posterior, motion, usable=live, fit=fit),
    )
    decoding = timed(
        "decoding",
        lambda: decode(
            clips,
            durations=reference.durations,
            prices=prices,
            orders=reference.orders,
            stride_s=reference.stride_s,
        ),
    )
    timed(
        "evidence of the order",
        lambda: order_evidence(
            clips,
            decoding.candidates[0],
            durations=reference.durations,
            prices=prices,
            orders=reference.orders,
            stride_s=reference.stride_s,
        ),
    )

    def votes() -> None:
        of_golds = GoldVotes(reference, compared, clips, decoding, posterior, usable=live, scale=prices.scale)
        for change in decoding.best.explanation.changes:
            of_golds(change)

    timed("votes of the golds", votes)
    timed("warps onto the golds", lambda: [warp_path(g.rows, rows) for g in reference.golds])
    timed("align, all of it", lambda: align("measured", video, reference))
    return spent


def gold(number: int, seconds: float) -> Gold:
    """A made-up gold recording of the whole procedure."""
    edges = np.linspace(0.0, seconds, STEPS + 1).tolist()
    intervals = tuple(StepInterval(k, Segment(edges[k], edges[k + 1])) for k in range(STEPS))
    steps = list(range(STEPS))
    return Gold(
        f"{number:012x}", f"person_{number % 2}", "site", shown(steps, number, seconds), intervals, True
    )


def recording(number: int, seconds: float) -> ClipEmbedding:
    """A made-up recording; in every other one, two steps are exchanged."""
    steps = list(range(STEPS))
    if number % 2:
        first = number // 2 % (STEPS - 1)
        steps[first], steps[first + 1] = steps[first + 1], steps[first]
    return shown(steps, number, seconds)


def shown(steps: list[int], seed: int, seconds: float) -> ClipEmbedding:
    """The embedding of a video that shows these steps, equally long."""
    directions = np.random.default_rng(0).normal(size=(STEPS, DIMENSIONS))
    starts = clip_starts(seconds, length_s=LENGTH_S, stride_s=STRIDE_S)
    times = np.arange(0.125, seconds, 0.125)
    rng = np.random.default_rng(seed + 1)
    middles = np.minimum((starts + LENGTH_S / 2) / seconds * len(steps), len(steps) - 1).astype(int)
    rows = directions[np.array(steps)[middles]] + NOISE * rng.normal(size=(len(starts), DIMENSIONS))
    return ClipEmbedding(
        model_id="made_up-1",
        clip_start_s=starts,
        clip_length_s=LENGTH_S,
        duration_s=seconds,
        blocks={"made_up": rows.astype(np.float32)},
        still_time_s=times,
        stillness=rng.uniform(10.0, 30.0, size=times.shape).astype(np.float32),
        reader="made_up",
    )


if __name__ == "__main__":
    main()
