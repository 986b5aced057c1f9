"""A result as other programs are told of it, by the API and by webhook: plain values, one form for both."""

from __future__ import annotations

import json
from typing import Any, Final

from sopilot_assets.scoring.ledger import row_source
from sopilot_assets.store.ledgers import Cell, Row
from sopilot_assets.texts.languages import Text

_COUNTS: Final = ("critical_deviations", "quality_deviations", "efficiency_deviations")
_OF_DEVIATION: Final = frozenset(
    {"type", "severity", "steps", "trainee_start_s", "trainee_end_s", "confidence", "en", "ja"}
)
"""What results of old versions may lack."""
_ELSEWHERE: Final = Text(
    "It could not be scored; its page at the desk says why.",
    "判定できませんでした。理由はデスクの録画のページに表示されます。",
)


def told_in_short(row: Row) -> dict[str, Any]:
    """What decided, of a row of scores with its ``row_id`` and ``written_at``."""
    kinds = str(row["deviation_types"] or "")
    return {
        "score_id": row["row_id"],
        "judged_at": row["written_at"],
        **{name: row[name] for name in ("decision", "cause", "score", "score_low", "score_high")},
        **{name: whole(row[name]) or 0 for name in _COUNTS},
        "deviation_types": kinds.split(",") if kinds else [],
        "decided_by": row_source(row),
        "task_version": whole(row["task_version"]),
    }


def told_in_full(row: Row, *, names: bool) -> dict[str, Any]:
    """The same with all that was found, with its moments in seconds of the recording. Why there is no score
    may name files and people; without ``names`` it says only where that stands.
    """
    if row["problem"] is not None and not names:
        row = {**row, "problem": _ELSEWHERE.en, "reason_en": _ELSEWHERE.en, "reason_ja": _ELSEWHERE.ja}
    reason = str(row["reason_en"] or "")
    kept = ("critical_probability", "task_fingerprint", "reference_id", "algorithm")
    return {
        **told_in_short(row),
        "reason": {"en": reason, "ja": str(row["reason_ja"] or reason)},
        "deviations": _deviations(row["deviations"]),
        "suspected": _deviations(row["suspected"]),
        "not_scored": row["problem"],
        **{name: row[name] for name in kept},
    }


def whole(cell: Cell) -> int | None:
    """A count of a ledger, which pandas may hold as a float; None where it is unknown."""
    return None if cell is None else int(cell)


def _deviations(stored: Cell) -> list[dict[str, Any]]:
    return [
        {
            "type": one["type"],
            "severity": one["severity"],
            "steps": one["steps"],
            "start_s": one["trainee_start_s"],
            "end_s": one["trainee_end_s"],
            "confidence": one["confidence"],
            "text": {"en": one["en"], "ja": one["ja"]},
        }
        for one in json.loads(str(stored or "[]"))
        if one.keys() >= _OF_DEVIATION
    ]
