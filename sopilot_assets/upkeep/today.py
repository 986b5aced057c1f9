"""What waits for people now, and what happened since a moment: the questions of the daily report, asked for
the first page of the desk.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from sopilot_assets.capture.ledgers import quarantine_ledger, videos_ledger
from sopilot_assets.capture.promotions import promotions_ledger
from sopilot_assets.capture.reasons import REASON_TEXTS, Reason
from sopilot_assets.capture.registry import Registry
from sopilot_assets.labels.chain import labels_ledger
from sopilot_assets.reference.ledger import ReferenceState, reference_states
from sopilot_assets.scoring.ledger import algorithm_version, scores_ledger
from sopilot_assets.scoring.result import Objection
from sopilot_assets.scoring.verdict import Verdict, verdict_of_row
from sopilot_assets.stations.gold_inputs import task_inputs
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell, Row, plain_rows
from sopilot_assets.tasks import TaskSpec, find_tasks
from sopilot_assets.tasks.words import task_name
from sopilot_assets.texts.languages import Text
from sopilot_assets.upkeep.daily import counts
from sopilot_assets.upkeep.daily.day import Day, Rows
from sopilot_assets.upkeep.daily.facts import facts_for_counts
from sopilot_assets.upkeep.daily.waiting import looks

MOST: Final = 12
"""So many of a kind are named; the list of recordings has the others."""


@dataclass(frozen=True, slots=True)
class LookAt:
    """A recording that a person has to look at, or whose decision is contested; ``task`` is the name of its
    procedure where there are several.
    """

    key: str
    name: str
    task: Text | None
    verdict: Verdict | None
    objections: tuple[Objection, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that intake refused: why, and what to do; ``at`` is ISO 8601 in UTC."""

    file: str
    at: str
    what: Text
    action: Text


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """How far a task is: recordings against the targets, and what waits in it. ``renewing``: golds or their
    steps changed, and no reference was made of them yet. ``candidates`` could become golds.
    ``behind`` counts the results that were made with the reference before, and are brought up to date by
    themselves.
    """

    task_id: str
    name: Text
    golds: int
    golds_target: int
    trainees: int
    trainees_target: int
    not_judged: int
    to_audit: int
    disputed: int
    without_steps: tuple[str, ...]
    renewing: bool
    behind: int
    candidates: int


@dataclass(frozen=True, slots=True)
class Since:
    """How much happened since a moment."""

    taken_in: int
    judged: int
    refused: int
    said: int


@dataclass(frozen=True, slots=True)
class WaitingNow:
    """All of it; ``look_count`` counts also those that `MOST` leaves out of ``look``, and so on."""

    look: tuple[LookAt, ...]
    look_count: int
    contested: tuple[LookAt, ...]
    refused: tuple[Refused, ...]
    refused_count: int
    progress: tuple[TaskProgress, ...]
    since: Since | None

    @property
    def not_judged(self) -> int:
        """How many recordings were taken in and not judged yet."""
        return sum(task.not_judged for task in self.progress)

    @property
    def nothing(self) -> bool:
        """Whether nobody has to do anything."""
        waits = self.look or self.contested or self.refused or self.not_judged
        return not waits and not any(task.without_steps or task.to_audit for task in self.progress)


def waiting_now(home: Home, now: datetime, *, since: str | None) -> WaitingNow:
    """What waits for a trainer; ``since`` is when they were here last (ISO 8601 in UTC), None where nobody
    knows.
    """
    rows, tasks = _rows(home, now.date()), find_tasks(home.root).tasks
    named = (rows.recordings[column].tolist() for column in ("key", "original_name"))
    names = dict(zip(*named, strict=True))
    look = looks(rows)
    refused = [_refused(row) for row in reversed(rows.quarantine)]
    return WaitingNow(
        look=_look(home, look["key"].tolist()[:MOST], tasks),
        look_count=len(look),
        contested=tuple(
            LookAt(key, str(names[key]), _told_task(key, tasks), None, objections)
            for key, objections in rows.contested.items()
        ),
        refused=tuple(refused[:MOST]),
        refused_count=len(refused),
        progress=_progress(home, rows, now, tasks),
        since=None if since is None else _since(rows, since),
    )


