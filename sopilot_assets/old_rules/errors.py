"""What the old scripts said of errors: a guess why an alignment raises a false alarm, and their counts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from sopilot_assets.old_rules.detectors import DetectorOutcome
from sopilot_assets.old_rules.shadow import share
from sopilot_assets.store.ledgers import Cell

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]
Texts = npt.NDArray[np.str_]

MOST_SPAN: Final = 1.5
MOST_DISTANCE: Final = 0.11
"""The old limits between kinds of alignment trouble: span and distance of critical missing steps."""
UNKNOWN: Final = "unknown"
NO_TYPE: Final = "none"


def old_reasons(cases: pd.DataFrame) -> Texts:
    """The old scripts' guess (n,) why the alignment of each case may raise a false alarm."""
    span, distance = known(cases, "missing_span"), known(cases, "missing_distance")
    wide, far = span > MOST_SPAN, distance > MOST_DISTANCE
    return np.select(
        [known(cases, "critical_missing") <= 0, wide & far, wide, far, known(cases, "critical") >= 2],
        [
            "non_missing_critical",
            "severe_alignment_mismatch",
            "near_freeze_alignment_span",
            "high_distance_alignment_mismatch",
            "multi_missing_step_pattern",
        ],
        default="single_missing_step_low_distance",
    ).astype(np.str_)


def false_positive_breakdown(
    cases: pd.DataFrame, outcome: DetectorOutcome, *, mode: str, threshold: float = 0.5
) -> tuple[dict[str, Cell], dict[str, list[dict[str, Cell]]]]:
    """``overall`` and the tables of the old ``fp_breakdown.json``.

    False positives over negatives by deviation type, site, backend, gold and (old) reason, over the labeled
    cases that the detector decided. A case with two deviation types counts in both rows. Rows are ordered by
    falling negatives, then name.
    """
    expected = cases["expected"].to_numpy()
    judged = np.asarray(outcome.decided & ~np.isnan(expected))
    alarm = outcome.detected & judged
    positive, negative = judged & (expected == 1), judged & (expected == 0)
    counts = {
        "labeled_jobs": judged,
        "labeled_positive_jobs": positive,
        "labeled_negative_jobs": negative,
        "false_positive_jobs": negative & alarm,
        "false_negative_jobs": positive & ~alarm,
        "true_positive_jobs": positive & alarm,
        "true_negative_jobs": negative & ~alarm,
    }
    counted = {name: int(chosen.sum()) for name, chosen in counts.items()}
    overall: dict[str, Cell] = {
        **counted,
        "false_positive_rate": share(counted["false_positive_jobs"], counted["labeled_negative_jobs"]),
        "miss_rate": share(counted["false_negative_jobs"], counted["labeled_positive_jobs"]),
        "critical_scoring_mode": mode,
        "critical_threshold": threshold,
        "backend": _common(named(cases["backend"].to_numpy(dtype=object)[judged])),
    }
    names = {
        "by_deviation_type": ("deviation_type", of_types(cases)),
        "by_site_id": ("site_id", single(named(cases["site"]))),
        "by_backend": ("backend", single(named(cases["backend"]))),
        "by_gold_id": ("gold_id", single(named(cases["gold_id"]))),
        "by_fp_reason": ("fp_reason", single(old_reasons(cases))),
    }
    tables: dict[str, list[dict[str, Cell]]] = {
        table: [
            {
                column: name,
                "negative_jobs": negatives,
                "false_positive_jobs": alarms,
                "false_positive_rate": share(alarms, negatives),
            }
            for name, negatives, alarms in _counted(groups, negative, alarm)
        ]
        for table, (column, groups) in names.items()
    }
    return overall, tables


def known(cases: pd.DataFrame, column: str) -> Numbers:
    """A column of numbers (n,) with 0 where it is unknown."""
    return np.asarray(np.nan_to_num(cases[column].to_numpy(dtype=np.float64), nan=0.0))


def named(values: Iterable[object]) -> Texts:
    return np.array([str(value) or UNKNOWN for value in values], dtype=object)


def single(names: Texts) -> tuple[npt.NDArray[np.int64], Texts]:
    """(places, names) of a grouping in which each case is in one group."""
    return np.arange(len(names)), names


def of_types(cases: pd.DataFrame) -> tuple[npt.NDArray[np.int64], Texts]:
    """(places, names): each case once for each of its deviation types, or once for ``none``."""
    pairs = [
        (place, name)
        for place, text in enumerate(cases["deviation_types"].to_numpy(dtype=object))
        for name in sorted(set(filter(None, str(text).split(",")))) or [NO_TYPE]
    ]
    places = np.array([place for place, _ in pairs], dtype=np.int64)
    return places, np.array([name for _, name in pairs], dtype=object)


def _common(names: Texts) -> str:
    """The one name that all share; ``unknown`` without any, ``several`` where they differ."""
    distinct = sorted(set(names.tolist()))
    return distinct[0] if len(distinct) == 1 else "several" if distinct else UNKNOWN


def _counted(
    groups: tuple[npt.NDArray[np.int64], Texts], negative: Flags, alarm: Flags
) -> list[tuple[str, int, int]]:
    """(name, negatives, false alarms) by falling negatives, then name; names without negatives left out."""
    place, name = groups
    chosen = negative[place]
    long = pd.DataFrame({"name": name[chosen], "alarm": alarm[place][chosen]})
    table = long.groupby("name")["alarm"].agg(["size", "sum"])
    rows = [(str(key), int(size), int(total)) for key, size, total in table.itertuples()]
    return sorted(rows, key=lambda row: (-row[1], row[0]))
