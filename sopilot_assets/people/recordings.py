"""The recordings of one person, in the order of time, each with its result and what people said of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import pandas as pd

from sopilot_assets.labels.chain import labels_ledger
from sopilot_assets.labels.contests import open_objections
from sopilot_assets.labels.events import Agreement, Source
from sopilot_assets.people.persons import DECIDED
from sopilot_assets.scoring.result import Decision
from sopilot_assets.stations.recording_list import NOT_JUDGED, known_recordings
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Row, plain_rows, query_together
from sopilot_assets.tasks import DeviationType, Severity

DISPUTED: Final = "disputed"
"""What a recording is whose decision somebody contests, or was answered with the opposite."""


@dataclass(frozen=True, slots=True)
class FoundDeviation:
    """A deviation that was found in a recording: ``index`` is its number there, ``at_s`` its moment in
    seconds. ``refused``: who looked says that it is none.
    """

    type: DeviationType
    steps: tuple[str, ...]
    severity: Severity
    index: int
    at_s: float
    refused: bool


@dataclass(frozen=True, slots=True)
class OwnRecording:
    """One recording of a person. ``at`` is when it was recorded, or taken in where ``recorded`` is False;
    ``decision`` is None where it was not judged yet, and ``score`` where there are no points.

    ``disputed``: somebody contests the decision, or it was contested and the answer was another one.
    """

    key: str
    name: str
    at: datetime
    recorded: bool
    decision: Decision | None
    score: float | None
    found: tuple[FoundDeviation, ...]
    disputed: bool

    @property
    def kind(self) -> str:
        """What it is in charts and counts: `DISPUTED`, `NOT_JUDGED`, or its decision."""
        if self.disputed:
            return DISPUTED
        return NOT_JUDGED if self.decision is None else self.decision.value

    @property
    def counts(self) -> bool:
        """Whether its decision says something of the person."""
        return self.decision in DECIDED and not self.disputed


def recordings_of(home: Home, person: str) -> dict[str, tuple[OwnRecording, ...]]:
    """The recordings of a person by task, each task's in order of time; no task where they have none."""
    rows = plain_rows(
        query_together(
            {},
            "select known.* from known, asked where taken_as = 'trainee' and person = its_person",
            known=known_recordings(home),
            asked=pd.DataFrame({"its_person": [person]}, dtype="string"),
        )
    )
    said = _said(home, [str(row["key"]) for row in rows])
    found = sorted((_recording(row, said.get(str(row["key"]), ())) for row in rows), key=_when)
    of_task: dict[str, list[OwnRecording]] = {}
    for task_id, one in found:
        of_task.setdefault(task_id, []).append(one)
    return {task_id: tuple(its) for task_id, its in sorted(of_task.items())}


_SPOKEN: Final = (
    'select key, task_id, who, "at", seq, source, verdict, note, adjudicates, critical_expected, deviations '
    "from all_rows join wanted using (key) where source = 'human' or adjudicates order by seq"
)


def _said(home: Home, keys: Sequence[str]) -> dict[str, list[Row]]:
    wanted = pd.DataFrame({"key": list(keys)}, dtype="string")
    said: dict[str, list[Row]] = {}
    for row in plain_rows(labels_ledger(home).query(_SPOKEN, wanted=wanted)):
        said.setdefault(str(row["key"]), []).append(row)
    return said


def _recording(row: Row, said: Sequence[Row]) -> tuple[str, OwnRecording]:
    decision = None if row["decision"] is None else Decision(str(row["decision"]))
    at = datetime.fromisoformat(str(row["at_text"]))
    return str(row["task_id"]), OwnRecording(
        key=str(row["key"]),
        name=str(row["original_name"]),
        at=at if at.tzinfo is not None else at.replace(tzinfo=UTC),
        recorded=row["recorded_at"] is not None,
        decision=decision,
        score=None if row["score"] is None else float(row["score"]),
        found=_found(row, said),
        disputed=_disputed(str(row["key"]), decision, said),
    )


def _when(one: tuple[str, OwnRecording]) -> tuple[datetime, str]:
    return one[1].at, one[1].key


def _found(row: Row, said: Sequence[Row]) -> tuple[FoundDeviation, ...]:
    refused = _refused(said)
    return tuple(
        FoundDeviation(
            DeviationType(one["type"]),
            tuple(one["steps"]),
            Severity(one["severity"]),
            index,
            float(one["trainee_start_s"]),
            (one["type"], tuple(one["steps"])) in refused,
        )
        for index, one in enumerate(json.loads(str(row["deviations"] or "[]")))
    )


def _refused(said: Sequence[Row]) -> set[tuple[str, tuple[str, ...]]]:
    """The findings that somebody says are none, and nobody says are right, by type and steps."""
    newest: Mapping[str, Row] = {
        str(row["who"]): row for row in said if row["source"] == Source.HUMAN.value and not row["adjudicates"]
    }
    answers: dict[tuple[str, tuple[str, ...]], set[bool | None]] = {}
    for row in newest.values():
        for one in map(Agreement.model_validate, json.loads(str(row["deviations"] or "[]"))):
            if not one.suspected:
                answers.setdefault((one.type.value, one.steps), set()).add(one.agree)
    return {finding for finding, its in answers.items() if False in its and True not in its}


def _disputed(key: str, decision: Decision | None, said: Sequence[Row]) -> bool:
    if open_objections(said).get(key):
        return True
    answers = [row["critical_expected"] for row in said if row["adjudicates"]]
    if not answers or answers[-1] is None:
        return False
    critical = bool(answers[-1])
    return (decision is Decision.FAIL and not critical) or (decision is Decision.PASS and critical)
