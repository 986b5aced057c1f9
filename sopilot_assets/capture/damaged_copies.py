"""Damaged copies of recordings: frozen, cut, reordered and slowed copies with known faults."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sopilot_assets.capture.sidecar import read_sidecar
from sopilot_assets.errors import SopilotError, StoreError, VideoError
from sopilot_assets.segments import Segment
from sopilot_assets.store.publish import file_sha256, publish_text
from sopilot_assets.video.frames import at_every_time
from sopilot_assets.video.probe import VideoIndex, read_index
from sopilot_assets.video.reading import Reading
from sopilot_assets.video.write import write_h264

VIDEO_SUFFIXES: Final = frozenset(
    {".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".3gp"}
)
"""The files of a folder that are taken for recordings."""

MARK: Final = "_bad_"
"""What the names of all damaged copies contain."""

SHORTEST_S: Final = 1.0
_FASTEST_FPS: Final = 60
_USUAL_FPS: Final = 25


class Damage(StrEnum):
    """The kinds of damage.

    ``FREEZE`` stops the picture from 0.40 to 0.70 of the recording, what happened meanwhile is not seen;
    ``CUT_TAIL`` ends it at 0.70; ``SKIP_START`` begins it at 0.30; ``SWAP`` exchanges 0.25-0.45 with
    0.55-0.75; ``SLOW`` shows 0.35-0.60 at half speed.
    """

    FREEZE = "freeze"
    CUT_TAIL = "cut_tail"
    SKIP_START = "skip_start"
    SWAP = "swap"
    SLOW = "slow"


@dataclass(frozen=True)
class Piece:
    """A stretch of the source, in fractions of its duration; ``speed`` 0 holds its first picture instead."""

    start: float
    end: float
    speed: float = 1.0


RECIPES: Final[Mapping[Damage, tuple[Piece, ...]]] = {
    Damage.FREEZE: (Piece(0, 0.40), Piece(0.40, 0.70, speed=0), Piece(0.70, 1)),
    Damage.CUT_TAIL: (Piece(0, 0.70),),
    Damage.SKIP_START: (Piece(0.30, 1),),
    Damage.SWAP: (Piece(0, 0.25), Piece(0.55, 0.75), Piece(0.45, 0.55), Piece(0.25, 0.45), Piece(0.75, 1)),
    Damage.SLOW: (Piece(0, 0.35), Piece(0.35, 0.60, speed=0.5), Piece(0.60, 1)),
}
"""What each kind is put together from, in order."""

CHANGED: Final[Mapping[Damage, tuple[tuple[float, float], ...]]] = {
    Damage.FREEZE: ((0.40, 0.70),),
    Damage.CUT_TAIL: ((0.70, 1.0),),
    Damage.SKIP_START: ((0.0, 0.30),),
    Damage.SWAP: ((0.25, 0.45), (0.55, 0.75)),
    Damage.SLOW: ((0.35, 0.60),),
}
"""The parts of the source that are changed or lost, in fractions of its duration."""


@dataclass(frozen=True)
class DamagedCopy:
    """One damaged copy that was written; ``changed`` are the parts of the source it concerns, in seconds."""

    path: Path
    source: Path
    kind: Damage
    changed: tuple[Segment, ...]


@dataclass(frozen=True)
class BadSource:
    """A source that nothing could be made from, and why."""

    source: Path
    problem: str


@dataclass(frozen=True)
class DamagedCopies:
    """What was written, which sources could not be used, and which are damaged copies themselves."""

    made: tuple[DamagedCopy, ...]
    bad: tuple[BadSource, ...]
    skipped: tuple[Path, ...]


Progress = Callable[[int, int, str], None]
"""Called before each source with (sources done, sources in all, name of the next)."""


def make_damaged_copies(
    sources: Iterable[Path],
    *,
    out_dir: Path | None = None,
    kinds: Sequence[Damage] = tuple(Damage),
    on_progress: Progress | None = None,
) -> DamagedCopies:
    """Damaged copies of each of ``kinds``, as ``<stem>_bad_<kind>.mp4`` with a sidecar, in ``out_dir`` or
    beside their source.

    ``sources`` are recordings, or folders that are searched for them. Copies are not damaged again. The
    sidecar keeps the original's fields (person, session, ...) and adds ``source_video`` (the original's
    SHA-256), ``source_file`` and ``change``. The same source gives the same files with the same bytes; a
    second run overwrites them. A source that cannot be read is reported in ``bad`` and the others go on.
    """
    made: list[DamagedCopy] = []
    bad: list[BadSource] = []
    skipped: list[Path] = []
    taken: dict[Path, Path] = {}
    recordings = recordings_among(sources)
    for done, source in enumerate(recordings):
        if on_progress:
            on_progress(done, len(recordings), source.name)
        try:
            sidecar = _sidecar(source)
            if MARK in source.name or sidecar.get("source_video"):
                skipped.append(source)
                continue
            _claim((out_dir or source.parent) / source.stem, source, taken)
            made += _damaged_copies(source, sidecar, out_dir=out_dir or source.parent, kinds=kinds)
        except (SopilotError, OSError) as error:
            bad.append(BadSource(source, _problem(source, error)))
    return DamagedCopies(tuple(made), tuple(bad), tuple(skipped))


def recordings_among(sources: Iterable[Path]) -> list[Path]:
    """The recordings among ``sources`` and below those that are folders, without duplicates, in order."""
    found: dict[Path, None] = {}
    for source in sources:
        inside = sorted(source.rglob("*")) if source.is_dir() else [source]
        for path in inside:
            if path == source or _looks_like_a_recording(path):
                found[path] = None
    return list(found)


def _looks_like_a_recording(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _claim(stem: Path, source: Path, taken: dict[Path, Path]) -> None:
    """Refuse a second source whose copies would overwrite the first one's."""
    other = taken.setdefault(stem, source)
    if other != source:
        raise StoreError(
            f"its copies would have the same names as those of {other}; give each its own output folder."
        )


