"""What a file of another tool says, whatever its format: names with their times, by recording.

Nothing in here knows tasks or golds. A border is a time in whole milliseconds, or a picture of the video;
which time that is, only the video's own timestamps say (`PictureTimes`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn, TypeAlias

from sopilot_assets.errors import ExchangeError
from sopilot_assets.reference.annotations import MORE, MOST_TOLD
from sopilot_assets.texts.languages import Text

MOST_BYTES: Final = 32 << 20
"""The largest file that is read."""
MOST_INTERVALS: Final = 20_000
"""The most steps, deviations and other intervals of one file."""
LONGEST_MS: Final = 24 * 3_600_000
_FAULTS_TOLD: Final = 20

Place: TypeAlias = Callable[[], Text]
"""Where in a file something stands, worked out when it is told."""


@dataclass(frozen=True, slots=True)
class Border:
    """When something begins or ends: at ``ms``, or when the picture ``frame`` is shown, counted from 0.

    Where both are there, the file names a picture and keeps the time beside it: that counts as long as nobody
    moved the border to another picture. The picture after the last one is the end of the recording.
    """

    ms: int | None = None
    frame: int | None = None


@dataclass(frozen=True, slots=True)
class SaidInterval:
    """Something with a ``name`` from ``start`` to ``end``, or at one moment where there is no end. ``tier``
    is the row, track or field that it stands in, ``note`` what was written about it, ``annotator`` who made
    it, empty where the file does not say.
    """

    name: str
    where: Place
    start: Border
    end: Border | None
    tier: str = ""
    note: str = ""
    annotator: str = ""


@dataclass(frozen=True, slots=True)
class SaidVideo:
    """What a file says of one recording: ``name`` as it stands there, often with a path of another machine;
    empty where the file does not say. ``answers`` are answers about the whole, by question.
    """

    name: str
    where: Place
    intervals: tuple[SaidInterval, ...]
    duration_ms: int | None = None
    sha256: str = ""
    answers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SaidFile:
    """All that a file says; ``left_out`` tells what it holds that has no place here."""

    videos: tuple[SaidVideo, ...]
    left_out: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True)
class MarkedInterval:
    """Something to be written: from ``start_ms`` to ``end_ms``, whole milliseconds by a player's clock."""

    name: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class PictureTimes:
    """When each picture of a video is shown: ``starts_ms`` (ascending), and when the last one ends."""

    starts_ms: tuple[int, ...]
    end_ms: int

    def time_of(self, frame: int) -> int | None:
        """When a picture appears; that after the last one at the end. None where there is no such picture."""
        if frame == len(self.starts_ms):
            return self.end_ms
        return self.starts_ms[frame] if 0 <= frame < len(self.starts_ms) else None

    def nearest(self, ms: int) -> int:
        """The picture that begins nearest to a time, the end counted as one more; of two the earlier."""
        times = (*self.starts_ms, self.end_ms)
        right = min(bisect_left(times, ms), len(times) - 1)
        left = max(right - 1, 0)
        return left if ms - times[left] <= times[right] - ms else right

    def frames_of(self, start_ms: int, end_ms: int) -> tuple[int, int]:
        """The pictures by which frame-based formats name an interval: the nearest ones, one picture long at
        least; the second is the first picture after it.
        """
        start = min(self.nearest(start_ms), len(self.starts_ms) - 1)
        return start, max(self.nearest(end_ms), start + 1)

    def times_of(self, start: Border, end: Border) -> tuple[int | None, int | None]:
        """When an interval begins and ends; None for a picture that the video does not have."""
        kept = start.ms, end.ms
        if start.frame is None or end.frame is None:
            return kept
        told = self.time_of(start.frame), self.time_of(end.frame)
        if kept[0] is None or kept[1] is None:
            return told
        frames = self.frames_of(kept[0], kept[1])
        begins = kept[0] if frames[0] == start.frame else told[0]
        ends = kept[1] if frames[1] == end.frame else told[1]
        return begins, ends


@dataclass(frozen=True, slots=True)
class MarkedVideo:
    """One recording to be written: its name, hash and size in pixels, when its pictures are shown, and what
    is marked in it, in order of time.
    """

    name: str
    sha256: str
    width: int
    height: int
    pictures: PictureTimes
    intervals: tuple[MarkedInterval, ...]

    @property
    def rate_hz(self) -> float:
        """PictureTimes per second on average, for formats that want to know; no time rests on it."""
        first_ms = self.pictures.starts_ms[0]
        lasts_ms = max(self.pictures.end_ms - first_ms, 1)
        return round(1000 * len(self.pictures.starts_ms) / lasts_ms, 3)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names that may be written, in order, such as the steps of a task; ``title`` is what they are of."""

    title: str
    names: tuple[str, ...]


class Faults:
    """What is wrong with a file, gathered while it is read; nothing is taken of a file with one."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.found: list[Text] = []

    def add(self, where: Text | Place, en: str, ja: str) -> None:
        """One more fault at a place; of very many only the number is kept."""
        if len(self.found) >= MOST_TOLD:
            self.found.append(MORE)
            return
        where = where if isinstance(where, Text) else where()
        self.found.append(Text(f"{self.source}, {where.en}: {en}", f"{self.source} の {where.ja}：{ja}"))

    def stop(self, en: str, ja: str) -> NoReturn:
        """Refuse the file as a whole."""
        raise refusal([Text(f"{self.source}: {en}", f"{self.source}：{ja}")])

    def done(self) -> None:
        """Raises ``ExchangeError`` where a fault was found."""
        if self.found:
            raise refusal(self.found)


def refusal(faults: Sequence[Text]) -> ExchangeError:
    """Why nothing of a file is taken: its first faults, and how many more there are."""
    told, more = faults[:_FAULTS_TOLD], len(faults) - _FAULTS_TOLD
    en, ja = ".\n".join(one.en for one in told), "。\n".join(one.ja for one in told)
    if more > 0:
        en, ja = f"{en}.\nAnd {more} more", f"{ja}。\nほか {more} 件"
    return ExchangeError(f"{en}. Nothing was taken.", ja=f"{ja}。何も取り込んでいません。")


def said_at(source: str, texts: Iterable[Text]) -> list[Text]:
    """Remarks on a file, with its name."""
    return [Text(f"{source}: {one.en}", f"{source}：{one.ja}") for one in texts]


def several_people(annotators: Iterable[str]) -> Text | None:
    """What is wrong where what is to be taken as one person's was made by several; None where it was not."""
    named = sorted(set(annotators) - {""})
    if len(named) < 2:
        return None
    return Text(
        f"expected what one person says, found tiers of {', '.join(named)}; keep those of one of them in the "
        "file",
        f"{'、'.join(named)} の複数人の層があります。1 人分だけをファイルに残してください",
    )


def at_line(line: int, what: str = "") -> Text:
    """A place in a file by its line, with the element there."""
    return Text(f"line {line}{f' ({what})' if what else ''}", f"{line} 行目{f'（{what}）' if what else ''}")


def milliseconds(seconds: float) -> int | None:
    """Seconds in whole milliseconds; None where no recording can have them."""
    if not -LONGEST_MS / 1000 <= seconds <= LONGEST_MS / 1000:
        return None
    return round(seconds * 1000)
