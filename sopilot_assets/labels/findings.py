"""What people say of the product's findings, type by type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from sopilot_assets.labels.events import LabelEvent, Source
from sopilot_assets.labels.state import newest_labels

COLUMNS: Final = ("type", "confirmed", "refused", "unsure", "precision", "low", "high", "overlooked")


def finding_agreement(events: Sequence[LabelEvent]) -> pd.DataFrame:
    """One row of `COLUMNS` for each type of deviation that people with the findings in view spoke about.

    The newest label of each person and recording counts. ``confirmed``, ``refused`` and ``unsure`` count
    findings, ``overlooked`` what people named and the product did not report. ``precision`` is the share
    confirmed of those that somebody could judge, with Wilson's 95 % interval, NaN where there is none; it
    takes findings as independent. What was only suspected is no finding.
    """
    newest = newest_labels(events, (Source.HUMAN,))
    said: dict[str, dict[bool | None, int]] = {}
    overlooked: dict[str, int] = {}
    for of_recording in newest.values():
        for event in of_recording.values():
            for finding in (one for one in event.deviations if not one.suspected):
                counts = said.setdefault(finding.type.value, {True: 0, False: 0, None: 0})
                counts[finding.agree] += 1
            for seen in event.seen:
                overlooked[seen.type.value] = overlooked.get(seen.type.value, 0) + 1
    rows = []
    for kind in sorted({*said, *overlooked}):
        counts = said.get(kind, {True: 0, False: 0, None: 0})
        rows.append(_row(kind, counts[True], counts[False], counts[None], overlooked.get(kind, 0)))
    return pd.DataFrame.from_records(rows, columns=list(COLUMNS))


def _row(kind: str, confirmed: int, refused: int, unsure: int, overlooked: int) -> dict[str, object]:
    judged = confirmed + refused
    low, high = proportion_confint(confirmed, judged, method="wilson") if judged else (float("nan"),) * 2
    return {
        "type": kind,
        "confirmed": confirmed,
        "refused": refused,
        "unsure": unsure,
        "precision": confirmed / judged if judged else float("nan"),
        "low": float(low),
        "high": float(high),
        "overlooked": overlooked,
    }
