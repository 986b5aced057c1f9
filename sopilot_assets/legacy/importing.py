"""Entering an existing installation into the ledgers: videos, scores with all repeats, reviews, profiles, and
labels as label events of the source ``imported``.

Nothing of it becomes a video, task file or score of this product; the case table of imported jobs
(`imported_cases`) is what evaluations read. Importing again adds what is new and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from sopilot_assets.errors import StoreError
from sopilot_assets.labels.chain import append_events
from sopilot_assets.labels.events import Draft, Source
from sopilot_assets.legacy.database import (
    Installation,
    Record,
    case_id,
    installed_cases,
    payloads_of,
    whole,
)
from sopilot_assets.legacy.labels import LabelFile
from sopilot_assets.legacy.ledgers import (
    JOB_COLUMNS,
    ORIGIN,
    PROFILE_COLUMNS,
    REVIEW_COLUMNS,
    VIDEO_COLUMNS,
    jobs_ledger,
    profiles_ledger,
    reviews_ledger,
    videos_ledger,
)
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, plain_rows

IMPORTER: Final = "import-legacy"
"""Who the imported labels are said to be from: the old label file names nobody."""

_IDENTITY: Final = ("gold_video_id", "trainee_video_id", "created_at")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import added, and what it holds in all; ``tasks`` are the task ids as they are now called."""

    added: Mapping[str, int]
    held: Mapping[str, int]
    tasks: tuple[str, ...]
    warnings: tuple[str, ...]


def import_installation(
    home: Home, installation: Installation, labels: LabelFile | None, *, run_id: str, written_at: str
) -> Imported:
    """Enter an installation and its labels; ``written_at`` is an ISO 8601 time in UTC.

    Raises `StoreError` where the home holds jobs of another installation under the same numbers: one home
    takes one installation.
    """
    _refuse_another(home, installation)
    rows = _rows(installation)
    added: dict[str, int] = {}
    for ledger, wanted in (
        (videos_ledger(home), rows["videos"]),
        (jobs_ledger(home), rows["jobs"]),
        (reviews_ledger(home), rows["reviews"]),
        (profiles_ledger(home), rows["profiles"]),
    ):
        added[ledger.name] = len(ledger.append(wanted, run_id=run_id, written_at=written_at))
    drafts, warnings = ([], []) if labels is None else _drafts(installation, labels, written_at)
    added["labels"] = len(append_events(home, drafts, run_id=run_id, written_at=written_at))
    return Imported(
        added=added,
        held={**{f"legacy_{name}": len(wanted) for name, wanted in rows.items()}, "labels": len(drafts)},
        tasks=tuple(sorted({str(row["task_id"]) for row in rows["jobs"] if row["task_id"]})),
        warnings=(*_renamed(installation), *warnings),
    )


def imported_cases(home: Home, task_id: str) -> pd.DataFrame:
    """The case table of the imported jobs of a task; labels come from the label events."""
    cases = installed_cases(_installation(home))
    return cases[cases["task_id"] == task_id].reset_index(drop=True)


def task_name(old: object) -> str:
    """The task id that an old one becomes: lower case, with _ for what a task id cannot hold; digits of its
    hash where nothing is left.

    >>> task_name("Filter-Change 2")
    'filter_change_2'
    >>> task_name("7up")
    't_7up'
    >>> task_name("油交換")
    'task_a7bb8fc5'
    """
    told = str(old or "")
    name = re.sub(r"[^a-z0-9_]+", "_", told.lower()).strip("_") or (told and f"task_{_digits(told)}")
    return ("t_" + name if name and not name[0].isalpha() else name)[:48]


def _task_names(installation: Installation) -> dict[str, str]:
    """The task ids that the old ones become, each its own: of several that would become the same the first
    does, the others have digits of their hash.
    """
    names: dict[str, str] = {}
    for record in (*installation.videos, *installation.profiles):
        old = str(record["task_id"] or "")
        name = task_name(old)
        if old not in names:
            names[old] = f"{name[:39]}_{_digits(old)}" if name in names.values() else name
    return names


def _renamed(installation: Installation) -> list[str]:
    """Which tasks are called so that nobody would know them again."""
    return [
        f"task {old!r} is called {name} here"
        for old, name in _task_names(installation).items()
        if name.endswith(f"_{_digits(old)}")
    ]


