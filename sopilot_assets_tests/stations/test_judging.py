"""What a recording is judged by besides its alignment."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from sopilot_assets.alignment.spans import Alternative, Edit, EditKind
from sopilot_assets.alignment.stored import load_alignment
from sopilot_assets.capture.ledgers import VIDEO_COLUMNS, videos_ledger
from sopilot_assets.scoring.result import Cause
from sopilot_assets.segments import Segment
from sopilot_assets.stations.judging import Judge
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import plain_rows

TASK = "filter_change"


def test_steps_that_a_damaged_recording_lacks_at_its_end_fail_nobody(original: Home, tmp_path: Path) -> None:
    home = Home.at(shutil.copytree(str(original.root), tmp_path / "home"))
    row = next(row for row in plain_rows(videos_ledger(home).latest()) if row["role"] == "trainee")
    key = PartitionKey.parse(str(row["key"]))
    judge = Judge(home)
    aligned = load_alignment(home.alignment(judge.references[TASK].reference_id, key.video_id))
    last = max(place for place, step in enumerate(judge.task(TASK).steps) if step.critical)
    end = Segment(aligned.duration_s, aligned.duration_s)
    lacking = replace(
        aligned,
        edits=(Edit(EditKind.MISSING, (last,), end, log_odds=9.0),),
        alternatives=(Alternative(((EditKind.MISSING, (last,)),), 0.0, (end,)),),
    )
    assert judge.score(key, lacking).cause is Cause.CRITICAL
    damaged = {name: row[name] for name in VIDEO_COLUMNS} | {"flags": "too_dark,damaged"}
    videos_ledger(home).append([damaged], run_id="r", written_at="2026-01-01T00:00:00+00:00")
    assert Judge(home).score(key, lacking).cause is Cause.FILM_AGAIN
