"""Pictures and videos of recordings as browsers show them, made when somebody looks, and kept.

They lie beside the proxies, where retention removes them after their time; all can be made again.
What reads a recording runs in a limited child process. What cannot be made leaves a file that says why, and
is not tried again as long as that is there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sopilot_assets.capture.erasures import video_is_gone
from sopilot_assets.capture.registry import Recording, stored_file, tasks_of_file
from sopilot_assets.errors import SopilotError
from sopilot_assets.privacy.covering import Covering
from sopilot_assets.privacy.policy import covering_for
from sopilot_assets.processes.held_file import take
from sopilot_assets.processes.limited import MEMORY_LIMIT_BYTES, map_limited, run_limited
from sopilot_assets.processes.posix.lacking import HAS_LOCKS
from sopilot_assets.scoring.review.proxy import browsers_play, proxy
from sopilot_assets.scoring.review.stills import Still, read_stills
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.publish import local_path, publish_bytes, publish_text
from sopilot_assets.store.shared import at_hand

STILL_GRID_MS: Final = 100
"""Pictures are kept at whole tenths of a second, so that their number has a bound."""
STILL_LIMIT_S: Final = 60.0
VIDEO_LIMIT_S: Final = 600.0
FACES_TAKE: Final = 6.0
"""Looking for faces takes up to so many times as long as making the copy."""


def on_grid(time_s: float) -> int:
    """The nearest time at which a picture is kept, in milliseconds.

    >>> on_grid(3.26)
    3300
    """
    return round(max(time_s, 0.0) * 1000 / STILL_GRID_MS) * STILL_GRID_MS


def thumbnail_ms(duration_s: float) -> int:
    """The moment of a recording's thumbnail, in milliseconds: a third of the way, when work has begun."""
    return on_grid(duration_s / 3)


@dataclass(frozen=True, slots=True)
class MediaState:
    """What there is of a picture or a video by now: the file to show, or why there is none; neither as long
    as nobody has made it.
    """

    path: Path | None = None
    why: str | None = None

    @property
    def waits(self) -> bool:
        """Whether it has to be made yet."""
        return self.path is None and self.why is None


def still_of(home: Home, key: PartitionKey, at_ms: int) -> MediaState:
    """The picture of a recording at ``at_ms`` (see `on_grid`), as far as it is made."""
    target = _still_file(home, key, at_ms)
    if (gone := video_is_gone(home, str(key))) is not None:
        return MediaState(why=gone.en)
    if target.exists():
        return MediaState(target)
    return MediaState(why=_why_not(target))


def make_stills(home: Home, wanted: Sequence[tuple[Recording, int]]) -> bool:
    """Make those of the pictures that wait, in one child process, a video at a time; False, and nothing made,
    where somebody else is at it.
    """
    with only_maker(home, "stills") as alone:
        if alone:
            work = _waiting(home, wanted)
            results = map_limited(
                _write_stills,
                work,
                processes=1,
                time_limit_s=STILL_LIMIT_S,
                memory_limit_bytes=MEMORY_LIMIT_BYTES,
            )
            for item, result in results:
                if isinstance(result, SopilotError):
                    result = dict.fromkeys(item.targets, str(result))  # noqa: PLW2901 - all of them failed
                for at_ms, why in result.items():
                    _note(item.targets[at_ms], home.relative_text(why))
    return alone


def video_of(home: Home, recording: Recording) -> MediaState:
    """The file of a recording that browsers play: itself, where nothing of it is covered, or its proxy; as
    far as that is known and made.
    """
    if (gone := video_is_gone(home, str(recording.key))) is not None:
        return MediaState(why=gone.en)
    known = _playable_file(home, recording)
    if not known.exists():
        return MediaState(why=_why_not(known))
    chosen = known.read_text(encoding="utf-8").strip()
    path = stored_file(home, recording) if not chosen else local_path(home.proxies) / Path(chosen).name
    return MediaState(path) if path.exists() else MediaState()


