"""Pictures that are shown: faces and regions are filled, the rest is as it was filmed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sopilot_assets.privacy import covering as module
from sopilot_assets.privacy.covering import UNCOVERED, Covering, covered, face_tracks, shown_frames
from sopilot_assets.privacy.tracks import covered_at
from sopilot_assets.tasks import MaskedRegion
from sopilot_assets.video.frames import frames_at
from sopilot_assets.video.probe import read_index
from sopilot_assets_tests.privacy.faces import middle_of_face, with_portrait

SIZE = (160, 120)
PLAIN = np.array([128, 128, 128])
CORNER = MaskedRegion(left=0.75, top=0.0, width=0.25, height=0.5)


@pytest.fixture(scope="module")
def passing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds in which a face goes from left to right, and is hidden in the middle second."""
    from sopilot_assets_tests.video.tiny import write_tiny_video

    def picture(number: int, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return image if 10 <= number < 20 else with_portrait(image, **place(number / 10))

    path = tmp_path_factory.mktemp("passing") / "a.mp4"
    return write_tiny_video(path, seconds=3.0, fps=10, size=SIZE, picture=picture)


def place(time_s: float) -> dict[str, int]:
    """Where the portrait is at a time."""
    return {"left": 10 + round(10 * time_s), "top": 15, "height": 70}


def shown(path: Path, times_s: list[float], what: Covering, short_side: int = 120) -> NDArray[np.uint8]:
    index = read_index(path)
    chunks = shown_frames(path, index, np.array(times_s), short_side=short_side, covering=what)
    return np.concatenate([chunk.images for chunk in chunks])


def test_a_face_is_filled_and_the_rest_stays(passing: Path) -> None:
    times_s = [0.2, 2.6]
    before, after = shown(passing, times_s, UNCOVERED), shown(passing, times_s, Covering(faces=True))
    for time_s, one, other in zip(times_s, before, after, strict=True):
        row, column = middle_of_face(**place(time_s))
        assert (other[row - 14 : row + 14, column - 9 : column + 9] == PLAIN).all()
        assert not (one[row, column] == PLAIN).all()
        assert (one[:, 130:] == other[:, 130:]).all()
        assert (one[100:] == other[100:]).all()


def test_where_the_face_is_not_found_it_is_covered_too(passing: Path) -> None:
    (after,) = shown(passing, [1.5], Covering(faces=True))
    row, column = middle_of_face(**place(1.5))
    assert (after[row, column] == PLAIN).all()


def test_nothing_covered_is_what_was_filmed(passing: Path) -> None:
    times_s = np.array([0.0, 1.5, 2.9])
    index = read_index(passing)
    filmed = np.concatenate([chunk.images for chunk in frames_at(passing, index, times_s, short_side=60)])
    assert (shown(passing, list(times_s), UNCOVERED, short_side=60) == filmed).all()


def test_a_region_is_filled_at_any_size_also_where_no_face_is(passing: Path) -> None:
    for short_side in (120, 60, 33):
        before = shown(passing, [1.5], UNCOVERED, short_side)[0]
        after = shown(passing, [1.5], Covering(regions=(CORNER,)), short_side)[0]
        height, width = after.shape[:2]
        top, left = round(height / 2), int(width * 0.75)
        assert (after[:top, left:] == PLAIN).all()
        assert (after[:, : left - 1] == before[:, : left - 1]).all()


def test_one_moment_is_covered_as_it_is_in_the_whole_video(passing: Path) -> None:
    index = read_index(passing)
    whole = face_tracks(passing, index, index.sample_times(rate_hz=10))
    for time_s in (0.1, 1.5, 2.9):
        alone = face_tracks(passing, index, np.array([time_s]))
        assert covered_at(alone, time_s) == pytest.approx(covered_at(whole, time_s))


def test_faces_beyond_the_edge_are_covered_as_far_as_they_are_seen() -> None:
    picture = np.zeros((50, 50, 3), np.uint8)
    made = covered(picture, np.array([[-0.2, -0.2, 0.2, 0.2]]))
    assert (made[0, 0] == PLAIN).all()
    assert not made[20:].any()
    assert not picture.any()


def test_names_of_files_tell_what_is_covered(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = [Covering(True), Covering(regions=(CORNER,)), Covering(True, (CORNER,))]
    tags = [one.tag for one in kinds]
    assert UNCOVERED.tag == ""
    assert len({*tags, ""}) == 4
    assert Covering(True).tag == tags[0]
    monkeypatch.setattr(module, "RECIPE", module.RECIPE + 1)
    assert not {one.tag for one in kinds} & set(tags)
