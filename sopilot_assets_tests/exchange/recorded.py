"""Recordings made up for tests of formats: irregular pictures, and steps in them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from hypothesis import strategies as st

from sopilot_assets.exchange.formats import FileFormat, read_files
from sopilot_assets.exchange.said import MarkedInterval, MarkedVideo, PictureTimes, Vocabulary
from sopilot_assets.exchange.steps import FileSteps, steps_in
from sopilot_assets.reference.annotations import GoldNames
from sopilot_assets.reference.step_names import StepNames

IDS: Final = ("open_cover", "pull_filter", "close_cover")
STEPS: Final = StepNames(IDS, {"open the cover": (0,), "フタを開ける": (0,), "pull the filter": (1,)})
VOCABULARY: Final = Vocabulary("Filter <change> & more", IDS)
HASHES: Final = ("a" * 64, "b" * 64)
NAMES: Final = ("ガイド 01.mp4", "take&02.mp4")
GUIDE, TAKE = NAMES
EVERY_40_MS: Final = PictureTimes(tuple(range(0, 60_000, 40)), 60_000)


def golds(shown: PictureTimes = EVERY_40_MS) -> tuple[GoldNames, ...]:
    """The two recordings as golds."""
    return tuple(
        GoldNames(sha256[:12], f"filter/gold/line1/{name}", shown.end_ms / 1000, (sha256,))
        for name, sha256 in zip(NAMES, HASHES, strict=True)
    )


def video(place: int, *intervals: tuple[str, int, int], pictures: PictureTimes = EVERY_40_MS) -> MarkedVideo:
    """One of the two recordings with these steps: name, begin and end in milliseconds."""
    marked = tuple(MarkedInterval(*one) for one in intervals)
    return MarkedVideo(NAMES[place], HASHES[place], 640, 480, pictures, marked)


def read(
    data: bytes,
    *,
    source: str = "steps",
    pictures: PictureTimes = EVERY_40_MS,
    told: FileFormat | None = None,
) -> FileSteps:
    """What a file says of the two recordings."""
    return steps_in(
        read_files(data, source=source, told=told), STEPS, golds(pictures), pictures_of=lambda _: pictures
    )


def milliseconds(said: FileSteps) -> dict[str, list[tuple[str, int, int]]]:
    """The same in whole milliseconds, by the name of the recording."""
    names = {gold.video_id: gold.name for gold in golds()}
    return {
        names[video_id]: [
            (IDS[one.step], round(one.segment.start_s * 1000), round(one.segment.end_s * 1000))
            for one in found.steps
        ]
        for video_id, found in said.golds.items()
    }


@st.composite
def pictures(draw: st.DrawFn) -> PictureTimes:
    """When pictures are shown at a rate that changes, and not always from 0 on."""
    gaps = draw(st.lists(st.integers(7, 130), min_size=8, max_size=24))
    first = draw(st.sampled_from((0, 0, 33, 700)))
    starts = [first]
    for gap in gaps:
        starts.append(starts[-1] + gap)
    return PictureTimes(tuple(starts[:-1]), starts[-1])


@st.composite
def marked(draw: st.DrawFn, shown: PictureTimes) -> Sequence[tuple[str, int, int]]:
    """Steps without gaps or with, some shorter than a picture."""
    borders = sorted(draw(st.sets(st.integers(0, shown.end_ms), min_size=2, max_size=7)))
    spans = list(pairwise(borders))
    kept = draw(st.lists(st.sampled_from(spans), min_size=1, unique=True))
    return [(draw(st.sampled_from(IDS)), start, end) for start, end in sorted(kept)]
