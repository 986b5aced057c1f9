"""What the rates of so many people allow to say, and the rates of each group, from the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sopilot_assets.dossier.verifier.fields import Json
from sopilot_assets.dossier.verifier.figures import (
    FALSE_ALARM,
    MISS,
    errors_interval,
    headline_of,
    rounded_or_none,
    rows_of_split,
    share_of,
)
from sopilot_assets.dossier.verifier.tables import CaseRow

BAD_END_ALLOWED: Final[Mapping[str, float]] = {MISS: 0.1, FALSE_ALARM: 0.2}
"""How bad the bad end of a rate may be, so that enough people stand behind it."""


def claims_of(rows: Sequence[CaseRow], split: str, detector: str) -> list[dict[str, Json]]:
    """What the rates of a detector on a split allow to say; rounded."""
    lines = headline_of(rows, [split], [detector])
    return [
        {
            "figure": line.figure,
            "errors": line.errors,
            "n": line.n,
            "people": line.people,
            "point": line.point,
            "bad_end": line.clustered_high,
            "allowed": BAD_END_ALLOWED[line.figure],
        }
        for line in lines
    ]


def is_carried(claim: Mapping[str, Json]) -> bool:
    """Whether the bad end of a rate is low enough to say something of it."""
    bad_end, allowed = claim.get("bad_end"), claim.get("allowed")
    known = isinstance(bad_end, int | float) and isinstance(allowed, int | float)
    return known and bad_end <= allowed  # type: ignore[operator]


def groups_of(rows: Sequence[CaseRow], split: str, detector: str) -> list[dict[str, Json]]:
    """Both rates of a detector on a split for each site and each type of deviation that was reported."""
    here = rows_of_split(rows, split)
    found: list[dict[str, Json]] = []
    for kind, column in (("site", "site"), ("deviation_type", "deviation_types")):
        for name in sorted({name for row in rows for name in _names(row, column)}):
            inside = [row for row in here if name in _names(row, column)]
            for figure, label in ((MISS, 1), (FALSE_ALARM, 0)):
                bounds = errors_interval(inside, detector, label=label)
                found.append(
                    {
                        "kind": kind,
                        "name": name,
                        "figure": figure,
                        "errors": bounds.hits,
                        "n": bounds.n,
                        "people": bounds.clusters,
                        "point": rounded_or_none(share_of(bounds.hits, bounds.n)),
                        "clustered_low": rounded_or_none(bounds.low),
                        "clustered_high": rounded_or_none(bounds.high),
                    }
                )
    return found


def _names(row: CaseRow, column: str) -> list[str]:
    return [row.text("site")] if column == "site" else row.text(column).split(",")
