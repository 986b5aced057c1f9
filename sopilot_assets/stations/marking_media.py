"""What the page on which steps are marked shows of a recording beside its video: when each picture of that is
displayed, and a strip of small pictures.

They lie beside the proxies and are made when somebody looks, in limited child processes, since they read the
recording.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, ValidationError

from sopilot_assets.capture.registry import Recording, stored_file
from sopilot_assets.privacy.covering import Covering, shown_frames
from sopilot_assets.privacy.policy import covering_for
from sopilot_assets.processes.limited import MEMORY_LIMIT_BYTES, run_limited
from sopilot_assets.scoring.review.proxy import PROXY_FPS, browsers_play
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, publish_bytes, publish_text
from sopilot_assets.store.shared import at_hand
from sopilot_assets.video.probe import VideoIndex, read_index

INDEX_LIMIT_S: Final = 60.0
VIDEO_LIMIT_S: Final = 600.0
SHORT_SIDE: Final = 64
"""Pixels of a small picture."""
MOST_PICTURES, LEAST_PICTURES = 120, 12
COLUMNS: Final = 10
"""Small pictures side by side in the file of a strip."""
_QUALITY: Final = 70


class Film(BaseModel):
    """When the pictures of the video that is played are displayed (``frames_ms``, ascending, in milliseconds
    by a player's clock), when the last one ends, whether the recording itself is played or its proxy, and the
    strip: ``pictures`` of ``width`` x ``height`` pixels, the k-th of them at (k + 0.5) / ``pictures`` of the
    whole.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames_ms: tuple[int, ...]
    end_ms: int
    itself: bool
    pictures: int
    width: int
    height: int
    columns: int = COLUMNS


def film_of(home: Home, recording: Recording) -> Film:
    """The film of a recording; raises the reader's own `VideoError` where it cannot be read."""
    covering = covering_for(home, recording.task_id)
    target = local_path(home.proxies) / f"{recording.key.video_id}-film{covering.tag}.json"
    if target.exists():
        try:
            return Film.model_validate_json(target.read_bytes())
        except ValidationError:  # of another version: it is made again
            target.unlink()
    film = run_limited(
        read_film,
        (stored_file(home, recording), covering),
        time_limit_s=INDEX_LIMIT_S,
        memory_limit_bytes=MEMORY_LIMIT_BYTES,
    )
    publish_text(target, film.model_dump_json())
    return film


def strip_of(home: Home, recording: Recording) -> Path:
    """The file of a recording's strip, a JPEG."""
    covering = covering_for(home, recording.task_id)
    target = local_path(home.proxies) / f"{recording.key.video_id}-strip{covering.tag}.jpg"
    if not target.exists():
        film = film_of(home, recording)
        args = (at_hand(stored_file(home, recording)), film, covering, target)
        run_limited(write_strip, args, time_limit_s=VIDEO_LIMIT_S, memory_limit_bytes=MEMORY_LIMIT_BYTES)
    return target


def read_film(source: Path, covering: Covering) -> Film:
    """What `film_of` keeps; runs in a child process."""
    source = at_hand(source)
    index, itself = read_index(source), not covering and browsers_play(source)
    shown_s = index.starts_s if itself else np.arange(_proxy_frames(index)) / float(PROXY_FPS)
    pictures = int(np.clip(round(index.end_s), LEAST_PICTURES, MOST_PICTURES))
    width, height = index.shown(min(SHORT_SIDE, index.probe.width, index.probe.height))
    return Film(
        frames_ms=tuple(round(float(time_s) * 1000) for time_s in shown_s),
        end_ms=round(index.end_s * 1000),
        itself=itself,
        pictures=pictures,
        width=width,
        height=height,
    )


def _proxy_frames(index: VideoIndex) -> int:
    return len(index.clock_times(rate_hz=float(PROXY_FPS)))


def write_strip(source: Path, film: Film, covering: Covering, target: Path) -> None:
    """Publish the strip; runs in a child process. A moment that cannot be decoded stays dark."""
    rows = -(-film.pictures // film.columns)
    whole = Image.new("RGB", (film.columns * film.width, rows * film.height), (40, 40, 40))
    for place, picture in _pictures(source, film, covering):
        whole.paste(picture, ((place % film.columns) * film.width, (place // film.columns) * film.height))
    stream = io.BytesIO()
    whole.save(stream, "JPEG", quality=_QUALITY, optimize=True)
    publish_bytes(target, stream.getvalue())


def _pictures(source: Path, film: Film, covering: Covering) -> Iterator[tuple[int, Image.Image]]:
    index = read_index(source)
    each_s = film.end_ms / 1000 / film.pictures
    times_s = np.maximum((np.arange(film.pictures) + 0.5) * each_s, index.begin_s)
    places = {float(time_s): place for place, time_s in enumerate(times_s)}
    short_side = min(film.width, film.height)
    for chunk in shown_frames(source, index, times_s, short_side=short_side, covering=covering):
        for time_s, image in zip(chunk.times_s, chunk.images, strict=True):
            yield places[float(time_s)], Image.fromarray(image).resize((film.width, film.height))
