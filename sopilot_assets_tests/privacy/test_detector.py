"""The face detector finds real faces, and its answer is read as its paper says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sopilot_assets.privacy.detector import decoded, faces
from sopilot_assets_tests.privacy.faces import FACE, with_portrait
from sopilot_assets_tests.video.tiny import bench_picture


@pytest.mark.parametrize("height", [48, 100])
def test_a_real_face_is_found_where_it_is(height: int) -> None:
    picture = with_portrait(bench_picture(0, size=(210, 130)), left=60, top=20, height=height)
    (found,) = faces(picture, at_least=0.4)
    width = height * 240 / 260
    wanted = np.array([60, 20] * 2) + np.array(FACE) * np.array([width, height] * 2)
    assert np.abs(found[:4] - wanted).max() < height / 8
    assert 0.4 <= found[4] <= 1


def test_a_bench_has_no_face() -> None:
    assert faces(bench_picture(3, size=(160, 120)), at_least=0.3).shape == (0, 5)


def test_the_answer_is_a_middle_and_the_logarithm_of_a_size_in_cells() -> None:
    heat, scale, offset = (np.zeros(shape, np.float32) for shape in ((8, 8), (2, 8, 8), (2, 8, 8)))
    heat[2, 5] = 0.8
    scale[:, 2, 5] = np.log([3, 2])  # cells high and wide
    offset[:, 2, 5] = 0.25, -0.5  # down and across
    (found,) = decoded(heat, scale, offset, size=(32, 32), at_least=0.5)
    row, column = (2 + 0.25 + 0.5) * 4, (5 - 0.5 + 0.5) * 4
    assert found == pytest.approx([column - 4, row - 6, column + 4, row + 6, 0.8], abs=1e-5)
    assert decoded(heat, scale, offset, size=(32, 32), at_least=0.9).shape == (0, 5)


def test_of_boxes_on_one_face_the_surest_counts_and_all_stay_within_the_picture() -> None:
    heat, scale, offset = (np.zeros(shape, np.float32) for shape in ((8, 8), (2, 8, 8), (2, 8, 8)))
    scale[:] = np.log(4)
    heat[0, 0], heat[0, 1], heat[6, 6] = 0.6, 0.9, 0.5
    found = decoded(heat, scale, offset, size=(30, 30), at_least=0.4)
    assert found[:, 4] == pytest.approx([0.9, 0.5])
    assert found[0, :4] == pytest.approx([0, 0, 14, 10])
    assert found[1, :4] == pytest.approx([18, 18, 30, 30])


def test_what_runs_the_networks_sends_nothing_home(tmp_path: Path) -> None:
    # where it takes itself for tested it sends nothing anyway; else the cache keeps what it is going to send
    environment = {name: value for name, value in os.environ.items() if name != "CI" and "PYTEST" not in name}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    look = (
        "import numpy as np; from sopilot_assets.privacy.detector import faces; "
        "faces(np.zeros((64, 64, 3), np.uint8), at_least=1.0)"
    )
    subprocess.run([sys.executable, "-c", look], check=True, env=environment, timeout=120)
    assert [path for path in tmp_path.rglob("*") if "onnxruntime" in str(path)] == []
