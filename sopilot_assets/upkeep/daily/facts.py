"""What cannot be read from rows later: free space, what is stale, the gates and targets of a day.

They are measured once, when the report of a finished day is first made, and kept as a row; so the same day
gives the same report for ever.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import pyarrow as pa

from sopilot_assets.disk import free_bytes
from sopilot_assets.errors import StudyError
from sopilot_assets.evidence.results import GATES, gate_verdict, results_ledger
from sopilot_assets.settings import load_settings
from sopilot_assets.stations.staleness import stale_scores
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, Ledger, plain_rows
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import find_tasks
from sopilot_assets.upkeep.daily.day import Day

COLUMNS: Final = {
    "date": pa.string(),
    "measured_at": pa.string(),
    "measured_late": pa.bool_(),
    "free_bytes": pa.int64(),
    "home_bytes": pa.int64(),
    "stale": pa.string(),
    "gates": pa.string(),
    "settings": pa.string(),
    "tasks": pa.string(),
}
"""``stale`` (recordings by reason), ``gates`` (a list of verdicts), ``settings`` and ``tasks`` (names of the
task files) are JSON.
"""

IN_TIME: Final = timedelta(hours=12)
"""How long after a day's end the disk still says something about that day."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was measured; sizes in bytes, None where it was too late to say anything about the day."""

    date: str
    measured_at: str
    free_bytes: int | None
    home_bytes: int | None
    stale: Mapping[str, int] | None
    gates: tuple[Mapping[str, Cell], ...]
    settings: Mapping[str, float]
    tasks: tuple[str, ...]


def facts_ledger(home: Home) -> Ledger:
    """One row a day; the first one counts."""
    return Ledger(home.ledgers, "daily_facts", COLUMNS, "date")


def facts_of(home: Home, day: Day, *, now: datetime, run_id: str) -> Facts:
    """The facts of a day: measured now while it lasts, kept from the first time on when it is over."""
    known = known_facts(home).get(day.date.isoformat())
    if known is not None and day.complete:
        return known
    measured = _measured(home, day, now)
    if not day.complete:
        return _facts(measured)
    facts_ledger(home).append([measured], run_id=run_id, written_at=now.isoformat())
    return known_facts(home)[day.date.isoformat()]


def facts_for_counts(home: Home, now: datetime) -> Facts:
    """Of the facts of now only those that cost nothing to know: settings and tasks."""
    date, tasks = now.date().isoformat(), tuple(sorted(find_tasks(home.root).tasks))
    return Facts(date, now.isoformat(), None, None, None, (), _kept(home), tasks)


def known_facts(home: Home) -> dict[str, Facts]:
    """The facts that were kept, by date."""
    rows = plain_rows(facts_ledger(home).all_rows())
    return {str(row["date"]): _facts(row) for row in reversed(rows)}


def _measured(home: Home, day: Day, now: datetime) -> dict[str, Cell]:
    late = now - day.until > IN_TIME
    return {
        "date": day.date.isoformat(),
        "measured_at": now.isoformat(),
        "measured_late": late,
        "free_bytes": None if late else free_bytes(home),
        "home_bytes": None if late else folder_bytes(home),
        "stale": None if late else json.dumps(_stale(home), sort_keys=True),
        "gates": json.dumps(_gates(home, day), sort_keys=True),
        "settings": json.dumps(_kept(home), sort_keys=True),
        "tasks": json.dumps(sorted(find_tasks(home.root).tasks)),
    }


def _kept(home: Home) -> dict[str, float]:
    """The settings that a report counts by."""
    settings = load_settings(home)
    return {
        "golds": settings.targets.golds,
        "trainees": settings.targets.trainees,
        "pause_gib": settings.disk.pause_gib,
        "warn_gib": settings.disk.warn_gib,
        "audit_share": settings.audit.share,
        "audit_seed": settings.audit.seed,
    }


def _facts(row: Mapping[str, Cell]) -> Facts:
    free, size = row["free_bytes"], row["home_bytes"]
    return Facts(
        date=str(row["date"]),
        measured_at=str(row["measured_at"]),
        free_bytes=None if free is None else int(free),
        home_bytes=None if size is None else int(size),
        stale=None if row["stale"] is None else json.loads(str(row["stale"])),
        gates=tuple(json.loads(str(row["gates"]))),
        settings=json.loads(str(row["settings"])),
        tasks=tuple(json.loads(str(row["tasks"]))),
    )


def folder_bytes(home: Home) -> int:
    """The size of all files below the home; what goes away meanwhile counts nothing."""
    return sum(_size(entry) for entry in _files(str(local_path(home.root))))


def _files(folder: str) -> list[os.DirEntry[str]]:
    found: list[os.DirEntry[str]] = []
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    (
                        waiting.append(entry.path)
                        if entry.is_dir(follow_symlinks=False)
                        else found.append(entry)
                    )
        except FileNotFoundError:
            continue  # removed since it was listed
    return found


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0


def _stale(home: Home) -> dict[str, int]:
    return {str(why): count for why, count in sorted(Counter(stale_scores(home)["why"]).items())}


def _gates(home: Home, day: Day) -> list[dict[str, Cell]]:
    """The newest gate report of each study at the end of the day."""
    rows = plain_rows(results_ledger(home).as_of(day.moment))
    current = {str(row["result"]): row["sha256"] for row in plain_rows(results_ledger(home).latest())}
    return [
        _gate(home, row, replaced=current[str(row["result"])] != row["sha256"])
        for row in rows
        if row["file"] == GATES
    ]


def _gate(home: Home, row: Mapping[str, Cell], *, replaced: bool) -> dict[str, Cell]:
    study_id = str(row["study_id"])
    known: dict[str, Cell] = {"study": study_id, "reported_at": row["written_at"]}
    unknown: dict[str, Cell] = {**known, "passed": None, "profile": None, "failed": None}
    if replaced:
        return {**unknown, "what": "was replaced by a newer report before this one was written"}
    try:
        verdict = gate_verdict(home, study_id)
    except StudyError as error:
        return {**unknown, "what": str(error)}
    failed = sum(not check["passed"] for check in verdict.rows)
    profile, _, what = verdict.sentence.partition(": ")
    return {**known, "passed": verdict.passed, "profile": profile, "failed": failed, "what": what}
