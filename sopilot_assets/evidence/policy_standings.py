"""What decides for a task: the standing of its policy, the events that led to it, and the audit of passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

import pandas as pd

from sopilot_assets.capture.ledgers import ACTIVE, videos_ledger
from sopilot_assets.evidence.outcome import StudyOutcome
from sopilot_assets.labels.chain import read_chain
from sopilot_assets.labels.events import Source
from sopilot_assets.labels.state import label_state
from sopilot_assets.scoring.ledger import first_passes, first_scores, scores_ledger
from sopilot_assets.scoring.limits import GOLDS, policy_source
from sopilot_assets.settings import load_settings
from sopilot_assets.stations.adoptions import PolicyStanding, standings
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.studies.adoptions import adoptions
from sopilot_assets.studies.audit import audit_rows, decided_share
from sopilot_assets.tasks import find_tasks

_TOLD: Final = ("policy_id", "detector", "review", "study_id", "dossier_id", "who", "at", "reason")
_EVENT: Final = ("seq", "happened", "at", "who", "reason", "policy_id", "study_id", "dossier_id", "event_id")


def describe_policy(home: Home, task_id: str, *, now: datetime) -> StudyOutcome:
    """What decides for a task, since when and why, how much it decides, and the audit of what passed since;
    every event of adoption, the newest first.
    """
    return describe_policies(home, [task_id], now=now)[task_id]


def describe_policies(home: Home, task_ids: Sequence[str], *, now: datetime) -> dict[str, StudyOutcome]:
    """The same of several tasks, by task; what all of them need is read once."""
    read = _Read(home, now)
    return {task_id: _described(read, task_id) for task_id in task_ids}


@dataclass(frozen=True)
class _Read:
    """What was read of a home for several tasks."""

    home: Home
    now: datetime

    @cached_property
    def standings(self) -> dict[str, PolicyStanding]:
        return current_standings(self.home)

    @cached_property
    def scores(self) -> pd.DataFrame:
        columns = "task_id, decision, problem, shows_task, decided_by"
        return scores_ledger(self.home).query(f"select {columns} from latest where role = 'trainee'")  # noqa: S608 - constants

    @cached_property
    def persons(self) -> dict[str, dict[str, str | None]]:
        """The person of each active recording, by task and key."""
        rows = videos_ledger(self.home).query(
            f"select task_id, key, person from latest where status = '{ACTIVE}'"  # noqa: S608 - a constant
        )
        found: dict[str, dict[str, str | None]] = {}
        for row in plain_rows(rows):
            person = None if row["person"] is None else str(row["person"])
            found.setdefault(str(row["task_id"]), {})[str(row["key"])] = person
        return found

    @cached_property
    def first_scores(self) -> dict[str, str]:
        return first_scores(self.home, self.now.isoformat())

    @cached_property
    def first_passes(self) -> dict[str, str]:
        return first_passes(self.home, self.now.isoformat())


def _described(read: _Read, task_id: str) -> StudyOutcome:
    events, standing = adoptions(read.home).read(task_id), read.standings.get(task_id)
    said = events[-1] if events else None
    mine = read.scores[read.scores["task_id"] == task_id]
    source = policy_source(standing.said.policy_id) if standing and standing.decides else GOLDS
    metadata: dict[str, Cell] = {"task": task_id, "decided_by": source}
    if said is not None:
        metadata |= {name: getattr(said, name) for name in _TOLD}
        metadata["state"] = "decides" if source != GOLDS else said.happened.value
        metadata["not_any_more"] = "; ".join(standing.lost) if standing else ""
        metadata["fitted_on_reference"] = said.reference_id
        metadata["not_measured"] = standing.other_reference if standing and standing.decides else ""
    metadata |= {
        "scores_by_it": int((mine["decided_by"].fillna(GOLDS) == source).sum()),
        "decided_share": decided_share(mine),
    }
    since = standing.said.at if standing and standing.decides else None
    rows = [dict(event.model_dump(mode="json")) for event in reversed(events)]
    return StudyOutcome(
        task_id,
        metadata,
        tables={
            "audit": _audited(read, task_id, since=since),
            "events": [{name: row[name] for name in _EVENT} for row in rows],
        },
    )


def _audited(read: _Read, task_id: str, *, since: str | None) -> list[dict[str, Cell]]:
    """The audit of the task's passes: of recordings that were new since a time, or of all."""
    persons = read.persons.get(task_id, {})
    passed = {
        key: at
        for key, at in read.first_passes.items()
        if key in persons and (since is None or read.first_scores[key] >= since)
    }
    blind = label_state(read_chain(read.home, task_id), [Source.BLIND_HUMAN])
    return audit_rows(passed, persons, blind, load_settings(read.home).audit)


def current_standings(home: Home) -> dict[str, PolicyStanding]:
    """The standing of each task's policy, by task."""
    return standings(home, find_tasks(home.root).tasks)
