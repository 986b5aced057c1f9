"""The baseline's scoring on clips made by hand: each number can be recomputed on paper."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopilot_assets.bench.old_scoring import (
    OldClips,
    OldDeviation,
    annotated_step,
    describe_old,
    old_comparison,
    old_result,
    step_boundaries,
)
from sopilot_assets.errors import GoldError
from sopilot_assets.reference.annotations import StepInterval
from sopilot_assets.scoring.result import Decision
from sopilot_assets.segments import Segment
from sopilot_assets.tasks import DeviationType, Severity


def clips(directions: Sequence[float], *, clip_s: float = 4.0) -> OldClips:
    """Unit rows in a plane, by their angle in degrees: the distance of two is 1 - cos of the difference."""
    angles = np.radians(np.asarray(directions, dtype=np.float64))
    starts = clip_s * np.arange(len(angles), dtype=np.float64)
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    return OldClips(rows=rows, start_s=starts, end_s=starts + clip_s)


def kinds(deviations: Sequence[OldDeviation]) -> list[tuple[str, int | None]]:
    return [(deviation.type.value, deviation.step_index) for deviation in deviations]


GOLD = clips([0, 0, 0, 90, 90, 90, 180, 180, 180])


def test_boundaries_lie_at_leaps_of_at_least_mean_plus_one_standard_deviation() -> None:
    # distances 0 0 1 0 0 1 0 0: mean 0.25, standard deviation 0.433
    assert step_boundaries(GOLD.rows) == (3, 6)


def test_boundaries_keep_two_clips_apart() -> None:
    # leaps at clips 4, 5 and 6: the one at 5 is too near to 4
    assert step_boundaries(clips([0, 0, 0, 0, 90, 180, 270, *[270] * 12]).rows) == (4, 6)


def test_one_clip_has_no_boundaries() -> None:
    assert step_boundaries(clips([0]).rows) == ()


def test_the_same_work_passes_with_all_points() -> None:
    found = old_comparison(GOLD, GOLD)
    assert (found.score, found.decision, found.deviations) == (100.0, Decision.PASS, ())
    assert found.boundaries == (3, 6)
    assert found.continuous_score == 0.0
    assert (found.legacy_binary, found.guarded_binary_v1, found.continuous_v1) == (False, False, False)


def test_a_step_squeezed_into_one_clip_is_missing() -> None:
    # the middle segment's three clips fall on one clip, which shows them well: cost 0, as the guards note
    found = old_comparison(GOLD, clips([0, 0, 0, 90, 180, 180, 180]))
    [missing] = found.deviations
    assert (missing.type, missing.severity) == (DeviationType.MISSING_STEP, Severity.CRITICAL)
    assert (missing.step_index, missing.start_s, missing.end_s) == (1, 12.0, 16.0)
    assert (missing.unique_positions, missing.gold_span_clips, missing.expected_span_clips) == (1, 3, 2)
    assert found.score == pytest.approx(100 * (1 - 0.40 / 3), abs=0.005)
    assert found.decision is Decision.FAIL
    assert found.continuous_score == pytest.approx(1 - math.exp(-2.7), abs=1e-6)
    assert (found.legacy_binary, found.guarded_binary_v1, found.continuous_v1) == (True, False, True)


def test_the_second_guard_asks_for_a_near_match_that_collapsed() -> None:
    gold = clips([0] * 10 + [90] * 2)
    # two gold clips on one, 60 degrees away: cost 0.5 each
    far = old_comparison(gold, clips([0] * 10 + [30]))
    # expected length round(2 x 11 / 12) = 2 > 1.5, and the distance is above 0.11 as well
    assert (far.guarded_binary_v1, far.guarded_binary_v2) == (True, False)
    near = old_comparison(gold, clips([20] * 5 + [70]))
    # expected length 1, distance 1 - cos 20 degrees = 0.06; all twelve pairs cost that
    assert near.deviations[0].mean_distance == pytest.approx(1 - math.cos(math.radians(20)), abs=1e-6)
    assert near.deviations[0].expected_span_clips == 1
    assert (near.guarded_binary_v1, near.guarded_binary_v2) == (True, True)


def test_an_unlike_step_is_a_deviation_of_quality() -> None:
    found = old_comparison(GOLD, clips([0, 0, 0, 90, 90, 90, 240, 240, 240]))
    [other] = found.deviations
    assert (other.type, other.severity, other.step_index) == ("step_deviation", "quality", 2)
    assert other.mean_distance == pytest.approx(0.5, abs=1e-6)
    assert (other.start_s, other.end_s) == (24.0, 36.0)
    assert found.score == pytest.approx(100 * (1 - 0.25 / 3), abs=0.005)
    assert found.dtw_normalized_cost == pytest.approx(1.5 / 9, abs=1e-6)
    assert found.continuous_score == pytest.approx(
        1 - math.exp(-(0.35 + 0.15 + 3 * (1.5 / 9 - 0.08))), abs=1e-5
    )


@pytest.mark.parametrize(
    ("factor", "ratio", "penalty"), [(1, 0.0, 0.0), (2, 1.0, 0.10), (3, 2.0, 0.15), (4, 3.0, 0.15)]
)
def test_time_costs_points_up_to_one_and_a_half_times_too_long(
    factor: int, ratio: float, penalty: float
) -> None:
    found = old_comparison(GOLD, clips(np.repeat([0, 90, 180], 3 * factor).tolist()))
    assert found.over_time_ratio == ratio
    assert found.score == pytest.approx(100 * (1 - penalty))
    assert kinds(found.deviations) == ([("over_time", None)] if factor > 1 else [])
    expected = 0.15 + 0.8 * (ratio - 0.2) if factor > 1 else 0.0
    assert found.continuous_score == pytest.approx(1 - math.exp(-expected), abs=1e-6)


def test_unlike_work_in_every_step_still_passes() -> None:
    gold = clips(np.repeat([0, 120, 240], 3).tolist())
    found = old_comparison(gold, clips(np.repeat([50, 170, 290], 3).tolist()))
    assert kinds(found.deviations) == [("step_deviation", 0), ("step_deviation", 1), ("step_deviation", 2)]
    assert (found.score, found.decision) == (75.0, Decision.PASS)


def test_the_gold_with_the_lowest_cost_speaks() -> None:
    near, far = GOLD, clips([45, 45, 45, 135, 135, 135, 225, 225, 225])
    trainee = clips([5, 5, 5, 95, 95, 95, 185, 185, 185])
    steps = [[StepInterval(7, Segment(0, 36))], [StepInterval(8, Segment(0, 36))]]
    found = old_result([far, near], trainee, gold_steps=steps)
    assert found.gold == 1
    assert found.dtw_normalized_cost == old_comparison(near, trainee).dtw_normalized_cost
    assert old_result([near, near], trainee).gold == 0


def test_without_golds_there_is_no_result() -> None:
    with pytest.raises(GoldError, match="at least one"):
        old_result([], GOLD)


def test_a_segment_is_named_by_the_annotated_step_that_shares_most_time() -> None:
    steps = [
        StepInterval(0, Segment(0, 13)),
        StepInterval(1, Segment(13, 23)),
        StepInterval(2, Segment(23, 30)),
    ]
    trainee = clips([0, 0, 0, 90, 90, 90, 240, 240, 240])
    [other] = old_comparison(GOLD, trainee, gold_steps=steps).deviations
    assert (other.step_index, other.step) == (2, 2)
    assert annotated_step(Segment(12, 24), steps) == 1
    assert annotated_step(Segment(30, 36), steps) is None
    assert annotated_step(Segment(10, 16), steps) == 0  # three seconds of both: the first


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 359), min_size=1, max_size=15),
    st.lists(st.integers(0, 359), min_size=1, max_size=15),
)
def test_laws_of_every_comparison(gold: list[int], trainee: list[int]) -> None:
    found = old_comparison(clips(gold), clips(trainee))
    assert 45.0 <= found.score <= 100.0  # a segment is missing or deviates, not both; time costs at most 15
    assert 0.0 <= found.continuous_score <= 1.0
    assert found.guarded_binary_v2 <= found.guarded_binary_v1 <= found.legacy_binary
    assert (found.decision is Decision.FAIL) == found.legacy_binary
    assert found.over_time_ratio == pytest.approx(max(0.0, len(trainee) / len(gold) - 1), abs=1e-4)
    for deviation in found.deviations:
        assert 0.0 <= deviation.start_s < deviation.end_s <= 4.0 * len(trainee)


def test_a_video_is_described_by_clips_of_four_seconds(
    tmp_path: Path, tiny_video: Callable[..., Path]
) -> None:
    path = tiny_video(tmp_path / "a.mp4", seconds=9.0)
    found = describe_old(path)
    assert found.rows.shape == (3, 12)
    assert found.start_s.tolist() == [0.0, 4.0, 8.0]
    assert found.end_s[:2].tolist() == [4.0, 8.0]
    assert found.end_s[2] == pytest.approx(9.0, abs=0.1)
    assert old_comparison(found, found).score == 100.0