def _rows(home: Home, day: date) -> Rows:
    ledgers = (videos_ledger, scores_ledger, promotions_ledger, quarantine_ledger, labels_ledger)
    return _rows_in(home, day, *(tuple(one(home).files()) for one in ledgers))


@functools.lru_cache(maxsize=1)
def _rows_in(home: Home, day: date, *_: tuple[str, ...]) -> Rows:
    """All that was written until the end of the day, which may be some seconds ahead on another machine.
    Kept as long as the ledgers have the same files, which are never written twice.
    """
    until = datetime.combine(day + timedelta(days=1), time(), UTC)
    return Rows(home, Day(day, until), narrow=True)


_TOLD: Final = (
    "select key, task_id, original_name, decision, cause, reason_en, reason_ja, score, deviations, suspected "
    "from latest"
)


def _look(home: Home, keys: Sequence[str], tasks: Mapping[str, TaskSpec]) -> tuple[LookAt, ...]:
    which = ", ".join(f"'{key}'" for key in keys) or "null"
    found = scores_ledger(home).query(f"{_TOLD} where key in ({which})")
    rows = {str(row["key"]): row for row in plain_rows(found)}
    return tuple(
        LookAt(
            key,
            str(row["original_name"]),
            _told_task(key, tasks),
            verdict_of_row(row, tasks.get(str(row["task_id"]))),
        )
        for key, row in ((key, rows[key]) for key in keys)
    )


def _told_task(key: str, tasks: Mapping[str, TaskSpec]) -> Text | None:
    task_id = PartitionKey.parse(key).task_id
    return task_name(tasks.get(task_id), task_id) if len(tasks) > 1 else None


def _refused(row: Row) -> Refused:
    text = REASON_TEXTS[Reason(str(row["reason"]))]
    return Refused(
        str(row["original_name"]),
        str(row["written_at"]),
        Text(text.english, text.japanese),
        Text(text.do_english, text.do_japanese),
    )


def _progress(
    home: Home, rows: Rows, now: datetime, tasks: Mapping[str, TaskSpec]
) -> tuple[TaskProgress, ...]:
    inputs, states = task_inputs(home, tasks, Registry.read_golds(home)), reference_states(home)
    behind = _behind(rows, states, tasks)
    renewing = {task for task, its in inputs.items() if its.is_renewed(states.get(task))}
    return tuple(
        TaskProgress(
            task_id=str(row["task"]),
            name=task_name(tasks.get(str(row["task"])), str(row["task"])),
            **{name: _count(row[name]) for name in _COUNTS},
            not_judged=_count(row["without_score"]),
            without_steps=inputs[str(row["task"])].unannotated if row["task"] in inputs else (),
            renewing=row["task"] in renewing,
            behind=behind.get(str(row["task"]), 0),
            candidates=rows.candidates(str(row["task"])),
        )
        for row in counts.progress(rows, facts_for_counts(home, now))
    )


def _behind(
    rows: Rows, states: Mapping[str, ReferenceState], tasks: Mapping[str, TaskSpec]
) -> dict[str, int]:
    """How many results of each task wait for nothing but the new reference; what else is out of date is not
    brought up to date by itself.
    """
    scores, algorithm = rows.scores, algorithm_version()
    found: dict[str, int] = {}
    for task_id, state in states.items():
        if task_id in tasks and state.reference_id is not None:
            its = scores[scores["task_id"] == task_id]
            before = its["reference_id"].ne(state.reference_id) & its["algorithm"].eq(algorithm)
            found[task_id] = int((before & its["task_fingerprint"].eq(tasks[task_id].fingerprint())).sum())
    return found


_COUNTS: Final = ("golds", "golds_target", "trainees", "trainees_target", "to_audit", "disputed")


def _count(cell: Cell) -> int:
    return int(cell or 0)


def _since(rows: Rows, since: str) -> Since:
    active = set(rows.recordings["key"].tolist())
    return Since(
        taken_in=sum(at > since for key, at in rows.first_seen.items() if key in active),
        judged=sum(at > since for key, at in rows.first_scored.items() if key in active),
        refused=sum(str(row["written_at"]) > since for row in rows.quarantine),
        said=rows.said_since(since),
    )