def _problem(source: Path, error: Exception) -> str:
    text = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    return text if str(source) in text else f"{source}: {text}"


def _sidecar(source: Path) -> dict[str, object]:
    """The fields of the source's sidecar, as they are; empty where it has none."""
    path = source.with_name(source.name + ".json")
    if not path.exists():
        return {}
    read_sidecar(path)  # refuses what is not a sidecar
    fields = json.loads(path.read_bytes())
    return {str(name): value for name, value in fields.items()}


def _damaged_copies(
    source: Path, sidecar: Mapping[str, object], *, out_dir: Path, kinds: Sequence[Damage]
) -> Iterator[DamagedCopy]:
    index = read_index(source)
    if index.end_s < SHORTEST_S:
        raise VideoError(
            f"{source}: expected at least {SHORTEST_S:g} s of video, found {index.end_s:.2f} s; take a "
            "longer one."
        )
    sha256 = file_sha256(source)
    for kind in kinds:
        path = out_dir / f"{source.stem}{MARK}{kind}.mp4"
        rate = _rate(index)
        write_h264(path, _pictures(source, index, RECIPES[kind], rate=rate), fps=rate)
        changed = tuple(
            Segment(round(a * index.end_s, 3), round(b * index.end_s, 3)) for a, b in CHANGED[kind]
        )
        publish_text(path.with_name(path.name + ".json"), _described(sidecar, source, sha256, kind, changed))
        yield DamagedCopy(path=path, source=source, kind=kind, changed=changed)


def _described(
    sidecar: Mapping[str, object], source: Path, sha256: str, kind: Damage, changed: Sequence[Segment]
) -> str:
    """The copy's sidecar."""
    intervals = [[part.start_s, part.end_s] for part in changed]
    fields = {
        **sidecar,
        "source_video": sha256,
        "source_file": source.name,
        "change": {"kind": kind.value, "source_intervals_s": intervals},
    }
    return json.dumps(fields, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def _rate(index: VideoIndex) -> Fraction:
    """The source's mean frame rate as a fraction that encoders take; 25 where it makes no sense."""
    fps = index.probe.mean_fps
    if not math.isfinite(fps) or fps < 1:
        return Fraction(_USUAL_FPS)
    return Fraction(min(fps, _FASTEST_FPS)).limit_denominator(1001)


def _pictures(
    source: Path, index: VideoIndex, pieces: Sequence[Piece], *, rate: Fraction
) -> Iterator[NDArray[np.uint8]]:
    """The pieces' pictures one after the other, at a constant rate; where one cannot be decoded, the one
    before it stays.
    """
    size = (index.probe.width, index.probe.height)
    for piece in pieces:
        times_s, copies = _times(piece, index.end_s, rate=float(rate))
        times_s = np.maximum(times_s, index.begin_s)
        samples = Reading(source, index, size).samples(times_s)
        for picture in at_every_time(times_s, ((sample.time_s, sample.image) for sample in samples)):
            yield from (picture for _ in range(copies))


def _times(piece: Piece, duration_s: float, *, rate: float) -> tuple[NDArray[np.float64], int]:
    """The source times of a piece's pictures, and how often each is shown."""
    start_s, length_s = piece.start * duration_s, (piece.end - piece.start) * duration_s
    count = max(round(length_s * rate / (piece.speed or 1)), 1)
    if piece.speed == 0:
        return np.array([start_s]), count
    return np.asarray(start_s + (np.arange(count) + 0.5) / rate * piece.speed, np.float64), 1
