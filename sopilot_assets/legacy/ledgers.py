"""The ledgers that hold what was imported from an existing installation, as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pyarrow as pa

from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Ledger

_TEXT: Final = pa.string()
_NUMBER: Final = pa.float64()
_COUNT: Final = pa.int64()
_FLAG: Final = pa.bool_()

VIDEO_COLUMNS: Final[Mapping[str, pa.DataType]] = {
    "id": _COUNT,
    "task_id": _TEXT,
    "is_gold": _FLAG,
    "original_filename": _TEXT,
    "file_path": _TEXT,
    "operator_id_hash": _TEXT,
    "site_id": _TEXT,
    "camera_id": _TEXT,
    "recorded_at": _TEXT,
    "status": _TEXT,
    "embedding_model": _TEXT,
    "created_at": _TEXT,
    "error": _TEXT,
    "origin": _TEXT,
}
JOB_COLUMNS: Final[Mapping[str, pa.DataType]] = {
    "id": _COUNT,
    "task_id": _TEXT,
    "gold_video_id": _COUNT,
    "trainee_video_id": _COUNT,
    "status": _TEXT,
    "score_json": _TEXT,
    "weights_json": _TEXT,
    "created_at": _TEXT,
    "started_at": _TEXT,
    "finished_at": _TEXT,
    "error": _TEXT,
    "problem": _TEXT,
    "score": _NUMBER,
    "decision": _TEXT,
    "dtw_normalized_cost": _NUMBER,
    "over_time_ratio": _NUMBER,
    "critical": _NUMBER,
    "quality": _NUMBER,
    "efficiency": _NUMBER,
    "any_critical": _FLAG,
    "miss_steps": _NUMBER,
    "swap_steps": _NUMBER,
    "deviation_steps": _NUMBER,
    "critical_missing": _NUMBER,
    "missing_distance": _NUMBER,
    "missing_span": _NUMBER,
    "deviation_types": _TEXT,
    "origin": _TEXT,
}
REVIEW_COLUMNS: Final[Mapping[str, pa.DataType]] = {
    "job_id": _COUNT,
    "verdict": _TEXT,
    "note": _TEXT,
    "created_at": _TEXT,
    "updated_at": _TEXT,
    "origin": _TEXT,
}
PROFILE_COLUMNS: Final[Mapping[str, pa.DataType]] = {
    "task_id": _TEXT,
    "task_name": _TEXT,
    "pass_score": _NUMBER,
    "retrain_score": _NUMBER,
    "default_weights_json": _TEXT,
    "deviation_policy_json": _TEXT,
    "steps_json": _TEXT,
    "created_at": _TEXT,
    "updated_at": _TEXT,
    "origin": _TEXT,
}
"""Columns are named as in the old database, besides ``origin`` (always ``imported``), ``steps_json`` (the
task's rows of the old `sop_steps`) and a job's columns of the case table.
"""

ORIGIN: Final = "imported"


def videos_ledger(home: Home) -> Ledger:
    """Imported videos; the newest row of each id counts."""
    return Ledger(home.ledgers, "legacy_videos", VIDEO_COLUMNS, "id")


def jobs_ledger(home: Home) -> Ledger:
    """Imported scoring jobs, payloads and all repeats included."""
    return Ledger(home.ledgers, "legacy_jobs", JOB_COLUMNS, "id")


def reviews_ledger(home: Home) -> Ledger:
    """Imported reviews, one a job."""
    return Ledger(home.ledgers, "legacy_reviews", REVIEW_COLUMNS, "job_id")


def profiles_ledger(home: Home) -> Ledger:
    """Imported task profiles."""
    return Ledger(home.ledgers, "legacy_profiles", PROFILE_COLUMNS, "task_id")


def imported_tasks(home: Home) -> list[str]:
    """The tasks that something was imported of."""
    ledgers = (videos_ledger(home), profiles_ledger(home))
    found = [one.query("select distinct task_id from latest")["task_id"] for one in ledgers]
    return sorted({str(name) for names in found for name in names if name})
