"""Cases from the ledgers: the newest score of every trainee recording of a task."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import pandas as pd

from sopilot_assets.capture.ledgers import ACTIVE, videos_ledger
from sopilot_assets.capture.promotions import promoted_golds
from sopilot_assets.scoring.ledger import row_source, scores_ledger
from sopilot_assets.scoring.limits import GOLDS
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.studies.cases import case_frame
from sopilot_assets.tasks import DeviationType, Severity

_COUNTED: Final = {
    "miss_steps": (DeviationType.MISSING_STEP,),
    "swap_steps": (DeviationType.ORDER_SWAP,),
    "deviation_steps": (DeviationType.STEP_DEVIATION, DeviationType.WRONG_STEP),
}
"""What the old detectors count as missing, swapped and deviating steps."""


def scored_cases(
    home: Home,
    task_id: str,
    *,
    task_fingerprint: str | None = None,
    promoted: Collection[str] | None = None,
) -> pd.DataFrame:
    """The task's trainee recordings with their newest scores, without labels (see `studies.cases`).

    With ``task_fingerprint``, a score by another version of the task is none. Promoted recordings are left
    out; ``promoted`` are their keys where others count than those of now.

    They are ordered by the time of recording, or of intake where nobody wrote that down. A registered
    recording that has no score yet is a case with a problem: what could not be scored has to be counted.
    Where an adopted policy decided any of them, the column ``decided_by`` says which.
    """
    scores = {str(row["key"]): row for row in plain_rows(scores_ledger(home).latest())}
    videos = videos_ledger(home).query(
        f"""
        select latest.*, first_at
        from latest
        join wanted using (task_id)
        join (select key, min(written_at) as first_at from all_rows group by key) using (key)
        where role = 'trainee' and status = '{ACTIVE}'
        """,  # noqa: S608 - a constant of ours
        wanted=pd.DataFrame({"task_id": [task_id]}),
    )
    golds = promoted_golds(home) if promoted is None else promoted
    trainees = [row for row in plain_rows(videos) if row["key"] not in golds]
    registered = sorted(trainees, key=lambda row: (_time(row), str(row["key"])))
    cases = case_frame(
        _case(order, video, scores.get(str(video["key"])), task_fingerprint)
        for order, video in enumerate(registered, start=1)
    )
    sources = {key: row_source(row) for key, row in scores.items()}
    by = [sources.get(str(case), GOLDS) for case in cases["case_id"]]
    # studies of before there were policies keep their bytes
    return cases.assign(decided_by=by) if set(by) - {GOLDS} else cases


def _case(
    order: int,
    video: Mapping[str, Cell],
    score: Mapping[str, Cell] | None,
    task_fingerprint: str | None,
) -> dict[str, Cell]:
    known = {
        "case_id": video["key"],
        "order": order,
        **{
            name: video[name] for name in ("task_id", "video_id", "original_name", "person", "site", "camera")
        },
        "session": video["session"],
        "source_video": video["source_video"],
        "origin": "scored",
    }
    if score is None:
        return {**known, "problem": "not scored yet"}
    if task_fingerprint not in (None, score["task_fingerprint"]):
        return {**known, "problem": "scored by another version of the task"}
    copied = (
        *("gold_id", "reference_id", "algorithm", "problem", "score", "score_low", "score_high", "decision"),
        *("critical_probability", "log_odds", "fit", "order_evidence"),
        *("dtw_normalized_cost", "over_time_ratio"),
    )
    return {
        **known,
        **{name: score[name] for name in copied},
        "backend": score["model_id"],
        **_counts(score),
    }


def _counts(score: Mapping[str, Cell]) -> dict[str, Cell]:
    deviations: list[dict[str, Any]] = json.loads(str(score["deviations"] or "[]"))
    missing = [one for one in deviations if one["type"] == DeviationType.MISSING_STEP]
    return {
        **{severity.value: float(score[f"{severity.value}_deviations"] or 0) for severity in Severity},
        "any_critical": any(one["severity"] == Severity.CRITICAL for one in deviations),
        **{name: float(_steps(deviations, types)) for name, types in _COUNTED.items()},
        "critical_missing": float(sum(one["severity"] == Severity.CRITICAL for one in missing)),
        "missing_distance": 0.0,
        "missing_span": 0.0,
        "deviation_types": score["deviation_types"],
    }


def _steps(deviations: Iterable[Mapping[str, Any]], types: tuple[DeviationType, ...]) -> int:
    return sum(max(len(one["steps"]), 1) for one in deviations if one["type"] in types)


def _time(video: Mapping[str, Cell]) -> datetime:
    time = datetime.fromisoformat(str(video["recorded_at"] or video["first_at"]))
    return time if time.tzinfo else time.replace(tzinfo=UTC)
