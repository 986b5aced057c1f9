"""The ledger of step times: of each recording one row for its cycle, and one for each stretch of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from sopilot_assets.alignment.spans import Alignment
from sopilot_assets.scoring.ledger import algorithm_version
from sopilot_assets.scoring.result import Score
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell, Ledger
from sopilot_assets.tasks import TaskSpec
from sopilot_assets.times.occurrences import Occurrence, OccurrenceKind, cycle, occurrences

if TYPE_CHECKING:
    from sopilot_assets.reference.model import Reference

TIMES_VERSION: Final = "times-1"
CYCLE: Final = "cycle"
"""The kind of a recording's first row: ``begin_s`` to ``end_s`` is its cycle, ``whole`` whether it is
complete, ``occurrence`` how many rows follow, ``seconds`` null where there is none (the recording does not
show the task).
"""

_TEXT, _NUMBER, _COUNT, _FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()

COLUMNS: Final = {
    "place": _TEXT,
    "key": _TEXT,
    "task_id": _TEXT,
    "number": _COUNT,
    "kind": _TEXT,
    "step_id": _TEXT,
    "occurrence": _COUNT,
    "rework": _FLAG,
    "whole": _FLAG,
    "begin_s": _NUMBER,
    "end_s": _NUMBER,
    "seconds": _NUMBER,
    "usual_s": _NUMBER,
    "low_s": _NUMBER,
    "high_s": _NUMBER,
    "reference_id": _TEXT,
    "task_fingerprint": _TEXT,
    "algorithm": _TEXT,
}
"""``place`` is the key and the number, which is 0 for the cycle and then counts. ``kind`` is `CYCLE` or an
`OccurrenceKind`; see `Occurrence` for the others. ``usual_s``, ``low_s`` and ``high_s`` are the golds'
median, shortest and longest time for the step at their usual pace, null for all but steps. The last three say
what the row was made by: those of the score that it belongs to.
"""
FIRST_PLACE: Final = "000"
"""What the place of a recording's first row ends with."""
MADE_BY: Final = ("reference_id", "task_fingerprint", "algorithm")


def step_times_ledger(home: Home) -> Ledger:
    """The ledger of step times below ``home``; its subject is a place in a recording."""
    return Ledger(home.ledgers, "step_times", COLUMNS, "place")


def times_version() -> str:
    """The version of everything between an embedding and a step's time."""
    return f"{algorithm_version()}+{TIMES_VERSION}"


def time_rows(
    key: PartitionKey, task: TaskSpec, reference: Reference, alignment: Alignment, score: Score
) -> Iterator[dict[str, Cell]]:
    """The rows of a recording: its cycle, and its stretches in order; of one that does not show the task only
    the former.
    """
    found = occurrences(alignment) if score.shows_task else ()
    about: dict[str, Cell] = {
        **dict.fromkeys(COLUMNS),
        "key": str(key),
        "task_id": task.task_id,
        "reference_id": reference.reference_id,
        "task_fingerprint": task.fingerprint(),
        "algorithm": times_version(),
    }
    whole = cycle(found, len(task.steps))
    yield {
        **about,
        "place": f"{key}/{FIRST_PLACE}",
        "number": 0,
        "kind": CYCLE,
        "occurrence": len(found),
        "whole": whole is not None and whole[1],
        "begin_s": whole and round(whole[0].start_s, 3),
        "end_s": whole and round(whole[0].end_s, 3),
        "seconds": whole and round(whole[0].duration_s, 3),
    }
    for number, one in enumerate(found, 1):
        yield {
            **about,
            "place": f"{key}/{number:03d}",
            "number": number,
            "kind": one.kind.value,
            "step_id": None if one.step is None else task.steps[one.step].id,
            "occurrence": one.occurrence or None,
            "rework": one.rework,
            "whole": one.whole,
            "begin_s": round(one.begin_s, 3),
            "end_s": round(one.end_s, 3),
            "seconds": round(one.seconds, 3),
            **_golds(reference, one),
        }


def _golds(reference: Reference, one: Occurrence) -> dict[str, Cell]:
    if one.kind is not OccurrenceKind.STEP or one.step is None:
        return {}
    durations = reference.durations
    seen = durations.observed[one.step] or (durations.seconds(one.step),)
    return {
        "usual_s": round(durations.seconds(one.step), 3),
        "low_s": round(min(seen), 3),
        "high_s": round(max(seen), 3),
    }
