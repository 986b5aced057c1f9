"""The database of an existing installation of the old system, read and never written.

`sopilot.db` is SQLite with the tables `videos` and `score_jobs`, and mostly `score_reviews`, `task_profiles`
and `sop_steps`. A job's payload is JSON; the old scripts read it leniently, and so does this module: a number
that cannot be read, or is negative, counts as 0.
"""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import quote

import pandas as pd

from sopilot_assets.errors import StoreError
from sopilot_assets.legacy.labels import LabelFile
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.studies.cases import case_frame

Record: TypeAlias = Mapping[str, object]
"""One row of a table of the old database, or an object in a payload."""

NEEDED: Final[Mapping[str, frozenset[str]]] = {
    "videos": frozenset({"id", "task_id", "site_id", "is_gold"}),
    "score_jobs": frozenset({"id", "gold_video_id", "trainee_video_id", "status", "score_json"}),
}
"""The tables and columns without which a file is no database of the old system."""

OPTIONAL: Final = ("score_reviews", "task_profiles", "sop_steps")
ALGORITHM: Final = "color-motion-dtw"
"""What the old scoring is called in the case table."""

_SEVERITIES: Final = ("critical", "quality", "efficiency")


@dataclass(frozen=True, slots=True)
class Installation:
    """What the database holds, each table in ascending order of its first column.

    ``payloads`` is each job's payload by job id, for the completed jobs whose payload could be read.
    """

    path: Path
    videos: Sequence[Record]
    jobs: Sequence[Record]
    reviews: Sequence[Record]
    profiles: Sequence[Record]
    steps: Sequence[Record]
    payloads: Mapping[int, Record]


def read_installation(path: Path) -> Installation:
    """The content of the database at ``path``.

    Raises `StoreError` where the file is missing, is no SQLite database or lacks a table or column.
    """
    if not path.is_file():
        raise StoreError(f"{path}: no such file; name the old system's database, usually sopilot.db.")
    try:
        with contextlib.closing(_open(path)) as connection:
            connection.row_factory = sqlite3.Row
            _check(connection, path)
            tables = {name: _rows(connection, name) for name in (*NEEDED, *OPTIONAL)}
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"{path}: could not be read as the old system's SQLite database ({error}). Name its sopilot.db; "
            "where a file sopilot.db-wal lies beside it, copy both."
        ) from error
    jobs = tables["score_jobs"]
    return Installation(
        path=path,
        videos=tables["videos"],
        jobs=jobs,
        reviews=tables["score_reviews"],
        profiles=tables["task_profiles"],
        steps=tables["sop_steps"],
        payloads=payloads_of(jobs),
    )


def payloads_of(jobs: Sequence[Record]) -> dict[int, Record]:
    """The payload of each completed job by its id, where it can be read."""
    read = {whole(job, "id"): _payload(job["score_json"]) for job in jobs if job["status"] == "completed"}
    return {job_id: payload for job_id, payload in read.items() if payload is not None}


def installed_cases(installation: Installation, labels: LabelFile | None = None) -> pd.DataFrame:
    """The case table of every job; one without a payload has a ``problem``.

    ``score`` and ``dtw_normalized_cost`` are NaN where the payload has none; `as_old` is the table as the old
    scripts saw it. ``video_id`` and ``gold_id`` are the old numbers as text.
    """
    videos = {whole(video, "id"): video for video in installation.videos}
    expected = {} if labels is None else labels.expected
    rows: list[Mapping[str, Cell]] = []
    for job in installation.jobs:
        job_id = whole(job, "id")
        payload = installation.payloads.get(job_id)
        row = {
            "case_id": case_id(job_id),
            "order": job_id,
            "origin": "imported",
            "algorithm": ALGORITHM,
            **_who(job, videos),
            **(_found(payload) if payload is not None else {"problem": _problem(job)}),
        }
        if job_id in expected:
            row |= {"expected": float(expected[job_id]), "label_source": "imported"}
        rows.append(row)
    return case_frame(rows)


def as_old(cases: pd.DataFrame, task_id: str | None = None) -> pd.DataFrame:
    """The completed jobs (of one task, by its golds) as the old scripts saw them: a missing score is 0."""
    seen = cases[(cases["problem"] == "") & ((cases["task_id"] == task_id) if task_id else True)]
    return seen.assign(score=seen["score"].fillna(0.0)).reset_index(drop=True)


def case_id(job_id: int) -> str:
    """The case of a job.

    >>> case_id(12)
    'job-12'
    """
    return f"job-{job_id}"


def whole(record: Record, column: str) -> int:
    """The whole number in a column; `StoreError` for anything else."""
    value = record[column]
    try:
        if isinstance(value, int | float | str):
            return int(value)
    except (ValueError, OverflowError):
        pass
    raise StoreError(
        f"the old system's database, column {column}: expected a whole number, found {value!r}. "
        "Name an undamaged copy of its sopilot.db."
    )


