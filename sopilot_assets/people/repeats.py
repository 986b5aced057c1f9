"""What repeats: the same deviation at the same step in several recordings of one person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sopilot_assets.people.recordings import FoundDeviation, OwnRecording
from sopilot_assets.scoring.result import Decision
from sopilot_assets.tasks import DeviationType, Severity

LATELY: Final = 5
"""So many of the newest recordings are "lately"."""


@dataclass(frozen=True, slots=True)
class RepeatedAt:
    """Where to look: a recording, and what was found in it."""

    recording: OwnRecording
    found: FoundDeviation


@dataclass(frozen=True, slots=True)
class Repeat:
    """A deviation at the same steps in ``count`` of ``of`` recordings that were judged, and in
    ``lately`` of the newest `LATELY` of them; ``moments`` has each of them, the newest first. ``severity`` is
    the gravest of them.
    """

    type: DeviationType
    steps: tuple[str, ...]
    severity: Severity
    count: int
    of: int
    lately: int
    moments: tuple[RepeatedAt, ...]


def repeats(recordings: Sequence[OwnRecording]) -> tuple[Repeat, ...]:
    """What was found in two recordings or more, the gravest first and then the most frequent. Where who
    looked says that it is none, it does not count; nor does a recording of which nothing could be said, nor a
    frozen picture, which is the camera's.
    """
    judged = [one for one in recordings if one.decision not in (None, Decision.NOT_VERIFIABLE)]
    seen: dict[tuple[DeviationType, tuple[str, ...]], list[RepeatedAt]] = {}
    for recording in reversed(judged):
        for found in recording.found:
            if not found.refused and found.type is not DeviationType.FREEZE:
                seen.setdefault((found.type, found.steps), []).append(RepeatedAt(recording, found))
    newest = {one.key for one in judged[-LATELY:]}
    several = [_repeat(what, its, len(judged), newest) for what, its in seen.items()]
    return tuple(sorted((one for one in several if one.count > 1), key=_order))


def _repeat(
    what: tuple[DeviationType, tuple[str, ...]], moments: Sequence[RepeatedAt], of: int, newest: set[str]
) -> Repeat:
    keys = {one.recording.key for one in moments}
    severity = min((one.found.severity for one in moments), key=_GRAVEST.index)
    return Repeat(*what, severity, len(keys), of, len(keys & newest), tuple(moments))


_GRAVEST: Final = tuple(Severity)


def _order(one: Repeat) -> tuple[int, int, str, tuple[str, ...]]:
    return _GRAVEST.index(one.severity), -one.count, one.type.value, one.steps
