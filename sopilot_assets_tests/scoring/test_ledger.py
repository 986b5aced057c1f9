"""Rows of the scores ledger: what is suspected and what led to a decision, also where rows are older."""

from __future__ import annotations

import json
from pathlib import Path

from upath import UPath

from sopilot_assets.scoring.ledger import COLUMNS, deviations_json, scores_ledger
from sopilot_assets.scoring.result import Cause
from sopilot_assets.scoring.verdict import verdict_of_row
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, Ledger, plain_rows
from sopilot_assets_tests.scoring.review_pages import MISSING

ROW: dict[str, Cell] = {
    **dict.fromkeys(COLUMNS),
    "key": "job-t-1",
    "decision": "fail",
    "reason_en": f"Critical: {MISSING.text.en}",
    "reason_ja": f"重大な逸脱: {MISSING.text.ja}",
    "deviations": deviations_json([MISSING]),
    "score": 91.0,
}


def test_rows_from_before_causes_were_kept_are_read_and_say_the_same(tmp_path: Path) -> None:
    home = Home(UPath(tmp_path))
    old = {name: kind for name, kind in COLUMNS.items() if name not in ("cause", "suspected")}
    before = Ledger(home.ledgers, "scores", old, "key")
    before.append([{name: ROW[name] for name in old}], run_id="r", written_at="2026-01-01T00:00:00+00:00")
    (row,) = plain_rows(scores_ledger(home).latest())
    assert (row["cause"], row["suspected"]) == (None, None)
    told = verdict_of_row(row)
    assert told.headline.en == f"Critical: {MISSING.text.en}"
    new = verdict_of_row({**ROW, "cause": Cause.CRITICAL.value, "suspected": "[]"})
    assert new == told


def test_suspicions_are_stored_like_deviations(tmp_path: Path) -> None:
    home = Home(UPath(tmp_path))
    row = {**ROW, "decision": "needs_review", "deviations": "[]", "cause": "suspected"}
    row["suspected"] = deviations_json([MISSING])
    scores_ledger(home).append([row], run_id="r", written_at="2026-01-01T00:00:00+00:00")
    (stored,) = plain_rows(scores_ledger(home).latest())
    (one,) = json.loads(str(stored["suspected"]))
    assert one["trainee_start_s"] == MISSING.trainee.start_s
    assert one["confidence"] == MISSING.confidence
    assert verdict_of_row(stored).at_s == MISSING.trainee.start_s
