"""Sampling that begins later: another look at the same recording, in the same time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

from sopilot_assets.embedding.backends import load_embedder
from sopilot_assets.embedding.clips import clip_starts, embedding_bytes
from sopilot_assets.errors import ConfigError

SECONDS = 9.3


@given(st.floats(0.05, 600), st.floats(0, 1), st.sampled_from([(2.0, 0.5), (4.0, 4.0)]))
def test_shifted_clips_cover_the_rest_of_the_video(
    duration_s: float, share: float, grid: tuple[float, float]
) -> None:
    length_s, stride_s = grid
    phase_s = 0.9 * share * duration_s
    starts = clip_starts(duration_s, length_s=length_s, stride_s=stride_s, phase_s=phase_s)
    assert starts[0] == phase_s
    assert starts[-1] < duration_s
    assert starts[-1] + length_s >= duration_s - 0.051
    np.testing.assert_allclose(np.diff(starts), stride_s)


@pytest.mark.parametrize("phase_s", [-0.1, SECONDS, 20.0])
def test_a_phase_outside_of_the_video_is_refused(phase_s: float) -> None:
    with pytest.raises(ConfigError, match=r"sampling phase .* expected 0 up to less than the video, 9\.30"):
        clip_starts(SECONDS, length_s=2.0, stride_s=0.5, phase_s=phase_s)


@pytest.mark.parametrize("name", ["lite0_box", "lite0_flow", "color_motion"])
def test_a_shifted_embedding_begins_later_and_shows_other_pictures(
    tmp_path: Path, tiny_video: Callable[..., Path], name: str
) -> None:
    path = tiny_video(tmp_path / "a.mp4", seconds=SECONDS)
    embedder = load_embedder(name, models=UPath(tmp_path))
    made, shifted = embedder.embed(path), embedder.embed(path, phase_s=0.0625)
    assert embedding_bytes(made) == embedding_bytes(embedder.embed(path, phase_s=0.0))
    assert shifted.clip_start_s[0] == 0.0625
    assert shifted.duration_s == made.duration_s
    assert shifted.model_id == made.model_id
    assert shifted.still_time_s[0] == pytest.approx(made.still_time_s[0] + 0.0625)
    for block, features in made.blocks.items():
        common = min(len(features), len(shifted.blocks[block]))
        assert not np.array_equal(features[:common], shifted.blocks[block][:common])
