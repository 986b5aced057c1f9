"""Stills: the moment that shows a deviation, in the recording and in a gold, as small JPEGs."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from sopilot_assets.errors import UnreadableVideo
from sopilot_assets.privacy.covering import Covering, shown_frames
from sopilot_assets.scoring.result import Deviation
from sopilot_assets.scoring.review.kept import index_of, kept
from sopilot_assets.tasks import Severity

SHORT_SIDE: Final = 160
"""Pixels; a picture of 3:2 becomes 240 wide."""
MOST_BYTES: Final = 22_000
"""Of one JPEG; as a ``data:`` URI it takes a third more, below 30 kB."""
_QUALITIES: Final = (75, 55, 35, 15)


@dataclass(frozen=True, slots=True)
class Still:
    """One picture of a video at ``time_s`` seconds; ``size`` is (width, height) in pixels, ``held`` says that
    the picture due then is damaged and the one before it is shown.
    """

    time_s: float
    jpeg: bytes
    size: tuple[int, int]
    held: bool = False


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A moment of which no picture can be decoded, and why."""

    time_s: float
    why: str


@dataclass(frozen=True, slots=True)
class ServedStill:
    """A picture that a server shows at ``address``, at ``time_s`` seconds."""

    time_s: float
    address: str


ReadMoment: TypeAlias = Still | Unreadable
Moment: TypeAlias = ReadMoment | ServedStill


@dataclass(frozen=True, slots=True)
class StillPair:
    """The moment of one deviation: in the recording the middle of its stretch (where something is missing,
    the moment at which it should have been), in the gold the middle of the steps concerned, None when it
    concerns none.
    """

    trainee: Moment
    gold: Moment | None


def deviation_stills(
    deviations: Sequence[Deviation],
    *,
    trainee_video: Path | None,
    gold_videos: Mapping[str, Path],
    covering: Covering,
) -> tuple[StillPair, ...]:
    """A pair for each deviation, in their order; each video is opened once.

    What cannot be decoded, or has no video, becomes `Unreadable`.
    """
    moments = [deviation.trainee.middle_s for deviation in deviations]
    in_trainee: Mapping[float, ReadMoment] = (
        {time_s: Unreadable(time_s, "its video was removed") for time_s in moments}
        if trainee_video is None
        else read_stills(trainee_video, moments, covering)
    )
    times_s: dict[str, list[float]] = {}
    for deviation in deviations:
        if deviation.gold is not None:
            times_s.setdefault(deviation.gold_id, []).append(deviation.gold.middle_s)
    in_gold = {
        gold_id: {time_s: _gold_still(gold_videos[gold_id], time_s, covering) for time_s in some}
        if gold_id in gold_videos
        else {time_s: Unreadable(time_s, f"gold {gold_id}: there is no video of it") for time_s in some}
        for gold_id, some in times_s.items()
    }
    return tuple(
        StillPair(
            in_trainee[deviation.trainee.middle_s],
            None if deviation.gold is None else in_gold[deviation.gold_id][deviation.gold.middle_s],
        )
        for deviation in deviations
    )


@kept(most=512)
def _gold_still(path: Path, time_s: float, covering: Covering) -> ReadMoment:
    """The picture of a gold; the middle of one of its steps is shown by page after page."""
    return read_stills(path, [time_s], covering)[time_s]


def read_stills(path: Path, times_s: Sequence[float], covering: Covering) -> dict[float, ReadMoment]:
    """The pictures displayed at ``times_s`` (any order, seconds) as people may see them; past its end a video
    shows its last one.
    """
    found: Mapping[float, Still] = {}
    why = f"{path}: the picture cannot be decoded; copy or record it again."
    try:
        found = dict(_decoded(path, sorted(set(times_s)), covering))
    except UnreadableVideo as error:
        why = str(error)
    return {time_s: found.get(time_s, Unreadable(time_s, why)) for time_s in times_s}


def _decoded(path: Path, times_s: Sequence[float], covering: Covering) -> Iterator[tuple[float, Still]]:
    if not times_s:
        return
    index = index_of(path)
    within_s = np.clip(np.asarray(times_s, np.float64), index.begin_s, index.starts_s[-1])
    short_side = min(SHORT_SIDE, index.probe.width, index.probe.height)
    pictures: dict[float, Still] = {}
    within = np.unique(within_s)
    for chunk in shown_frames(path, index, within, short_side=short_side, covering=covering):
        for time_s, image, held in zip(chunk.times_s, chunk.images, chunk.held, strict=True):
            size = (image.shape[1], image.shape[0])
            pictures[float(time_s)] = Still(float(time_s), _jpeg(image), size, bool(held))
    for asked_s, time_s in zip(times_s, within_s, strict=True):
        if float(time_s) in pictures:
            yield asked_s, pictures[float(time_s)]


def most_severe(deviations: Sequence[Deviation]) -> int | None:
    """The index of the gravest deviation, the surest and then the earliest of several; None without any."""
    ranks = list(Severity)
    order = sorted(
        range(len(deviations)),
        key=lambda index: (ranks.index(deviations[index].severity), -deviations[index].confidence, index),
    )
    return order[0] if order else None


def _jpeg(image: npt.NDArray[np.uint8]) -> bytes:
    """The picture at the best quality that stays within `MOST_BYTES`."""
    content = b""
    for quality in _QUALITIES:
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "JPEG", quality=quality, optimize=True)
        content = stream.getvalue()
        if len(content) <= MOST_BYTES:
            break
    return content