def _digits(old: str) -> str:
    return hashlib.sha256(old.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _installation(home: Home) -> Installation:
    videos, jobs = (plain_rows(ledger(home).latest()) for ledger in (videos_ledger, jobs_ledger))
    return Installation(
        path=Path(str(home.ledgers)),
        videos=videos,
        jobs=jobs,
        reviews=(),
        profiles=(),
        steps=(),
        payloads=payloads_of(jobs),
    )


def _refuse_another(home: Home, installation: Installation) -> None:
    columns = ", ".join(("id", *_IDENTITY))
    known = plain_rows(jobs_ledger(home).query(f"select {columns} from latest"))  # noqa: S608 - columns of ours
    before = {int(str(row["id"])): tuple(row[name] for name in _IDENTITY) for row in known}
    for job in installation.jobs:
        job_id = whole(job, "id")
        now = (whole(job, "gold_video_id"), whole(job, "trainee_video_id"), job.get("created_at"))
        if before.get(job_id, now) != now:
            raise StoreError(
                f"{installation.path}: job {job_id} is of gold {now[0]} and trainee {now[1]} at {now[2]}, "
                f"but {home.root} holds an imported job {job_id} of gold {before[job_id][0]} and trainee "
                f"{before[job_id][1]} at {before[job_id][2]}; one home takes one installation. Name another "
                "home with --home."
            )


def _rows(installation: Installation) -> dict[str, list[dict[str, Cell]]]:
    found = {row["order"]: row for row in plain_rows(installed_cases(installation))}
    names = _task_names(installation)
    of_video = {whole(video, "id"): names[str(video["task_id"] or "")] for video in installation.videos}
    return {
        "videos": [
            _row(VIDEO_COLUMNS, video, task_id=of_video[whole(video, "id")], is_gold=bool(video["is_gold"]))
            for video in installation.videos
        ],
        "jobs": [
            _row(
                JOB_COLUMNS,
                {**found[whole(job, "id")], **job},
                task_id=of_video.get(whole(job, "gold_video_id"), ""),
            )
            for job in installation.jobs
        ],
        "reviews": [_row(REVIEW_COLUMNS, review) for review in installation.reviews],
        "profiles": [
            _row(
                PROFILE_COLUMNS,
                profile,
                task_id=names[str(profile["task_id"] or "")],
                steps_json=_steps(installation, profile["task_id"]),
            )
            for profile in installation.profiles
        ],
    }


def _steps(installation: Installation, task_id: object) -> str:
    steps = [dict(step) for step in installation.steps if step.get("task_id") == task_id]
    return json.dumps(steps, ensure_ascii=False, sort_keys=True)


def _row(columns: Iterable[str], record: Record, **own: Cell) -> dict[str, Cell]:
    values = {**record, **own, "origin": ORIGIN}
    return {name: _cell(values.get(name)) for name in columns}


def _cell(value: object) -> Cell:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return None
    if value is None or isinstance(value, str | int | float):
        return value
    raise StoreError(
        f"the old system's database: expected text, numbers and empty cells, found {value!r}. "
        "Name an undamaged copy of its sopilot.db."
    )


def _drafts(installation: Installation, labels: LabelFile, at: str) -> tuple[list[Draft], list[str]]:
    of_job = dict(zip(*_tasks_of_jobs(installation), strict=True))
    names = _task_names(installation)
    drafts: list[Draft] = []
    homeless: list[int] = []
    for job_id in sorted(labels.job_ids):
        old = of_job.get(job_id) or labels.task_id or ""
        task_id = names.get(old) or task_name(old)
        if not task_id:
            homeless.append(job_id)
            continue
        drafts.append(
            Draft(
                task_id=task_id,
                key=case_id(job_id),
                who=IMPORTER,
                at=at,
                source=Source.IMPORTED,
                critical_expected=labels.expected.get(job_id),
            )
        )
    unknown = sorted(labels.job_ids - set(of_job))
    warnings = []
    if unknown:
        warnings.append(f"{len(unknown)} labels are of jobs that the database lacks, e.g. {unknown[:3]}")
    if homeless:
        warnings.append(f"{len(homeless)} labels belong to no task and were left out, e.g. {homeless[:3]}")
    return drafts, warnings


def _tasks_of_jobs(installation: Installation) -> tuple[list[int], list[str]]:
    cases = installed_cases(installation)
    return cases["order"].tolist(), cases["task_id"].tolist()
