"""Who has recordings: one line a person and task, in the order of their codes and in no other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pandas as pd

from sopilot_assets.scoring.result import Decision
from sopilot_assets.stations.recording_list import known_recordings
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import plain_rows, query_together
from sopilot_assets.texts.names import composed

PER_PAGE: Final = 50
DECIDED: Final = (Decision.PASS, Decision.RETRAIN, Decision.FAIL)
"""What says something of a person; the others wait for somebody to look, or say nothing."""


@dataclass(frozen=True, slots=True)
class PersonAtTask:
    """How many recordings of a task a person has, and how many of them are decided; ``last_at`` is when the
    newest was recorded, or taken in where nobody knows (ISO 8601).
    """

    person: str
    task_id: str
    recordings: int
    decided: int
    last_at: str


@dataclass(frozen=True, slots=True)
class PersonPage:
    """One page of the list, counted from 1; ``total`` is how many lines all pages hold. ``nobodys`` counts
    the recordings of which nobody said whose they are.
    """

    rows: tuple[PersonAtTask, ...]
    page: int
    total: int
    nobodys: int

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // PER_PAGE))


def list_persons(home: Home, *, text: str = "", task: str | None = None, page: int = 1) -> PersonPage:
    """The people with recordings of a task (of any where it is None) whose code holds ``text``; the last page
    where there are fewer. Golds show how it is done right and are left out, unless a recording came in as a
    trainee's.
    """
    people, nobodys = _found(home, text, task)
    page = min(max(page, 1), max(1, -(-len(people) // PER_PAGE)))
    shown = people[(page - 1) * PER_PAGE : page * PER_PAGE]
    return PersonPage(tuple(shown), page, len(people), nobodys)


def all_persons(home: Home, *, task: str | None = None) -> list[PersonAtTask]:
    """The same people, all of them."""
    return _found(home, "", task)[0]


def _found(home: Home, text: str, task: str | None) -> tuple[list[PersonAtTask], int]:
    """The people, and how many recordings are nobody's."""
    frame = query_together({}, _LISTED, known=known_recordings(home), asked=_asked(text, task))
    rows = plain_rows(frame)
    people = [
        PersonAtTask(
            str(row["person"]),
            str(row["task_id"]),
            int(row["recordings"] or 0),
            int(row["decided"] or 0),
            str(row["last_at"]),
        )
        for row in rows
        if row["person"] is not None
    ]
    return people, sum(int(row["recordings"] or 0) for row in rows if row["person"] is None)


def tasks_with_people(home: Home) -> tuple[str, ...]:
    """The tasks that trainees have recordings of, sorted."""
    sql = "select distinct task_id from known where taken_as = 'trainee' order by task_id"
    return tuple(query_together({}, sql, known=known_recordings(home))["task_id"])


_NAMED: Final = ", ".join(f"'{one.value}'" for one in DECIDED)
_LISTED: Final = f"""
select person, task_id, count(*) as recordings, count(*) filter (where decision in ({_NAMED})) as decided,
    max_by(at_text, try_cast(at_text as timestamptz)) as last_at
from known, asked
where taken_as = 'trainee' and (its_task is null or task_id = its_task)
    and (its_text is null or person is null or contains(lower(person), its_text))
group by person, task_id order by person, task_id
"""  # noqa: S608 - constants of ours


def _asked(text: str, task: str | None) -> pd.DataFrame:
    wanted = composed(text.strip()).lower() or None
    return pd.DataFrame({"its_text": [wanted], "its_task": [task]}, dtype="string")
