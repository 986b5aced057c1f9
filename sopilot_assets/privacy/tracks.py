"""Faces over time: what the detector finds now and then, linked, so that one missed meanwhile is covered too.

The detector is asked `RATE_HZ` times a second. What it finds at one moment belongs to the face of an earlier
moment where their boxes, at twice their size, overlap enough (intersection over union, as in E. Bochinski, V.
Eiselein and T. Sikora, "High-Speed Tracking-by-Detection Without Using Image Information", AVSS 2017). As
there, a face counts where the detector was sure of it once; from then on, both ways in time, it is followed
with less.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Boxes: TypeAlias = NDArray[np.float64]

RATE_HZ: Final = 5.0
SURE: Final = 0.35
"""A face counts where the detector was as sure as this of it once..."""
LIKELY: Final = 0.15
"""...and is followed wherever it is as sure as this."""
GAP_S: Final = 1.6
"""A face that is not found for so long is covered meanwhile."""
HOLD_S: Final = 0.6
"""For so long a face is covered before it is found first, and after it was found last."""
GROWN: Final = 0.3
"""What is covered is larger than a box by this share of its size on every side."""
_OVERLAP: Final = 0.2


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the detector finds at ``time_s``: (n, 5) boxes as shares of the picture's width and height, and
    how sure it is of each.
    """

    time_s: float
    boxes: Boxes


@dataclass(frozen=True, slots=True)
class FaceTrack:
    """One face: where it was found, (n,) ascending seconds and (n, 4) boxes as shares of the picture."""

    times_s: NDArray[np.float64]
    boxes: Boxes

    def at(self, time_s: float) -> Boxes | None:
        """The box (4,) that holds the face at a time; None where it is not there.

        Between two sightings it is the smallest box that holds both.
        """
        if not self.times_s[0] - HOLD_S <= time_s <= self.times_s[-1] + HOLD_S:
            return None
        after = int(np.searchsorted(self.times_s, time_s))
        near = self.boxes[max(after - 1, 0) : after + 1]
        return np.concatenate([near[:, :2].min(axis=0), near[:, 2:].max(axis=0)])


def covered_at(tracks: Iterable[FaceTrack], time_s: float) -> Boxes:
    """The boxes (n, 4) to be covered at a time, grown, as shares of the picture; they may reach beyond it."""
    found = [box for track in tracks if (box := track.at(time_s)) is not None]
    return _grown(np.array(found).reshape(-1, 4), GROWN)


def linked(sightings: Sequence[Sighting]) -> tuple[FaceTrack, ...]:
    """The faces of ascending sightings."""
    faces: list[_Followed] = []
    for sighting in sightings:
        open_ones = [face for face in faces if sighting.time_s - face.times_s[-1] <= GAP_S + 1e-6]
        overlaps = _overlaps(np.array([face.boxes[-1] for face in open_ones]), sighting.boxes)
        new = set(range(len(sighting.boxes)))
        while overlaps.size and overlaps.max() >= _OVERLAP:
            which, place = map(int, np.unravel_index(np.argmax(overlaps), overlaps.shape))
            open_ones[which].add(sighting, place)
            new.discard(place)
            overlaps[which, :] = overlaps[:, place] = 0.0
        for place in sorted(new):
            faces.append(_Followed([], [], 0.0))
            faces[-1].add(sighting, place)
    return tuple(
        FaceTrack(np.array(face.times_s), np.array(face.boxes)) for face in faces if face.surest >= SURE
    )


@dataclass(slots=True)
class _Followed:
    times_s: list[float]
    boxes: list[Boxes]
    surest: float

    def add(self, sighting: Sighting, place: int) -> None:
        self.times_s.append(sighting.time_s)
        self.boxes.append(sighting.boxes[place, :4])
        self.surest = max(self.surest, float(sighting.boxes[place, 4]))


def _overlaps(before: Boxes, now: Boxes) -> NDArray[np.float64]:
    """Intersection over union (n, m) of boxes at twice their size."""
    one, other = _grown(before.reshape(-1, 4), 0.5)[:, None], _grown(now[:, :4], 0.5)[None]
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    shared = np.clip(sides, 0, None).prod(axis=-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(axis=-1) for box in (one, other)]
    return np.asarray(shared / np.maximum(areas[0] + areas[1] - shared, 1e-12))


def _grown(boxes: Boxes, share: float) -> Boxes:
    """Boxes (n, 4) that are larger by a share of their size on every side."""
    more = (boxes[:, 2:] - boxes[:, :2]) * share
    return np.concatenate([boxes[:, :2] - more, boxes[:, 2:] + more], axis=1)
