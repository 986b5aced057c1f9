"""What intake makes of files as devices write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sopilot_assets.capture import examine as examining
from sopilot_assets.capture.examine import examine, reason_of
from sopilot_assets.capture.reasons import Reason
from sopilot_assets.errors import JoinedVideo
from sopilot_assets.tasks.spec import QualityGate
from sopilot_assets_tests.video.made import remuxed, with_empty_chunks
from sopilot_assets_tests.video.tiny import write_tiny_video

GATE = QualityGate(enabled=False)


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("sound_s", [6.0, 12.0])
def test_longer_sound_is_no_damage(container: str, sound_s: float, tmp_path: Path) -> None:
    source = write_tiny_video(tmp_path / "a.mp4", seconds=4, options={"bf": "0"})
    found = examine(str(remuxed(source, tmp_path / f"b.{container}", sound_s=sound_s)), GATE)
    assert (found.problem, found.damaged_share, found.flags) == (None, 0.0, ())


@pytest.mark.parametrize("container", ["mkv", "ts"])
def test_a_clock_that_begins_late_is_no_damage(container: str, tmp_path: Path) -> None:
    source = write_tiny_video(tmp_path / "a.mp4", seconds=4, options={"bf": "0"})
    found = examine(str(remuxed(source, tmp_path / f"b.{container}", first_s=60)), GATE)
    assert (found.problem, found.damaged_share) == (None, 0.0)


def test_what_an_edit_list_cuts_off_is_no_damage(tmp_path: Path) -> None:
    options = {"bf": "0", "g": "10"}
    source = write_tiny_video(tmp_path / "a.mp4", seconds=10, options=options)
    found = examine(str(remuxed(source, tmp_path / "b.mp4", first_s=-6.5)), GATE)
    assert (found.problem, found.damaged_share, found.flags) == (None, 0.0, ())
    assert found.probe.duration_s == pytest.approx(3.5)


@pytest.mark.parametrize("bf", ["0", "2"])
def test_empty_packets_in_avi_are_no_damage(bf: str, tmp_path: Path) -> None:
    source = write_tiny_video(tmp_path / "a.avi", seconds=6, fps=5, codec="mpeg4", options={"bf": bf})
    found = examine(str(with_empty_chunks(source, tmp_path / "b.avi", fps=25, empty=4)), GATE)
    assert (found.problem, found.damaged_share) == (None, 0.0)
    assert found.probe.duration_s == pytest.approx(6, abs=0.2)


def test_a_long_recording_with_one_key_frame_is_examined_in_its_first_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examining, "MOST_DECODED_PIXELS", 160 * 120 * 150)

    def darkening(number: int, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.full_like(image, 200 if number < 150 else 20)

    options = {"preset": "ultrafast", "x264-params": "keyint=infinite:scenecut=0"}
    path = write_tiny_video(tmp_path / "a.mp4", seconds=60, fps=10, picture=darkening, options=options)
    found = examine(str(path), GATE)
    assert (found.problem, found.damaged_share) == (None, 0.0)
    assert found.probe.duration_s == pytest.approx(60)
    assert found.quality.brightness > 180


def test_joined_recordings_have_a_reason_of_their_own() -> None:
    assert reason_of(JoinedVideo("twice")) is Reason.TIME_RUNS_BACK
