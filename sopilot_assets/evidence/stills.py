"""Pictures of misses and false alarms: the moments that were reported, or the course of the recording."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sopilot_assets.capture.registry import Registry
from sopilot_assets.errors import SopilotError
from sopilot_assets.privacy.covering import Covering
from sopilot_assets.privacy.policy import covering_for
from sopilot_assets.processes.limited import MEMORY_LIMIT_BYTES, map_limited
from sopilot_assets.scoring.review.stills import Still, read_stills
from sopilot_assets.store.home import Home, PartitionKey

COURSE: Final = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Where in a recording the pictures are taken when nothing was reported, as shares of its duration."""

MOST_DEVIATIONS: Final = 4
_TIME_LIMIT_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The pictures wanted of one case: (name, video, time in seconds), and what is covered in them."""

    case_id: str
    covering: Covering
    moments: tuple[tuple[str, Path, float], ...]


def error_stills(
    home: Home, reported: Mapping[str, Sequence[Mapping[str, Any]]], *, processes: int
) -> tuple[dict[str, bytes], dict[str, str]]:
    """JPEGs by ``<case_id>/<name>.jpg`` for each of these recordings, and by case why there is none;
    ``reported`` are the deviations of each as a row of scores has them.

    A reported deviation gives its middle in the recording and in the gold it was compared with; a recording
    of which nothing was reported gives five moments of its course. Imported jobs have no video here.
    """
    registry = Registry.read(home)
    stills: dict[str, bytes] = {}
    lacking: dict[str, str] = {}
    works = []
    for case_id, deviations in reported.items():
        try:
            works.append(_wanted(registry, case_id, deviations))
        except SopilotError as error:
            lacking[case_id] = str(error)
    results = map_limited(
        _taken, works, processes=processes, time_limit_s=_TIME_LIMIT_S, memory_limit_bytes=MEMORY_LIMIT_BYTES
    )
    for work, result in results:
        if isinstance(result, SopilotError):
            lacking[work.case_id] = str(result)
        elif result:
            stills |= result
        else:
            lacking[work.case_id] = "none of its pictures can be decoded"
    return dict(sorted(stills.items())), dict(sorted(lacking.items()))


def _wanted(registry: Registry, case_id: str, deviations: Sequence[Mapping[str, Any]]) -> _Wanted:
    key = PartitionKey.parse(case_id)
    path = registry.path(key)
    covering = covering_for(registry.home, key.task_id, leaves_house=True)
    if not deviations:
        times = [share * registry[key].duration_s for share in COURSE]
        return _Wanted(case_id, covering, tuple((f"at_{time:06.1f}s", path, time) for time in times))
    return _Wanted(case_id, covering, tuple(_of_deviations(registry, key, deviations[:MOST_DEVIATIONS])))


def _of_deviations(
    registry: Registry, key: PartitionKey, deviations: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, Path, float]]:
    for number, one in enumerate(deviations, start=1):
        name = f"{number}_{one['type']}"
        middle_s = (one["trainee_start_s"] + one["trainee_end_s"]) / 2
        yield f"{name}_recording", registry.path(key), middle_s
        if one["gold_start_s"] is not None:
            gold = registry.gold_path(one["gold_id"], key.task_id)
            yield f"{name}_gold", gold, (one["gold_start_s"] + one["gold_end_s"]) / 2


def _taken(work: _Wanted) -> dict[str, bytes]:
    """Runs in a child process: videos are never decoded in this one."""
    found: dict[str, bytes] = {}
    for path in dict.fromkeys(path for _, path, _ in work.moments):
        of_video = [(name, time_s) for name, other, time_s in work.moments if other == path]
        moments = read_stills(path, [time_s for _, time_s in of_video], work.covering)
        for name, time_s in of_video:
            moment = moments[time_s]
            if isinstance(moment, Still):
                found[f"{work.case_id}/{name}.jpg"] = moment.jpeg
    return found
