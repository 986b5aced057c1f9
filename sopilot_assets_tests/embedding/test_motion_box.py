"""The part of the picture where the work is, found by what moves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sopilot_assets.embedding.motion_box import Box, MotionBoxMeter

Image = NDArray[np.uint8]
HEIGHT, WIDTH, HAND = 106, 160, 16


def room(*, seed: int = 0, noise: int = 0, number: int = 0) -> Image:
    """A textured room, with sensor noise of up to so many levels."""
    walls = np.random.default_rng(seed).integers(40, 200, (HEIGHT // 2, WIDTH // 2), dtype=np.uint8)
    grey = np.kron(walls, np.ones((2, 2), dtype=np.uint8)).astype(np.int16)
    if noise:
        grey += np.random.default_rng(number).integers(-noise, noise + 1, grey.shape)
    return grey.clip(0, 255).astype(np.uint8)


def working(number: int, *, x: int, y: int, seed: int = 0, noise: int = 0) -> Image:
    """The room with a bright hand that goes to and fro around (x, y)."""
    grey = room(seed=seed, noise=noise, number=number)
    left = x + (number % 5) * 4 - 8 - HAND // 2
    grey[y - HAND // 2 : y + HAND // 2, left : left + HAND] = 250
    return grey


def box_of(greys: list[Image], *, sample: int, reach: int = 24) -> Box:
    meter = MotionBoxMeter(reach=reach)
    for grey in greys:
        meter.add(grey)
    return meter.box(sample)


def middle(box: Box) -> tuple[float, float]:
    return (box.left + box.right) / 2 * WIDTH, (box.top + box.bottom) / 2 * HEIGHT


@pytest.mark.parametrize("noise", [0, 3])
@pytest.mark.parametrize(("x", "y"), [(50, 40), (120, 70)])
def test_the_box_lies_around_what_moves(x: int, y: int, noise: int) -> None:
    box = box_of([working(n, x=x, y=y, noise=noise) for n in range(40)], sample=20)
    assert middle(box) == pytest.approx((x, y), abs=8)
    assert (box.right - box.left) * WIDTH == pytest.approx((box.bottom - box.top) * HEIGHT)
    assert (box.right - box.left) < 0.5


def test_the_box_does_not_depend_on_the_room() -> None:
    here, there = (box_of([working(n, x=60, y=50, seed=s) for n in range(40)], sample=20) for s in (0, 9))
    assert middle(here) == pytest.approx(middle(there), abs=2)


def test_the_box_follows_the_work() -> None:
    greys = [working(n, x=40, y=50) for n in range(40)] + [working(n, x=120, y=50) for n in range(40)]
    before, after = (box_of(greys, sample=sample, reach=12) for sample in (10, 70))
    assert middle(before)[0] == pytest.approx(40, abs=8)
    assert middle(after)[0] == pytest.approx(120, abs=8)


def test_a_cut_to_another_room_is_no_motion() -> None:
    greys = [working(n, x=60, y=50) for n in range(20)] + [working(n, x=60, y=50, seed=5) for n in range(20)]
    with_cut = box_of(greys, sample=20)
    without = box_of([working(n, x=60, y=50) for n in range(40)], sample=20)
    assert middle(with_cut) == pytest.approx(middle(without), abs=2)


def test_where_nothing_moves_the_box_is_the_whole_picture() -> None:
    assert box_of([room()] * 20, sample=10) == Box(0, 0, 1, 1)
    assert box_of([room()], sample=0) == Box(0, 0, 1, 1)


def test_pairs_further_away_than_the_reach_do_not_count() -> None:
    near = [working(n, x=60, y=50) for n in range(25)]
    far = [working(n, x=120, y=80) for n in range(25)]
    assert box_of([*near, *far], sample=10, reach=10) == box_of(near, sample=10, reach=10)


@given(
    st.lists(st.tuples(st.integers(8, 151), st.integers(8, 97)), min_size=1, max_size=12),
    st.integers(0, 30),
)
def test_a_box_lies_inside_the_picture(places: list[tuple[int, int]], sample: int) -> None:
    greys = [room()]
    for x, y in places:
        grey = room()
        grey[y - 8 : y + 8, x - 8 : x + 8] = 255
        greys.append(grey)
    box = box_of(greys, sample=sample)
    assert 0 <= box.left < box.right <= 1 + 1e-9
    assert 0 <= box.top < box.bottom <= 1 + 1e-9
    part = box.of(np.zeros((224, 336, 3), dtype=np.uint8))
    assert min(part.shape[:2]) >= 224 * 0.24


def test_even_of_one_pixel_something_is_left() -> None:
    assert Box(0.4, 0.4, 0.6, 0.6).of(np.zeros((1, 1, 3), dtype=np.uint8)).shape == (1, 1, 3)
