"""Recordings that wait for a person to look at them, and what to look at first in each."""

from __future__ import annotations

from typing import Final

import pandas as pd

from sopilot_assets.scoring.result import Decision
from sopilot_assets.scoring.text import clock
from sopilot_assets.scoring.verdict import verdict_of_row
from sopilot_assets.store.ledgers import Cell, among, plain_rows
from sopilot_assets.upkeep.daily.day import Rows

LOOK_AT: Final = (Decision.FAIL, Decision.NOT_VERIFIABLE, Decision.NEEDS_REVIEW)
"""The decisions that ask for a person, the gravest first."""
MOST: Final = 50
"""Recordings that are listed; the page of all recordings has the others."""


def waiting(rows: Rows, task_id: str) -> pd.DataFrame:
    """The scores of a task's trainee recordings that ask for a person and have no label yet."""
    trainees = rows.scores[(rows.scores["role"] == "trainee") & (rows.scores["task_id"] == task_id)]
    labeled = set(rows.labels(task_id)["key"])
    asks = trainees["decision"].isin([one.value for one in LOOK_AT])
    return trainees[asks & ~among(trainees["key"], labeled)]


def looks(rows: Rows) -> pd.DataFrame:
    """The scores of all recordings that ask for a person, the gravest decision and then the likeliest to be
    critical first.
    """
    frames = [waiting(rows, task_id) for task_id in sorted(set(rows.scores["task_id"]))]
    if not frames:
        return rows.scores
    found = pd.concat(frames)
    gravest = {one.value: rank for rank, one in enumerate(LOOK_AT)}
    order = pd.DataFrame(
        {
            "decision": found["decision"].map(gravest).astype("int64"),
            "likely": -found["critical_probability"].fillna(0.0),
            "key": found["key"],
        },
        index=found.index,
    )
    return found.loc[order.sort_values(["decision", "likely", "key"]).index]


def reviews(rows: Rows) -> list[dict[str, Cell]]:
    """What is suspected in each recording that needs a review, and when, the likeliest to be critical first;
    at most `MOST`.
    """
    found = looks(rows)
    asking = found[found["decision"] == Decision.NEEDS_REVIEW.value]
    return [_review(row) for row in plain_rows(asking.head(MOST))]


def _review(row: dict[str, Cell]) -> dict[str, Cell]:
    told = verdict_of_row(row)
    return {
        "task": row["task_id"],
        "file": row["original_name"],
        "at": None if told.at_s is None else clock(told.at_s),
        "what_en": told.headline.en,
        "what_ja": told.headline.ja,
        "key": row["key"],
    }