def listed_critical(installation: Installation) -> dict[str, int]:
    """How many critical deviations each case lists; ``critical`` in the case table prefers the summary's
    count.
    """
    return {
        case_id(job_id): sum(_severity(deviation) == "critical" for deviation in _deviations(payload))
        for job_id, payload in installation.payloads.items()
    }


def _open(path: Path) -> sqlite3.Connection:
    # a database in WAL mode makes files beside itself even when it is only read, unless it is immutable;
    # it may be called so while no other process has changes pending
    pending = any(
        path.with_name(path.name + suffix).exists() and path.with_name(path.name + suffix).stat().st_size
        for suffix in ("-wal", "-journal")
    )
    how = "mode=ro" if pending else "mode=ro&immutable=1"
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?{how}", uri=True)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    found = {row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")}
    for table, columns in NEEDED.items():
        missing = [table] if table not in found else sorted(columns - _columns(connection, table))
        if missing:
            what = f"table {table}" if table not in found else f"columns {missing} in the table {table}"
            tables = ", ".join(sorted(found)) or "none"
            raise StoreError(
                f"{path}: no {what}; expected the old system's database, found these tables: {tables}."
            )


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"pragma table_info({table})")}


def _rows(connection: sqlite3.Connection, table: str) -> list[Record]:
    if not _columns(connection, table):
        return []
    # the names are ours
    return [dict(row) for row in connection.execute(f"select * from {table} order by 1")]  # noqa: S608


def _payload(text: object) -> Record | None:
    if not isinstance(text, str | bytes):
        return None
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None


def _problem(job: Record) -> str:
    if job["status"] == "completed":
        return "the score of the old system cannot be read"
    error = str(job.get("error") or "").strip()
    return f"the old system's job is {job['status']}" + (f": {error}" if error else "")


def _who(job: Record, videos: Mapping[int, Record]) -> dict[str, Cell]:
    gold = videos.get(whole(job, "gold_video_id"), {})
    trainee = videos.get(whole(job, "trainee_video_id"), {})
    return {
        "task_id": _text(gold.get("task_id")),
        "video_id": str(whole(job, "trainee_video_id")),
        "gold_id": str(whole(job, "gold_video_id")),
        "original_name": _text(trainee.get("original_filename")),
        "person": _text(trainee.get("operator_id_hash")),
        "site": _text(trainee.get("site_id")),
        "camera": _text(trainee.get("camera_id")),
        "backend": _text(trainee.get("embedding_model")),
    }


def _found(payload: Record) -> dict[str, Cell]:
    metrics = _mapping(payload.get("metrics"))
    deviations = _deviations(payload)
    missing = [
        deviation
        for deviation in deviations
        if _severity(deviation) == "critical" and _type(deviation) == "missing_step"
    ]
    return {
        "score": _number(payload.get("score")),
        "decision": _text(_mapping(payload.get("summary")).get("decision")),
        "dtw_normalized_cost": _number(metrics.get("dtw_normalized_cost")),
        "over_time_ratio": _at_least_0(metrics.get("over_time_ratio")),
        **_severities(payload, deviations),
        # this one comparison of the old system is exact
        "any_critical": any(str(deviation.get("severity", "")) == "critical" for deviation in deviations),
        **{name: _count(metrics.get(name)) for name in ("miss_steps", "swap_steps", "deviation_steps")},
        "critical_missing": float(len(missing)),
        "missing_distance": _mean(missing, "mean_distance"),
        "missing_span": _mean(missing, "expected_span_len"),
        "deviation_types": ",".join(sorted({_type(deviation) for deviation in deviations} - {""})),
    }


def _severities(payload: Record, deviations: Sequence[Record]) -> dict[str, float]:
    summary = _mapping(_mapping(payload.get("summary")).get("severity_counts"))
    counts = {name: _count(summary.get(name)) for name in _SEVERITIES}
    if sum(counts.values()) > 0:
        return counts
    listed = [_severity(deviation, "quality") for deviation in deviations]
    return {name: float(listed.count(name)) for name in _SEVERITIES}


def _deviations(payload: Record) -> list[Record]:
    listed = payload.get("deviations")
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def _severity(deviation: Record, default: str = "") -> str:
    return str(deviation.get("severity", default)).strip().lower()


def _type(deviation: Record) -> str:
    return str(deviation.get("type", "unknown")).strip().lower()


def _mean(deviations: Sequence[Record], field: str) -> float:
    values = [_at_least_0(deviation.get(field)) for deviation in deviations]
    return sum(values) / len(values) if values else 0.0


def _mapping(value: object) -> Record:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _number(value: object) -> float:
    if not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def _at_least_0(value: object) -> float:
    number = _number(value)
    return number if number > 0 else 0.0


def _count(value: object) -> float:
    if not isinstance(value, int | float | str):
        return 0.0
    # int() and not float(): the old system took "2" and 2.9 as 2, and "2.9" as unreadable
    try:
        return float(max(int(value), 0))
    except (ValueError, OverflowError):
        return 0.0
