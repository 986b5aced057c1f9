"""The scores ledger: one row for each video and each version of what judged it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import pandas as pd
import pyarrow as pa

from sopilot_assets.alignment import ALIGNMENT_VERSION, CALIBRATION_VERSION
from sopilot_assets.alignment.spans import Alignment
from sopilot_assets.capture.registry import Recording
from sopilot_assets.reference import REFERENCE_VERSION
from sopilot_assets.scoring import SCORING_VERSION
from sopilot_assets.scoring.limits import GOLDS
from sopilot_assets.scoring.result import Cause, Deviation, Score
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, Ledger, plain_rows
from sopilot_assets.tasks import Severity, TaskSpec

if TYPE_CHECKING:
    from sopilot_assets.reference.model import Reference

_TEXT, _NUMBER, _COUNT, _FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()

COLUMNS: Final = {
    "key": _TEXT,
    "video_id": _TEXT,
    "task_id": _TEXT,
    "role": _TEXT,
    "person": _TEXT,
    "site": _TEXT,
    "camera": _TEXT,
    "session": _TEXT,
    "original_name": _TEXT,
    "problem": _TEXT,
    "score": _NUMBER,
    "score_low": _NUMBER,
    "score_high": _NUMBER,
    "decision": _TEXT,
    "reason_en": _TEXT,
    "reason_ja": _TEXT,
    "deviations": _TEXT,
    "deviation_types": _TEXT,
    "critical_deviations": _COUNT,
    "quality_deviations": _COUNT,
    "efficiency_deviations": _COUNT,
    "critical_probability": _NUMBER,
    "log_odds": _NUMBER,
    "dtw_normalized_cost": _NUMBER,
    "over_time_ratio": _NUMBER,
    "fit": _NUMBER,
    "order_evidence": _NUMBER,
    "unverifiable": _TEXT,
    "gold_id": _TEXT,
    "task_version": _COUNT,
    "task_fingerprint": _TEXT,
    "model_id": _TEXT,
    "reference_id": _TEXT,
    "reference_confirmed": _FLAG,
    "algorithm": _TEXT,
    "decided_by": _TEXT,
    "shows_task": _FLAG,
    "cause": _TEXT,
    "suspected": _TEXT,
}
"""``decided_by`` says whose limits decided (`scoring.limits`), ``shows_task`` whether the recording shows the
task's procedure, null where that could not be said. Both are null in rows from before they were kept: then
the golds' own rule decided. ``cause`` is a `Cause`; ``suspected`` is a JSON list like ``deviations``: what
was not found and is not ruled out, the most likely first. Both are null in older rows too.
"""


def scores_ledger(home: Home) -> Ledger:
    """The ledger of scores below ``home``; its subject is the partition key."""
    return Ledger(home.ledgers, "scores", COLUMNS, "key")


def scores_of(home: Home, key: str) -> list[dict[str, Cell]]:
    """Every row that was written of a recording, the newest first; a result that came back is there again."""
    rows = scores_ledger(home).query(
        "select distinct written.* from written, asked where key = asked.its_key "
        "order by written_at desc, run_id desc, row_id",
        asked=pd.DataFrame({"its_key": [key]}, dtype="string"),
    )
    return plain_rows(rows)


def noise_floors(rows: Iterable[Mapping[str, Cell]]) -> dict[str, float]:
    """Per task the lowest score among the golds of these rows, each scored without itself: what the score
    does on recordings that are right.
    """
    floors: dict[str, float] = {}
    for row in rows:
        score = row["score"]
        if row["role"] == "gold" and score is not None and not math.isnan(float(score)):
            task_id = str(row["task_id"])
            floors[task_id] = min(float(score), floors.get(task_id, float(score)))
    return floors


def first_passes(home: Home, moment: str) -> dict[str, str]:
    """When each trainee recording passed for the first time (ISO 8601), of those that ever did before
    ``moment``, by key.
    """
    return _first(home, moment, "role = 'trainee' and decision = 'pass' and problem is null")


def first_scores(home: Home, moment: str) -> dict[str, str]:
    """When each recording got its first row of scores before ``moment``, by key."""
    return _first(home, moment, "true")


def _first(home: Home, moment: str, which: str) -> dict[str, str]:
    rows = scores_ledger(home).query(
        "select key, min(written_at) as first from written, cut "  # noqa: S608 - constants of ours
        f"where written_at < cut.moment and {which} group by key",
        cut=pd.DataFrame({"moment": [moment]}, dtype="string"),
    )
    return dict(zip(rows["key"], rows["first"], strict=True))


def algorithm_version() -> str:
    """The version of everything between an embedding and a score."""
    return f"{REFERENCE_VERSION}+{CALIBRATION_VERSION}+{ALIGNMENT_VERSION}+{SCORING_VERSION}"


def score_row(
    recording: Recording, task: TaskSpec, reference: Reference, alignment: Alignment, score: Score
) -> dict[str, Cell]:
    """The ledger row of a score, with the version of everything that made it."""
    return {
        **recording_cells(recording),
        **_version_cells(task, reference_id=reference.reference_id, reference=reference),
        "problem": None,
        "score": score.score,
        "score_low": score.interval[0] if score.interval else None,
        "score_high": score.interval[1] if score.interval else None,
        "decision": score.decision.value,
        "reason_en": score.reason.en,
        "reason_ja": score.reason.ja,
        "deviations": deviations_json(score.deviations),
        "deviation_types": ",".join(sorted({d.type.value for d in score.deviations})),
        **{
            f"{severity.value}_deviations": sum(d.severity is severity for d in score.deviations)
            for severity in Severity
        },
        "critical_probability": score.critical_probability,
        "log_odds": alignment.log_odds,
        "dtw_normalized_cost": score.dtw_normalized_cost,
        "over_time_ratio": score.over_time_ratio,
        "fit": score.fit,
        "order_evidence": alignment.order_evidence,
        "unverifiable": ",".join(f"{row.type}:{row.step_id}" for row in score.unverifiable),
        "gold_id": alignment.warp.gold_id,
        "decided_by": score.decided_by,
        "shows_task": score.shows_task,
        "cause": score.cause and score.cause.value,
        "suspected": deviations_json(score.suspected),
    }


def problem_row(
    recording: Recording,
    task: TaskSpec,
    reference: Reference | None,
    problem: str,
    *,
    problem_ja: str | None = None,
    decided_by: str = GOLDS,
) -> dict[str, Cell]:
    """The ledger row of a recording that could not be scored, with the reason, in English too where nobody
    put it into Japanese.
    """
    empty: dict[str, Cell] = dict.fromkeys(COLUMNS)
    reference_id = reference.reference_id if reference else None
    return {
        **empty,
        **recording_cells(recording),
        **_version_cells(task, reference_id=reference_id, reference=reference),
        "problem": problem,
        "decision": "not_verifiable",
        "reason_en": problem,
        "reason_ja": problem_ja or problem,
        "decided_by": decided_by,
        "cause": Cause.NOT_SCORED.value,
    }


def row_source(row: Mapping[str, Cell]) -> str:
    """Whose limits decided a row: the golds' own in rows from before that was kept."""
    return str(row["decided_by"] or GOLDS)


