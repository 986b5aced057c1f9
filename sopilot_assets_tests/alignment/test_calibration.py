"""A reference's golds say how reliable it is, whatever order they come in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopilot_assets.alignment.align import align
from sopilot_assets.alignment.calibration import KINDS, MOST_EDITED, Calibration, Tally, calibrate
from sopilot_assets.alignment.explanations import Prices
from sopilot_assets.alignment.spans import EditKind
from sopilot_assets.embedding.clips import ClipEmbedding
from sopilot_assets.reference.evidence import MOST_FOLDS
from sopilot_assets.reference.model import Gold, build_reference
from sopilot_assets_tests.reference.made_up import STEP_IDS, embedding, gold, in_order


def calibrated(golds: Sequence[Gold]) -> Calibration:
    return calibrate(build_reference("job", STEP_IDS, golds))


@pytest.fixture(scope="module")
def golds() -> list[Gold]:
    return [gold(number) for number in range(3)]


@pytest.fixture(scope="module")
def clean(golds: list[Gold]) -> Calibration:
    return calibrated(golds)


def found_share(calibration: Calibration) -> float:
    return sum(t.found for t in calibration.tallies) / sum(t.cases for t in calibration.tallies)


def test_the_order_of_golds_and_a_gold_given_twice_change_nothing(
    golds: list[Gold], clean: Calibration
) -> None:
    video = embedding([(0, 5.0), (2, 5.0), (1, 4.0), (3, 6.0)], seed=44, person=6)
    plain = align("x", video, build_reference("job", STEP_IDS, golds), prices=clean.prices)
    for others in ([golds[2], golds[0], golds[1]], [*golds, golds[1]]):
        reference = build_reference("job", STEP_IDS, others)
        again = calibrate(reference)
        assert again == clean
        assert align("x", video, reference, prices=again.prices).edits == plain.edits


def test_of_many_persons_several_are_left_out_together_whatever_order_they_come_in() -> None:
    many = [gold(number, person=f"person_{number:02d}", noise=0.8) for number in range(MOST_FOLDS + 2)]
    plain = calibrated(many)
    shuffled = [many[place] for place in np.random.default_rng(1).permutation(len(many))]
    copy = replace(many[2], video_id="f" * 12, embedding=shaken(many[2].embedding))
    assert calibrated([*shuffled, copy, many[5]]) == plain
    assert plain.held_out == "person"
    assert all(t.golds == len(many) for t in plain.tallies)
    assert {t.cases for t in plain.tallies if t.kind is EditKind.MISSING} == {MOST_EDITED}


@given(order=st.permutations(range(4)), twice=st.sampled_from(range(4)))
@settings(max_examples=5, deadline=None)
def test_any_order_of_golds_and_any_doubled_one_calibrate_alike(order: list[int], twice: int) -> None:
    short = [gold(n, person=f"person_{n}", shown=in_order(0, 1, 2, 3, seconds=3.0)) for n in range(4)]
    assert calibrated([*(short[place] for place in order), short[twice]]) == calibrated(short)


def shaken(embedded: ClipEmbedding) -> ClipEmbedding:
    """The embedding as a copy encoded anew would have it."""
    rng = np.random.default_rng(0)
    blocks = {
        name: block + rng.normal(scale=0.02, size=block.shape).astype(np.float32)
        for name, block in embedded.blocks.items()
    }
    return replace(embedded, blocks=blocks)


def test_clear_golds_find_nearly_every_edit_and_invent_none(clean: Calibration) -> None:
    assert clean.held_out == "person"
    assert {(t.kind, t.step) for t in clean.tallies} == {
        (kind, step) for kind in KINDS if kind is not EditKind.PARTIAL for step in range(len(STEP_IDS))
    }
    assert found_share(clean) >= 0.8
    assert sum(t.invented for t in clean.tallies) == 0
    assert all(t.golds == 3 for t in clean.tallies)
    cases = {(t.kind, t.step): t.cases for t in clean.tallies}
    for step in range(len(STEP_IDS)):
        assert cases[EditKind.MISSING, step] == 3
        assert cases[EditKind.SWAP, step] == 3 * (len(STEP_IDS) - 1)
    assert all(floor is not None and -3.0 < floor < 0.0 for floor in clean.floor)


def test_prices_are_near_the_defaults(clean: Calibration) -> None:
    plain = Prices()
    for name in ("missing", "swap", "wrong", "extra", "long", "partial"):
        price = getattr(clean.prices, name)
        assert math.isfinite(price)
        assert -4.0 <= price - getattr(plain, name) <= 8.0
    assert 0.2 < clean.prices.scale < 2.8
    assert (clean.prices.idle, clean.prices.idle_clip) == (plain.idle, plain.idle_clip)


def test_noisy_golds_find_less(clean: Calibration) -> None:
    noisy = calibrated([gold(number, noise=2.5) for number in range(3)])
    assert found_share(noisy) < found_share(clean) - 0.1
    floors = zip(noisy.floor, clean.floor, strict=True)
    assert all(n is not None and c is not None and n < c for n, c in floors)


def test_golds_of_one_person_are_left_out_one_by_one(golds: list[Gold]) -> None:
    assert calibrated([replace(one, person="ann") for one in golds[:2]]).held_out == "gold"


def test_a_single_gold_calibrates_nothing(golds: list[Gold]) -> None:
    alone = calibrated(golds[:1])
    assert (alone.held_out, alone.prices, alone.tallies) == ("nothing", Prices(), ())
    assert alone.floor == (None,) * len(STEP_IDS)
    assert alone.tallies == ()


def test_a_step_that_only_one_person_shows_is_no_obstacle(golds: list[Gold]) -> None:
    lacking = gold(5, shown=in_order(0, 1, 3))
    calibration = calibrated([golds[0], lacking])
    # the one cannot be compared with a gold that lacks a step, and the other's right explanation is not known
    assert (calibration.held_out, calibration.prices, calibration.tallies) == ("nothing", Prices(), ())


def test_golds_that_need_each_other_for_a_step_calibrate_nothing() -> None:
    halves = [gold(4, shown=in_order(0, 1, 3)), gold(5, shown=in_order(0, 2, 3))]
    calibration = calibrated(halves)
    assert (calibration.held_out, calibration.prices, calibration.tallies) == ("nothing", Prices(), ())
    assert calibration.floor == (None,) * len(STEP_IDS)


@pytest.mark.parametrize(("golds_seen", "invented"), [(0, 0), (3, 0), (3, 3), (40, 0)])
def test_few_golds_say_little_about_what_is_invented(golds_seen: int, invented: int) -> None:
    upper = Tally(EditKind.MISSING, 0, 1, 1, golds_seen, invented).invented_upper
    assert invented / max(golds_seen, 1) <= upper <= 1.0
    assert (upper < 0.1) == (golds_seen == 40)
