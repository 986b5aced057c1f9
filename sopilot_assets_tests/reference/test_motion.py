"""How much moves tells a pause from a step that looks the same."""

from __future__ import annotations

import numpy as np
import pytest

from sopilot_assets.alignment.align import align
from sopilot_assets.alignment.spans import EditKind, SpanKind
from sopilot_assets.embedding.clips import rearranged
from sopilot_assets.reference.model import build_reference
from sopilot_assets.reference.motion import PRIOR_SPREAD, clip_motion, fit_motion
from sopilot_assets_tests.reference.made_up import STEP_IDS, embedding, gold, in_order

STEPS = np.repeat([0, 1], 10)


def test_motion_is_told_against_what_is_usual_in_the_video() -> None:
    shown = in_order(0, 1, 2, 3)
    plain = embedding(shown, seed=1, quiet=[(5.0, 10.0)])
    motion = clip_motion(plain)
    assert np.median(motion) == 0.0
    assert motion[:8] == pytest.approx(0.0)
    assert motion[11:15] == pytest.approx(np.log(4.5 / 20.5))
    assert (clip_motion(rearranged(plain, np.arange(10))) == 0.0).all()


def test_frozen_clips_do_not_count_in_what_is_usual() -> None:
    shown = in_order(0, 1, 2, 3)
    frozen = embedding(shown, seed=1, frozen=[(3.0, 19.0)])
    usable = (frozen.clip_middle_s < 3.0) | (frozen.clip_middle_s > 19.0)
    assert clip_motion(frozen, usable)[0] == 0.0
    assert clip_motion(frozen)[0] > 1.0


def test_the_motion_of_a_step_is_learnt_with_its_spread() -> None:
    calm = np.where(STEPS == 0, 0.5, -0.5)
    even = fit_motion([calm, calm, calm], [STEPS] * 3, 2)
    assert even.mean == pytest.approx((0.5, -0.5))
    assert max(even.spread) < PRIOR_SPREAD
    uneven = fit_motion([calm, calm, calm + 2.0 * (STEPS == 1)], [STEPS] * 3, 2)
    assert uneven.spread[1] > uneven.spread[0]
    assert uneven.spread[0] == pytest.approx(even.spread[0])


def test_little_motion_speaks_for_a_pause_and_usual_motion_for_a_step() -> None:
    motion = fit_motion([np.zeros(20)] * 3, [STEPS] * 3, 2)
    usual, little, least = motion.log_ratio(np.array([0.0, -1.5, -4.0]))
    assert usual[:2].min() > usual[2] == 0.0
    assert usual[2] > usual[3]
    assert little[3] > little[2] == 0.0 > little[:2].max()
    assert least[3] >= little[3]


def test_a_gold_that_shows_no_step_long_enough_teaches_no_motion() -> None:
    nothing = fit_motion([np.zeros(20)], [np.zeros(20, dtype=np.int64)], 2)
    assert nothing.mean == (0.0, 0.0)
    assert nothing.spread[1] == pytest.approx(PRIOR_SPREAD)


def test_a_pause_is_no_step_that_took_too_long() -> None:
    reference = build_reference("job", STEP_IDS, [gold(number) for number in range(4)])
    shown = [(0, 5.0), (1, 11.0), (2, 5.0), (3, 5.0)]
    slow = align("x", embedding(shown, seed=60, person=3), reference)
    waiting = align("x", embedding(shown, seed=60, person=3, quiet=[(10.0, 16.0)]), reference)
    assert [(edit.kind, edit.steps) for edit in slow.edits if edit.reported] == [(EditKind.LONG, (1,))]
    assert [edit.kind for edit in waiting.edits if edit.reported] == []
    (clean,) = (span for span in waiting.spans if span.kind is SpanKind.STEP and span.step == 1)
    assert clean.segment.end_s == pytest.approx(10.0, abs=1.5)
