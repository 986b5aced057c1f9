"""Copies of a take are found, other takes of the same scene are not."""

from __future__ import annotations

import numpy as np
import pytest

from sopilot_assets.embedding.clips import ClipEmbedding
from sopilot_assets.errors import StudyError
from sopilot_assets.studies.near_duplicates import Take, motion_match, near_duplicate_groups, summarised

LENGTH_S, STRIDE_S, STEP_S = 2.0, 0.5, 0.125
FEATURES = 60


def performance(
    seed: int, *, scene: int = 0, start_s: float = 0.0, end_s: float = 40.0, noise: float = 0.2
) -> ClipEmbedding:
    """The part of a take from ``start_s`` to ``end_s`` as a model could see it: each scene has six looks, the
    take is in each of them for a while of its own, and moves in its own way. ``noise`` is the encoder's.
    """
    take = np.random.default_rng(seed)
    looks = np.random.default_rng(1000 + scene).standard_normal((6, FEATURES))
    borders = np.cumsum(take.uniform(4, 9, 5))
    times = np.arange(0.0, 40.0, STRIDE_S)
    detail = np.cumsum(take.standard_normal((times.size, FEATURES)), axis=0) * 0.1
    clips = looks[np.searchsorted(borders, times)] + detail
    moves = np.exp(take.standard_normal(320) + 2)
    move_times = np.arange(1, 321) * STEP_S
    shown = (times >= start_s) & (times + LENGTH_S <= end_s)
    moving = (move_times > start_s) & (move_times <= end_s)
    encoder = np.random.default_rng(seed + 5000 + int(start_s * 10))
    features = clips[shown] + noise * encoder.standard_normal((int(shown.sum()), FEATURES))
    return ClipEmbedding(
        model_id="model-1",
        clip_start_s=times[shown] - times[shown][0],
        clip_length_s=LENGTH_S,
        duration_s=end_s - start_s,
        blocks={"final": features[:, :30].astype(np.float32), "mid": features[:, 30:].astype(np.float32)},
        still_time_s=move_times[moving] - start_s,
        stillness=(moves[moving] * np.exp(noise * encoder.standard_normal(int(moving.sum())))).astype(
            np.float32
        ),
        reader="none",
    )


def take(name: str, seed: int, **how: float) -> Take:
    """A named take, see `performance`."""
    return summarised(name, performance(seed, **how))


def test_a_copy_and_both_of_its_halves_are_one_group() -> None:
    takes = [
        take("whole", 1),
        take("coarse", 1, noise=0.3),
        take("first", 1, end_s=24.0),
        take("last", 1, start_s=16.5),
        take("other", 2),
    ]
    found = near_duplicate_groups(takes)
    assert found == dict.fromkeys(["coarse", "first", "last", "whole"], "coarse")
    assert found == near_duplicate_groups(takes[::-1])


def test_other_takes_of_the_same_scene_are_not_copies() -> None:
    assert near_duplicate_groups([take(f"t{seed:02d}", seed) for seed in range(30)]) == {}


def test_many_takes_with_few_copies_are_told_apart() -> None:
    takes = [take(f"t{seed:03d}", seed, scene=seed % 7) for seed in range(120)]
    copies = [
        take(f"z{seed:03d}", seed, scene=seed % 7, start_s=5.0, end_s=36.0) for seed in range(0, 120, 20)
    ]
    found = near_duplicate_groups([*takes, *copies])
    expected = {f"{kind}{seed:03d}": f"t{seed:03d}" for seed in range(0, 120, 20) for kind in "tz"}
    assert found == expected


def test_a_match_says_how_much_later_the_other_shows_it() -> None:
    correlation, later_s = motion_match(take("last", 1, start_s=10.0), take("whole", 1))
    assert later_s == pytest.approx(10.0, abs=STEP_S)
    assert correlation > 0.9


def test_frozen_and_very_short_recordings_are_nobodys_copy() -> None:
    frozen = performance(1)
    still = ClipEmbedding(
        model_id=frozen.model_id,
        clip_start_s=frozen.clip_start_s,
        clip_length_s=LENGTH_S,
        duration_s=40.0,
        blocks=frozen.blocks,
        still_time_s=frozen.still_time_s,
        stillness=np.zeros_like(frozen.stillness),
        reader="none",
    )
    takes = [summarised("a", still), summarised("b", still), take("c", 3, end_s=3.0), take("d", 3, end_s=3.0)]
    assert near_duplicate_groups(takes) == {}


def test_no_recordings_have_no_groups() -> None:
    assert near_duplicate_groups([]) == {}


def test_takes_of_two_models_or_one_name_are_refused() -> None:
    one = take("a", 1)
    with pytest.raises(StudyError, match="each recording once, found 1 again"):
        near_duplicate_groups([one, one])
    other = Take("b", "model-2", one.rows, one.stride_s, one.motion)
    with pytest.raises(StudyError, match="of one model, found model-1, model-2"):
        near_duplicate_groups([one, other])
