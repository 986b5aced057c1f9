"""Pictures change more where one step ends and another begins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopilot_assets.embedding.clips import comparable
from sopilot_assets.reference.borders import LIMIT, REACH, WEIGHT, Borders, contrasts, fit_borders
from sopilot_assets.reference.model import build_reference
from sopilot_assets_tests.reference.made_up import STEP_IDS, embedding, gold, in_order

VIDEO = embedding(in_order(0, 1, 2, 3), seed=40, person=5)
PLACES = np.searchsorted(VIDEO.clip_middle_s, [5.0, 10.0, 15.0]).tolist()


def test_contrast_is_higher_at_true_borders() -> None:
    contrast = contrasts(comparable(VIDEO))
    assert contrast.shape == (VIDEO.clip_count + 1,)
    inside = [place for place in range(1, VIDEO.clip_count) if min(abs(place - b) for b in PLACES) >= 4]
    assert contrast[PLACES].min() > contrast[inside].max()


def test_nothing_is_known_at_the_ends_and_beside_frozen_clips() -> None:
    usable = np.ones(VIDEO.clip_count, dtype=np.bool_)
    usable[15:18] = False
    contrast = contrasts(comparable(VIDEO), usable)
    assert np.isnan(contrast[[0, -1]]).all()
    assert np.isnan(contrast[12:22]).all()
    assert np.isfinite(contrast[1:12]).all()
    assert np.isfinite(contrast[22:-1]).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 20))
def test_contrasts_know_no_direction_of_time(seed: int, clips: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(clips, 6)).astype(np.float32)
    contrast = contrasts(rows)
    assert contrasts(rows[::-1]) == pytest.approx(contrast[::-1], nan_ok=True)
    assert ((contrast[1:-1] > -1e-9) & (contrast[1:-1] < 2 + 1e-9)).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 20))
def test_a_contrast_is_one_less_the_cosine_of_what_lies_on_either_side(seed: int, clips: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(clips, 6)).astype(np.float32)
    contrast = contrasts(rows)
    for place in range(1, clips):
        before = rows[max(place - REACH, 0) : max(place - 1, 1)].sum(axis=0)
        after = rows[min(place + 1, clips - 1) : place + REACH].sum(axis=0)
        cosine = before @ after / np.linalg.norm(before) / np.linalg.norm(after)
        assert contrast[place] == pytest.approx(1 - cosine, abs=1e-4)


def test_a_picture_that_never_changes_has_no_contrast() -> None:
    assert contrasts(np.zeros((12, 6), dtype=np.float32))[1:-1].tolist() == [0.0] * 11


def test_golds_teach_how_much_a_border_shows() -> None:
    borders = build_reference("job", STEP_IDS, [gold(number) for number in range(4)]).borders
    ratio = borders.log_ratio(contrasts(comparable(VIDEO)))
    assert borders.slope > 0
    assert (ratio[PLACES] > 0).all()
    assert ratio[[5, 15, 25]].max() < 0
    assert ratio[[0, -1]].tolist() == [0.0, 0.0]
    assert np.abs(ratio).max() <= WEIGHT * LIMIT


@pytest.mark.parametrize("places", [[], [1]])
def test_golds_without_a_border_or_an_inside_teach_nothing(places: list[int]) -> None:
    blank = np.full(4, np.nan)
    assert fit_borders([(blank, places)]) == Borders(0.0, 0.0)
    assert (Borders(0.0, 0.0).log_ratio(blank) == 0.0).all()
