"""What decides for a task: the standing of its policy, the events that led to it, and the audit of passes."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sopilot_assets.capture.registry import Registry
from sopilot_assets.evidence.outcome import StudyOutcome
from sopilot_assets.labels.chain import read_chain
from sopilot_assets.labels.events import Source
from sopilot_assets.labels.state import label_state
from sopilot_assets.scoring.ledger import first_passes, first_scores, row_source, scores_ledger
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
    events, standing = adoptions(home).read(task_id), current_standings(home).get(task_id)
    said = events[-1] if events else None
    scores = scores_ledger(home).query("select * from latest")
    mine = scores[(scores["task_id"] == task_id) & (scores["role"] == "trainee")]
    source = policy_source(standing.said.policy_id) if standing and standing.decides else GOLDS
    metadata: dict[str, Cell] = {"task": task_id, "decided_by": source}
    if said is not None:
        metadata |= {name: getattr(said, name) for name in _TOLD}
        metadata["state"] = "decides" if source != GOLDS else said.happened.value
        metadata["not_any_more"] = "; ".join(standing.lost) if standing else ""
        metadata["fitted_on_reference"] = said.reference_id
        metadata["not_measured"] = standing.other_reference if standing and standing.decides else ""
    metadata |= {
        "scores_by_it": sum(row_source(row) == source for row in plain_rows(mine[["decided_by"]])),
        "decided_share": decided_share(mine),
    }
    since = standing.said.at if standing and standing.decides else None
    rows = [dict(event.model_dump(mode="json")) for event in reversed(events)]
    return StudyOutcome(
        task_id,
        metadata,
        tables={
            "audit": _audited(home, task_id, since=since, now=now),
            "events": [{name: row[name] for name in _EVENT} for row in rows],
        },
    )


def _audited(home: Home, task_id: str, *, since: str | None, now: datetime) -> list[dict[str, Cell]]:
    """The audit of the task's passes: of recordings that were new since a time, or of all."""
    active = Registry.read(home).active(task_id)
    persons = {key: one.person for key, one in active.items()}
    first = first_scores(home, now.isoformat()) if since else {}
    passed = {
        key: at
        for key, at in first_passes(home, now.isoformat()).items()
        if key in persons and (since is None or first[key] >= since)
    }
    blind = label_state(read_chain(home, task_id), [Source.BLIND_HUMAN])
    return audit_rows(passed, persons, blind, load_settings(home).audit)


def current_standings(home: Home) -> dict[str, PolicyStanding]:
    """The standing of each task's policy, by task."""
    return standings(home, find_tasks(home.root).tasks)