def make_video(home: Home, recording: Recording) -> bool:
    """Find out whether browsers play a recording, and make its proxy where they do not or something of it is
    covered, in a child process; False, and nothing made, where somebody else is at it.
    """
    with only_maker(home, "videos") as alone:
        if alone and video_of(home, recording).waits:
            covering = covering_for(home, recording.task_id)
            args = (stored_file(home, recording), local_path(home.proxies), recording.key.video_id, covering)
            limit_s = VIDEO_LIMIT_S * (FACES_TAKE if covering.faces else 1.0)
            try:
                chosen = run_limited(
                    _playable, args, time_limit_s=limit_s, memory_limit_bytes=MEMORY_LIMIT_BYTES
                )
                publish_text(_playable_file(home, recording), f"{chosen}\n")
            except SopilotError as error:
                _note(_playable_file(home, recording), home.relative_text(str(error)))
    return alone


def shown_as_filmed(home: Home, stored_name: str) -> bool:
    """Whether people may look at this file of a recording itself: nothing of it is covered in any task."""
    return not any(covering_for(home, task_id) for task_id in tasks_of_file(home, stored_name))


@dataclass(frozen=True, slots=True)
class _Stills:
    """Pictures of one video to be made: the file of each, by milliseconds, and what is covered in them."""

    source: Path
    covering: Covering
    targets: Mapping[int, Path]


def _waiting(home: Home, wanted: Sequence[tuple[Recording, int]]) -> list[_Stills]:
    by_video: dict[PartitionKey, tuple[Recording, dict[int, Path]]] = {}
    for recording, at_ms in wanted:
        if still_of(home, recording.key, at_ms).waits:
            its = by_video.setdefault(recording.key, (recording, {}))[1]
            its[at_ms] = _still_file(home, recording.key, at_ms)
    return [
        _Stills(stored_file(home, recording), covering_for(home, recording.task_id), targets)
        for recording, targets in by_video.values()
    ]


def _write_stills(work: _Stills) -> dict[int, str]:
    """Why some of the pictures cannot be made, by milliseconds; runs in a child process."""
    times_s = [at_ms / 1000 for at_ms in work.targets]
    found, failed = read_stills(at_hand(work.source), times_s, work.covering), {}
    for at_ms, target in work.targets.items():
        still = found[at_ms / 1000]
        if isinstance(still, Still):
            publish_bytes(target, still.jpeg)
        else:
            failed[at_ms] = still.why
    return failed


def _playable(source: Path, proxies: Path, video_id: str, covering: Covering) -> str:
    """The name of the proxy that is played, empty where it is the recording; runs in a child process."""
    source = at_hand(source)
    if not covering and browsers_play(source):
        return ""
    return proxy(source, proxies, video_id, covering).name


def _still_file(home: Home, key: PartitionKey, at_ms: int) -> Path:
    tag = covering_for(home, key.task_id).tag
    return local_path(home.proxies) / f"{key.video_id}-still-{at_ms}{tag}.jpg"


def _playable_file(home: Home, recording: Recording) -> Path:
    tag = covering_for(home, recording.task_id).tag
    return local_path(home.proxies) / f"{recording.key.video_id}-plays{tag}.txt"


def _note(target: Path, why: str) -> None:
    publish_text(_failure(target), f"{why}\n")


def _why_not(target: Path) -> str | None:
    told = _failure(target)
    return told.read_text(encoding="utf-8").strip() if told.exists() else None


def _failure(target: Path) -> Path:
    return target.with_suffix(".failed")


@contextmanager
def only_maker(home: Home, what: str) -> Iterator[bool]:
    """Whether nobody else on this machine makes any of these now; then nobody else does meanwhile."""
    held = take(local_path(home.proxies) / f".{what}.lock") if HAS_LOCKS else None
    try:
        yield held is not None
    finally:
        if held is not None:
            os.close(held)
