"""What of a picture is covered before anybody sees it, and the one way to pictures that are shown."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.privacy.tracks import (
    GAP_S,
    LIKELY,
    RATE_HZ,
    Boxes,
    FaceTrack,
    Sighting,
    covered_at,
    linked,
)
from sopilot_assets.tasks import MaskedRegion
from sopilot_assets.video.frames import FrameChunk, FrameStream, frames_at
from sopilot_assets.video.probe import FloatArray, VideoIndex

with at_first_use():
    from sopilot_assets.privacy import detector  # onnxruntime is loaded where faces are looked for

RECIPE: Final = 1
"""Raise it whenever the same video would be covered otherwise: what was made before is then made again."""
LOOKED_SHORT_SIDE: Final = 640
"""The shorter side in pixels of the largest pictures in which faces are looked for."""
LARGER_THAN_SHOWN: Final = 8 / 3
"""Faces are looked for in pictures so many times larger than those that are shown: the detector finds them
from about 25 pixels on, and 10 pixels of what is shown are 27 then.
"""
MOST_ENLARGED: Final = 2.0
"""Smaller pictures are enlarged up to so many times before: what was filmed small is seen small too."""
_PLAIN: Final = (128, 128, 128)
"""One colour for all that is covered. Blur and mosaics keep something of what lies below, and several
pictures of a video together keep more: networks name people in both (R. McPherson, R. Shokri and V.
Shmatikov, "Defeating Image Obfuscation with Deep Learning", arXiv:1609.00408). Of what is filled, nothing is
left.
"""


@dataclass(frozen=True, slots=True)
class Covering:
    """What is covered: faces or not, and regions."""

    faces: bool = False
    regions: tuple[MaskedRegion, ...] = ()

    def __bool__(self) -> bool:
        return self.faces or bool(self.regions)

    @property
    def tag(self) -> str:
        """What the names of files that are covered so end with, so that none is taken for another; empty
        where nothing is covered.
        """
        if not self:
            return ""
        return "-covered" + hashlib.sha256(repr((RECIPE, self)).encode()).hexdigest()[:8]


UNCOVERED: Final = Covering()


def shown_frames(
    path: Path, index: VideoIndex, times_s: FloatArray, *, short_side: int, covering: Covering
) -> Iterator[FrameChunk]:
    """The pictures displayed at the ascending times ``times_s`` as people may see them.

    Every picture of a recording that is shown, written or handed over comes from here, in the proportions of
    a player; `frames_at` gives the pictures as they are stored, for what is judged. Raises like it.
    """
    stream = FrameStream(path, index, times_s, index.shown(short_side))
    if not covering:
        yield from stream
        return
    looked = min(LOOKED_SHORT_SIDE, round(short_side * LARGER_THAN_SHOWN))
    tracks = face_tracks(path, index, times_s, short_side=looked) if covering.faces else ()
    for chunk in stream:
        pairs = zip(chunk.times_s, chunk.images, strict=True)
        images = [covered(image, covered_at(tracks, time_s), covering.regions) for time_s, image in pairs]
        yield replace(chunk, images=np.stack(images))


def face_tracks(
    path: Path, index: VideoIndex, times_s: FloatArray, *, short_side: int = LOOKED_SHORT_SIDE
) -> tuple[FaceTrack, ...]:
    """The faces of a video, as far as anything at ``times_s`` depends on them, as they are found in pictures
    with this ``short_side`` in pixels.
    """
    wanted = _looked_at(index, times_s)
    read_at = min(short_side, index.probe.width, index.probe.height)
    sightings = [
        sighted(image, float(time_s), short_side=short_side)
        for chunk in frames_at(path, index, wanted, short_side=read_at, chunk=8)
        for time_s, image in zip(chunk.times_s, chunk.images, strict=True)
    ]
    return linked(sightings)


def sighted(image: NDArray[np.uint8], time_s: float, *, short_side: int = LOOKED_SHORT_SIDE) -> Sighting:
    """The faces in a picture (h, w, 3) of a video; one that is smaller than ``short_side`` is enlarged."""
    larger = min(short_side / min(image.shape[:2]), MOST_ENLARGED)
    if larger > 1:
        image = cv2.resize(image, None, fx=larger, fy=larger).astype(np.uint8, copy=False)
    height, width = image.shape[:2]
    boxes = detector.faces(image, at_least=LIKELY)
    return Sighting(time_s, np.asarray(boxes / np.array([width, height, width, height, 1.0])))


def _looked_at(index: VideoIndex, times_s: FloatArray) -> FloatArray:
    """When faces are looked for: on a grid of the whole video, wherever a time is within reach of a gap."""
    grid = index.sample_times(rate_hz=RATE_HZ)
    ascending = np.sort(times_s)
    after = np.searchsorted(ascending, grid - GAP_S - 1 / RATE_HZ)
    near = ascending[np.minimum(after, len(ascending) - 1)]
    return np.asarray(grid[np.abs(near - grid) <= GAP_S + 1 / RATE_HZ])


def covered(
    picture: NDArray[np.uint8], boxes: Boxes, regions: Sequence[MaskedRegion] = ()
) -> NDArray[np.uint8]:
    """A copy of an (h, w, 3) picture with faces and regions filled with one colour; ``boxes`` (n, 4) and
    regions are shares of its width and height.
    """
    image = np.ascontiguousarray(picture).copy()
    for box in boxes:
        left, top, right, bottom = _pixels(box, image)
        middle, half = ((left + right) / 2, (top + bottom) / 2), ((right - left) / 2, (bottom - top) / 2)
        cv2.ellipse(image, _whole(middle), _whole(half, up=1.0), 0, 0, 360, _PLAIN, cv2.FILLED)
    for region in regions:
        corners = [region.left, region.top, region.left + region.width, region.top + region.height]
        left, top, right, bottom = _pixels(np.array(corners), image)
        image[int(np.floor(top)) : int(np.ceil(bottom)), int(np.floor(left)) : int(np.ceil(right))] = _PLAIN
    return image


def _pixels(box: NDArray[np.float64], image: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    height, width = image.shape[:2]
    left, top, right, bottom = (float(side) for side in box)
    return left * width, top * height, right * width, bottom * height


def _whole(pair: tuple[float, float], *, up: float = 0.5) -> tuple[int, int]:
    return int(pair[0] + up), int(pair[1] + up)
