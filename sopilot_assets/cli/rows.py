"""Ledger frames as rows of plain values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from sopilot_assets.store.ledgers import Cell


def rows_of(frame: pd.DataFrame) -> list[dict[str, Cell]]:
    """The rows as plain values, a missing one as None."""
    rows: list[dict[str, Cell]] = json.loads(frame.to_json(orient="records", double_precision=15))
    return rows
