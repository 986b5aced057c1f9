"""A home with a study whose dossier is ready: everything but the videos is really made."""

from __future__ import annotations

from pathlib import Path

from sopilot_assets.reference.ledger import COLUMNS as REFERENCE_COLUMNS
from sopilot_assets.reference.ledger import references_ledger
from sopilot_assets.scoring.ledger import COLUMNS as SCORE_COLUMNS
from sopilot_assets.scoring.ledger import algorithm_version, scores_ledger
from sopilot_assets.stations.score_repeats import COLUMNS as REPEAT_COLUMNS
from sopilot_assets.stations.score_repeats import repeats_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets_tests.evidence.made_up_study import (
    FINGERPRINT,
    TASK,
    made_up_home,
    made_up_recordings,
    run_chain,
    write_study,
)

LATER = "2026-03-02T09:00:00+00:00"
CALIBRATED = {"detectors": ["calibrated_v1"], "miss_rate_target": 0.3, "confidence": 0.8}
BY = {
    "by": "M. Sato",
    "reason": "all gates passed",
    "run_id": "adopt",
    "written_at": "2026-03-03T08:00:00+00:00",
}
_OWN = ("key", "video_id", "person", "site", "session", "original_name")


def home_with_dossier(root: Path, study_id: str = "summer", **settings: object) -> Home:
    """The made-up home with scores as they would be made now, and the dossier of a study of the calibrated
    detector.
    """
    home = made_up_home(root)
    reference = {"task_id": TASK, "reference_id": "r1", "model_id": "made_up"}
    references_ledger(home).append(
        [{**dict.fromkeys(REFERENCE_COLUMNS), **reference}], run_id="references", written_at=LATER
    )
    scores = _right_scores(home)
    scores_ledger(home).append(scores, run_id="scoring", written_at=LATER)
    repeats = [
        _repeat(row, kind, at_s) for row in scores for kind, at_s in (("exact", 0.0), ("shifted", 0.25))
    ]
    repeats_ledger(home).append(repeats, run_id="repeats", written_at=LATER)
    write_study(home, study_id, **{**CALIBRATED, **settings})
    run_chain(home, study_id, written_at=LATER)
    return home


def _right_scores(home: Home) -> list[dict[str, Cell]]:
    """The scores by the present algorithm, without an error: there are no videos to take pictures of one."""
    _, _, truth = made_up_recordings()
    rows = plain_rows(scores_ledger(home).latest())
    right = {
        truth[str(row["key"])]: row
        for row in rows
        if bool(row["critical_deviations"]) == truth[str(row["key"])]
    }
    return [_as_now(right[truth[str(row["key"])]], row, critical=truth[str(row["key"])]) for row in rows]


def _as_now(judged: dict[str, Cell], row: dict[str, Cell], *, critical: bool) -> dict[str, Cell]:
    """What was found in one row, told of the recording of another, whose probability is drawn apart."""
    probability = 0.95 if critical else round(0.2 * float(row["critical_probability"] or 0), 6)
    own = {name: row[name] for name in (*_OWN, "score", "log_odds", "dtw_normalized_cost", "over_time_ratio")}
    found = {name: judged[name] for name in SCORE_COLUMNS}
    return {**found, **own, "critical_probability": probability, "algorithm": algorithm_version()}


def _repeat(row: dict[str, Cell], kind: str, phase_s: float) -> dict[str, Cell]:
    same = ("key", "task_id", "video_id", "algorithm", "model_id", "reference_id")
    measured = ("score", "critical_probability", "decision")
    return {
        **dict.fromkeys(REPEAT_COLUMNS),
        **{name: row[name] for name in (*same, *measured)},
        **{f"base_{name}": row[name] for name in measured},
        "repeat_id": f"{kind}-{row['key']}",
        "kind": kind,
        "phase_s": phase_s,
        "task_fingerprint": FINGERPRINT,
    }
