from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sopilot_assets.embedding.flow import (
    GRID,
    ORIENTATIONS,
    FlowMeter,
    boundary_histogram,
    flow_histogram,
    relative_flow,
)

Field = NDArray[np.float32]


def field_of(x: float, y: float) -> Field:
    """A field (48, 48, 2) that moves in its upper left ninth only."""
    field = np.zeros((48, 48, 2), dtype=np.float32)
    field[:16, :16] = x, y
    return field


@pytest.mark.parametrize(("x", "y", "orientation"), [(2, 0, 0), (0, 2, 2), (-2, 0, 4), (0, -2, 6), (1, 1, 1)])
def test_motion_falls_into_its_orientation_and_cell(x: float, y: float, orientation: int) -> None:
    histogram = flow_histogram(field_of(x, y)).reshape(GRID * GRID, ORIENTATIONS + 1)
    assert histogram[0, :ORIENTATIONS].argmax() == orientation
    assert histogram[0, orientation] == pytest.approx(np.hypot(x, y), rel=1e-3)
    assert histogram[0, -1] == 0
    assert histogram[1:, -1].tolist() == [1.0] * (GRID * GRID - 1)


def test_an_orientation_just_below_a_full_turn_is_shared_with_the_first() -> None:
    angle = np.deg2rad(-22.5)
    histogram = flow_histogram(field_of(float(np.cos(angle)), float(np.sin(angle))))
    assert histogram[[0, 7]] == pytest.approx([0.5, 0.5], abs=1e-3)


def test_a_moving_camera_is_not_motion() -> None:
    moved = np.repeat(field_of(3, 1), 2, axis=0).repeat(2, axis=1) + np.array([5, -2], dtype=np.float32)
    np.testing.assert_allclose(
        flow_histogram(relative_flow(moved)), flow_histogram(field_of(3, 1)), atol=1e-5
    )


def test_an_even_motion_has_no_boundaries() -> None:
    assert boundary_histogram(np.full((30, 30, 2), 2, dtype=np.float32)).max() == 0
    assert boundary_histogram(field_of(2, 0)).max() > 0


def test_a_video_of_one_frame_has_empty_motion() -> None:
    meter = FlowMeter()
    meter.add(0.0, np.zeros((60, 160), dtype=np.uint8))
    blocks = meter.blocks(np.array([0.0]), length_s=2.0)
    assert {name: block.shape for name, block in blocks.items()} == {
        "hof": (1, 81),
        "hof_whole": (1, 9),
        "mbh": (1, 144),
        "mbh_whole": (1, 16),
    }
    assert all(not block.any() for block in blocks.values())
