"""The label file of an existing installation: which jobs were judged critical by a person.

``{"task_id": ..., "jobs": [{"job_id": 12, "critical_expected": true | false | null}, ...]}``
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sopilot_assets.errors import LabelError


@dataclass(frozen=True, slots=True)
class LabelFile:
    """The labels by job id; ``job_ids`` are all that the file names, ``expected`` those with a yes or no."""

    path: Path
    task_id: str | None
    job_ids: frozenset[int]
    expected: Mapping[int, bool]


def read_labels(path: Path) -> LabelFile:
    """The labels of the file at ``path``; of several for one job the last that says yes or no counts.

    A row without a readable job id is passed over, as the old scripts did. Raises `LabelError` where the file
    is missing or not of this form.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise LabelError(
            f"{path}: cannot be read ({error.strerror or error}); name the old system's labels.json."
        ) from error
    except (ValueError, RecursionError) as error:
        raise LabelError(f"{path}: expected JSON, found something else ({error}).") from error
    rows = content.get("jobs") if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise LabelError(
            f'{path}: expected an object with a list "jobs", one row a job with job_id and '
            "critical_expected; name the old system's labels.json."
        )
    read = [(job_id, row.get("critical_expected")) for row in rows if (job_id := _job_id(row)) is not None]
    task_id = content.get("task_id")
    return LabelFile(
        path=path,
        task_id=None if task_id is None else str(task_id),
        job_ids=frozenset(job_id for job_id, _ in read),
        # any value but null is taken by its truth, as the old scripts did
        expected={job_id: bool(expected) for job_id, expected in read if expected is not None},
    )


def _job_id(row: object) -> int | None:
    try:
        return int(row["job_id"]) if isinstance(row, dict) else None
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
