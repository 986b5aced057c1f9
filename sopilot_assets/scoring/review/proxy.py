"""Small copies of recordings for review pages: they keep the time of the original, and little else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from upath import UPath

from sopilot_assets.errors import StoreError
from sopilot_assets.privacy.covering import Covering, shown_frames
from sopilot_assets.scoring.review.kept import index_of, kept
from sopilot_assets.store.publish import local_path
from sopilot_assets.video.container import open_video
from sopilot_assets.video.frames import at_every_time
from sopilot_assets.video.write import write_h264

PROXY_FPS: Final = Fraction(25, 2)
PROXY_SHORT_SIDE: Final = 240
SMALL_BYTES_PER_S: Final = 48_000
"""About what a proxy of a busy picture takes: 0.4 Mbit/s."""

_AT_START_S: Final = 0.02
_CRF: Final = 30
_PRESET: Final = "superfast"
_RECIPE: Final = f"{PROXY_SHORT_SIDE}p-{float(PROXY_FPS):g}fps-crf{_CRF}"
_SAFE_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")


def playable(source: Path, target_folder: Path | UPath, video_id: str, covering: Covering) -> Path:
    """The file that a page embeds: ``source`` itself where nothing of it is covered and browsers play it as
    it is, else its `proxy`.
    """
    if not covering and plays_as_it_is(source):
        return source
    return proxy(source, target_folder, video_id, covering)


def plays_as_it_is(source: Path) -> bool:
    """Whether browsers play ``source`` (see `browsers_play`) at `SMALL_BYTES_PER_S` or less."""
    return browsers_play(source) and source.stat().st_size <= SMALL_BYTES_PER_S * index_of(source).end_s


@kept(most=16)
def browsers_play(source: Path) -> bool:
    """Whether browsers play ``source`` whole, upright and from its start.

    That takes undamaged H.264 with 4:2:0 colour in an MP4 file without edits.
    """
    index = index_of(source)
    untouched = not (index.orientation or index.hidden_frames or index.probe.damaged_packets)
    if not untouched or abs(index.origin_s) > _AT_START_S or index.probe.codec != "h264":
        return False
    with open_video(source) as container:
        tracks = container.streams.video
        return (
            container.format.name.startswith("mov,mp4")
            and len(tracks) == 1
            and tracks[0].pix_fmt == "yuv420p"
        )


def proxy(source: Path, target_folder: Path | UPath, video_id: str, covering: Covering) -> Path:
    """The path of a small silent H.264 copy of ``source`` in ``target_folder``, made on the first call.

    The picture is upright and at most ``PROXY_SHORT_SIDE`` pixels on its short side; the copy shows at every
    moment what the source shows then, at the constant rate ``PROXY_FPS``, but for what is covered. The recipe
    is part of the file's name, so another recipe never meets an old copy. Raises ``StoreError`` for a
    ``video_id`` that cannot name a file and ``UnreadableVideo`` when nothing can be decoded.
    """
    if not _SAFE_NAME.fullmatch(video_id):
        raise StoreError(
            f"video id {video_id!r}: expected letters, digits, _ and - only, since it names the small copy "
            f"of {source}. Pass the first 12 hex digits of the video's content hash."
        )
    target = local_path(target_folder) / f"{video_id}-{_RECIPE}{covering.tag}.mp4"
    if not target.exists():
        write_h264(target, _small_pictures(source, covering), fps=PROXY_FPS, crf=_CRF, preset=_PRESET)
    return target


def _small_pictures(source: Path, covering: Covering) -> Iterator[NDArray[np.uint8]]:
    index = index_of(source)
    times_s = index.clock_times(rate_hz=float(PROXY_FPS))
    short_side = min(PROXY_SHORT_SIDE, index.probe.width, index.probe.height)
    chunks = shown_frames(source, index, times_s, short_side=short_side, covering=covering)
    shown = (pair for chunk in chunks for pair in zip(chunk.times_s, chunk.images, strict=True))
    return at_every_time(times_s, shown)
