"""More golds: a recording that is confirmed to be right and becomes a gold must not cost right recordings
their pass, beyond what chance does to so few of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from threadpoolctl import threadpool_limits

from sopilot_assets.alignment.align import align
from sopilot_assets.alignment.calibration import calibrate
from sopilot_assets.embedding.clips import ClipEmbedding
from sopilot_assets.reference.model import Gold, build_reference
from sopilot_assets.scoring.result import Decision
from sopilot_assets.scoring.score import score_alignment
from sopilot_assets_tests.reference.made_up import STEP_IDS, Shown, embedding, intervals
from sopilot_assets_tests.scoring.made_up import TASK

GOLD_PERSONS = (2, 2, 1)
"""How many persons the golds show, one figure a draw."""
GOLDS, PROMOTED, TRAINEES = 4, 2, 8


def shown_by(seed: int) -> Shown:
    """The whole procedure in somebody's own pace."""
    seconds = np.random.default_rng(seed).uniform(3.5, 6.5, len(STEP_IDS)).round(1)
    return [(step, float(time)) for step, time in enumerate(seconds)]


def right(seed: int, *, person: int) -> Gold:
    """A recording that is right, with its true steps."""
    shown = shown_by(seed)
    made = embedding(shown, seed=seed, person=person)
    return Gold(f"{seed:012x}", f"person_{person}", "site", made, intervals(shown), confirmed=True)


def passes(golds: Sequence[Gold], recordings: Sequence[ClipEmbedding]) -> list[bool]:
    """Which of the recordings pass by these golds."""
    reference = build_reference(TASK.task_id, STEP_IDS, golds)
    calibration = calibrate(reference)
    found = (align("x", one, reference, prices=calibration.prices) for one in recordings)
    return [score_alignment(TASK, reference, one, calibration).decision is Decision.PASS for one in found]


def test_golds_that_are_promoted_cost_no_right_recording_its_pass_beyond_chance() -> None:
    lost = gained = 0
    for draw, persons in enumerate(GOLD_PERSONS, start=1):
        seed, first = 1000 * draw, 100 * draw
        golds = [right(seed + n, person=first + n % persons) for n in range(GOLDS)]
        more = [right(seed + 200 + n, person=first + 30 + n) for n in range(PROMOTED)]
        others = [right(seed + 100 + n, person=first + 10 + n).embedding for n in range(TRAINEES)]
        with threadpool_limits(limits=1):
            before, after = passes(golds, others), passes([*golds, *more], others)
        lost += sum(was and not now for was, now in zip(before, after, strict=True))
        gained += sum(now and not was for was, now in zip(before, after, strict=True))
    # the same recordings twice: the difference scatters by the root of those that changed (McNemar 1947)
    assert lost - gained <= 2.0 * sqrt(lost + gained), f"{lost} lost their pass, {gained} gained it"
