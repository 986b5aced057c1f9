"""The page that lists all review pages of a home."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sopilot_assets.capture.ledgers import videos_ledger
from sopilot_assets.capture.registry import retired_keys
from sopilot_assets.labels.contests import contested
from sopilot_assets.scoring.ledger import noise_floors, scores_ledger
from sopilot_assets.scoring.result import Decision, Objection
from sopilot_assets.scoring.review import IndexRow, index_page
from sopilot_assets.scoring.verdict import verdict_of_row
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.store.publish import local_path, only_writer, publish_text
from sopilot_assets.tasks import DeviationType, Severity, TaskSpec, find_tasks


def write_review_index(home: Home) -> Path:
    """The path of ``reviews/index.html``, written from the newest scores of all recordings that count and
    have a result: each of these has a page, or gets it when somebody looks.
    """
    with only_writer(home.reviews / ".index.lock"):
        return _write_review_index(home)


def _write_review_index(home: Home) -> Path:
    tasks = find_tasks(home.root).tasks
    rows = plain_rows(scores_ledger(home).latest())
    gone = retired_keys(home)
    rows = [row for row in rows if row["key"] not in gone]
    shown = [row for row in rows if row["problem"] is None]
    floors, times, objections = noise_floors(rows), recording_times(home), contested(home)
    lines = [
        _line(
            row,
            tasks.get(str(row["task_id"])),
            floors.get(str(row["task_id"])),
            times.get(str(row["key"]), {}),
            objections.get(str(row["key"]), ()),
        )
        for row in shown
    ]
    path = local_path(home.reviews) / "index.html"
    publish_text(path, index_page(lines))
    return path


def recording_times(home: Home, key: PartitionKey | None = None) -> dict[str, Mapping[str, Cell]]:
    """When each recording was made, as far as known, and when it was taken in, by key; of one alone where
    ``key`` names it.
    """
    rows = plain_rows(videos_ledger(home).query(_TIMES + (f" where key = '{key}'" if key else "")))
    return {str(row["key"]): row for row in rows}


_TIMES: Final = (
    "select key, recorded_at, taken_in_at from latest "
    "join (select key, min(written_at) as taken_in_at from written group by key) as arrived using (key)"
)


def _line(
    row: Mapping[str, Cell],
    task: TaskSpec | None,
    noise_floor: float | None,
    times: Mapping[str, Cell],
    objections: tuple[Objection, ...],
) -> IndexRow:
    deviations = json.loads(str(row["deviations"] or "[]"))
    low, high = row["score_low"], row["score_high"]
    score, decision = None if row["score"] is None else float(row["score"]), Decision(str(row["decision"]))
    return IndexRow(
        video_id=str(row["video_id"]),
        page=f"{row['key']}.html",
        task=str(row["task_id"]),
        file_name=str(row["original_name"]),
        score=score,
        decision=decision,
        deviations=tuple((DeviationType(one["type"]), Severity(one["severity"])) for one in deviations),
        person=_text(row["person"]),
        site=_text(row["site"]),
        is_gold=row["role"] == "gold",
        task_name=None if task is None else task.names,
        interval=None if low is None or high is None else (float(low), float(high)),
        noise_floor=noise_floor,
        points_decide=verdict_of_row(row, task).points_decide,
        recorded_at=_text(times.get("recorded_at")),
        taken_in_at=_text(times.get("taken_in_at")),
        objections=objections,
    )


def _text(value: Cell) -> str | None:
    return None if value is None else str(value)