def deviations_json(deviations: Sequence[Deviation]) -> str:
    """The deviations as a JSON list; times in seconds."""
    rows = [
        {
            "type": d.type.value,
            "severity": d.severity.value,
            "steps": list(d.step_ids),
            "trainee_start_s": round(d.trainee.start_s, 3),
            "trainee_end_s": round(d.trainee.end_s, 3),
            "gold_id": d.gold_id,
            "gold_start_s": None if d.gold is None else round(d.gold.start_s, 3),
            "gold_end_s": None if d.gold is None else round(d.gold.end_s, 3),
            "confidence": d.confidence,
            "votes": {vote.gold_id: vote.log_odds for vote in d.votes},
            "en": d.text.en,
            "ja": d.text.ja,
        }
        for d in deviations
    ]
    return json.dumps(rows, ensure_ascii=False)


def recording_cells(recording: Recording) -> dict[str, Cell]:
    """What a row says of its recording itself, not of how it was judged."""
    return {
        "key": str(recording.key),
        "video_id": recording.key.video_id,
        "task_id": recording.task_id,
        "role": recording.role,
        "person": recording.person,
        "site": recording.site,
        "camera": recording.camera,
        "session": recording.session,
        "original_name": recording.original_name,
    }


def _version_cells(
    task: TaskSpec, *, reference_id: str | None, reference: Reference | None
) -> dict[str, Cell]:
    return {
        "task_version": task.version,
        "task_fingerprint": task.fingerprint(),
        "model_id": reference.model_id if reference else None,
        "reference_id": reference_id,
        "reference_confirmed": reference.confirmed if reference else None,
        "algorithm": algorithm_version(),
    }
