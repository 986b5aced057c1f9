"""Where a detector errs: a reason for every case, breakdowns by what may explain errors, and a packet that
lists every miss and false alarm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from sopilot_assets.scoring.score import HALF_FIT, LEAST_ORDER_EVIDENCE, UNCERTAIN
from sopilot_assets.studies.metrics import DetectorOutcome

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]
Texts = npt.NDArray[np.str_]

MOST_SPAN: Final = 1.5
MOST_DISTANCE: Final = 0.11
"""The old limits between kinds of alignment trouble: span and distance of critical missing steps."""

UNKNOWN: Final = "unknown"
NO_TYPE: Final = "none"

DIMENSIONS: Final = ("site", "gold_id", "backend", "deviation_type", "reason", "person")
"""What errors are broken down by."""

BREAKDOWN_COLUMNS: Final = (
    "dimension",
    "name",
    "positives",
    "misses",
    "undecided_positives",
    "miss_rate",
    "negatives",
    "false_alarms",
    "undecided_negatives",
    "false_positive_rate",
)

PACKET_COLUMNS: Final = (
    "case_id",
    "order",
    "error",
    "reason",
    "video_id",
    "original_name",
    "person",
    "site",
    "camera",
    "session",
    "gold_id",
    "backend",
    "deviation_types",
    "decision",
    "score",
    "critical_probability",
    "detector_score",
    "expected",
    "label_source",
    "review_page",
)


def old_reasons(cases: pd.DataFrame) -> Texts:
    """The old scripts' guess (n,) why the alignment of each case may raise a false alarm."""
    span, distance = _known(cases, "missing_span"), _known(cases, "missing_distance")
    wide, far = span > MOST_SPAN, distance > MOST_DISTANCE
    return np.select(
        [_known(cases, "critical_missing") <= 0, wide & far, wide, far, _known(cases, "critical") >= 2],
        [
            "non_missing_critical",
            "severe_alignment_mismatch",
            "near_freeze_alignment_span",
            "high_distance_alignment_mismatch",
            "multi_missing_step_pattern",
        ],
        default="single_missing_step_low_distance",
    ).astype(np.str_)


def reasons(cases: pd.DataFrame, outcome: DetectorOutcome) -> Texts:
    """Why a case (n,) is judged as it is, in one word; of imported cases the old reason.

    ``not_scored`` and ``not_verifiable``: nothing was decided. ``weak_match_to_golds``: the recording hardly
    looks like the golds or hardly shows their order. ``freeze_reported``, ``missing_step_reported``...: the
    finding behind an alarm (``several_reported`` when there is more than one type);
    ``probability_without_finding`` when there is none. Without an alarm: ``finding_overruled`` (a critical
    finding below the detector's threshold), ``uncertain_below_threshold`` (a probability of 20 % or more),
    ``reported_as_not_critical`` and ``nothing_found``.
    """
    alarm = np.asarray(outcome.detected & outcome.decided)
    critical = cases["any_critical"].to_numpy(dtype=bool)
    types = cases["deviation_types"].to_numpy(dtype=object)
    found = np.array([_finding(str(text)) for text in types], dtype=object)
    has_types = np.array([bool(text) for text in types], dtype=bool)
    weak = (cases["fit"].to_numpy() < HALF_FIT) | (cases["order_evidence"].to_numpy() < LEAST_ORDER_EVIDENCE)
    frozen = np.array(["freeze" in str(text).split(",") for text in types], dtype=bool)
    likely = _known(cases, "critical_probability") >= UNCERTAIN
    chosen = np.select(
        [
            cases["problem"].to_numpy(dtype=object) != "",
            ~outcome.decided,
            cases["origin"].to_numpy(dtype=object) == "imported",
            alarm & frozen,
            weak,
            alarm & critical & has_types,
            alarm,
            critical,
            likely,
            has_types,
        ],
        [
            "not_scored",
            "not_verifiable",
            old_reasons(cases).astype(object),
            "freeze_reported",
            "weak_match_to_golds",
            found,
            "probability_without_finding",
            "finding_overruled",
            "uncertain_below_threshold",
            "reported_as_not_critical",
        ],
        default="nothing_found",
    )
    return chosen.astype(np.str_)


def false_positive_breakdown(
    cases: pd.DataFrame, outcome: DetectorOutcome, *, mode: str, threshold: float = 0.5
) -> dict[str, Any]:
    """The old ``fp_breakdown.json``: false positives over negatives by deviation type, site, backend, gold
    and (old) reason, over the labelled cases that the detector decided.

    A case with two deviation types counts in both rows. Rows are ordered by falling negatives, then name.
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
    overall: dict[str, Any] = {name: int(chosen.sum()) for name, chosen in counts.items()}
    overall |= {
        "false_positive_rate": _rate(overall["false_positive_jobs"], overall["labeled_negative_jobs"]),
        "miss_rate": _rate(overall["false_negative_jobs"], overall["labeled_positive_jobs"]),
        "critical_scoring_mode": mode,
        "critical_threshold": threshold,
        "backend": _common(_named(cases["backend"].to_numpy(dtype=object)[judged])),
    }
    names = {
        "by_deviation_type": ("deviation_type", _types(cases)),
        "by_site_id": ("site_id", _single(_named(cases["site"]))),
        "by_backend": ("backend", _single(_named(cases["backend"]))),
        "by_gold_id": ("gold_id", _single(_named(cases["gold_id"]))),
        "by_fp_reason": ("fp_reason", _single(old_reasons(cases))),
    }
    tables = {
        table: [
            {
                column: name,
                "negative_jobs": negatives,
                "false_positive_jobs": alarms,
                "false_positive_rate": _rate(alarms, negatives),
            }
            for name, negatives, alarms in _counted(groups, negative, alarm)
        ]
        for table, (column, groups) in names.items()
    }
    return {"overall": overall, **tables}


def error_breakdown(cases: pd.DataFrame, outcome: DetectorOutcome) -> pd.DataFrame:
    """Errors of both kinds by each of `DIMENSIONS`, over all labelled cases: one row a dimension and name.

    Columns `BREAKDOWN_COLUMNS`. ``positives`` and ``negatives`` are decided cases; rates are over them, NaN
    without any. Rows with most errors come first.
    """
    expected = cases["expected"].to_numpy()
    groups = {
        "site": _single(_named(cases["site"])),
        "gold_id": _single(_named(cases["gold_id"])),
        "backend": _single(_named(cases["backend"])),
        "deviation_type": _types(cases),
        "reason": _single(reasons(cases, outcome)),
        "person": _single(_named(cases["person"])),
    }
    counts = {
        "positives": outcome.decided & (expected == 1),
        "misses": outcome.decided & (expected == 1) & ~outcome.detected,
        "undecided_positives": ~outcome.decided & (expected == 1),
        "negatives": outcome.decided & (expected == 0),
        "false_alarms": outcome.decided & (expected == 0) & outcome.detected,
        "undecided_negatives": ~outcome.decided & (expected == 0),
    }
    labelled = ~np.isnan(expected)
    tables = []
    for dimension in DIMENSIONS:
        place, name = groups[dimension]
        long = pd.DataFrame({"name": name} | {key: flag[place] for key, flag in counts.items()})
        table = long[labelled[place]].groupby("name", as_index=False).sum()
        tables.append(table.assign(dimension=dimension))
    rows = pd.concat(tables, ignore_index=True)
    rows["miss_rate"] = _ratio(rows["misses"], rows["positives"])
    rows["false_positive_rate"] = _ratio(rows["false_alarms"], rows["negatives"])
    rows["_place"] = rows["dimension"].map({name: place for place, name in enumerate(DIMENSIONS)})
    rows["_errors"] = -(rows["misses"] + rows["false_alarms"])
    rows = rows.sort_values(["_place", "_errors", "name"], ignore_index=True)
    return pd.DataFrame(rows, columns=list(BREAKDOWN_COLUMNS))


def error_packet(
    cases: pd.DataFrame, outcome: DetectorOutcome, *, review_pages: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Every labelled case that the detector got wrong or left undecided, one row a case (`PACKET_COLUMNS`).

    ``error`` is ``false_negative``, ``false_positive``, or ``undecided`` (a labelled case handed to a
    person). Misses come first, the least probable first; then false alarms, the most probable first; then
    the undecided. ``review_pages`` maps a case id to its page; where there is none, it is empty.
    """
    expected = cases["expected"].to_numpy()
    kinds = ("false_negative", "false_positive", "undecided")
    error = np.select(
        [
            outcome.decided & (expected == 1) & ~outcome.detected,
            outcome.decided & (expected == 0) & outcome.detected,
            ~outcome.decided & ~np.isnan(expected),
        ],
        list(kinds),
        default="",
    )
    pages = review_pages or {}
    table = cases.assign(
        error=error,
        reason=reasons(cases, outcome),
        detector_score=np.asarray(outcome.score, dtype=np.float64),
        review_page=[pages.get(str(case_id), "") for case_id in cases["case_id"]],
    )
    table["_kind"] = [kinds.index(kind) if kind else len(kinds) for kind in error]
    table["_surprise"] = np.where(error == "false_negative", 1.0, -1.0) * table["detector_score"].fillna(0.0)
    table = table[error != ""].sort_values(["_kind", "_surprise", "order", "case_id"], ignore_index=True)
    return pd.DataFrame(table, columns=list(PACKET_COLUMNS))


def _finding(types: str) -> str:
    return f"{types}_reported" if types and "," not in types else "several_reported"


def _known(cases: pd.DataFrame, column: str) -> Numbers:
    """A column of numbers (n,) with 0 where it is unknown."""
    return np.asarray(np.nan_to_num(cases[column].to_numpy(dtype=np.float64), nan=0.0))


def _named(values: Iterable[object]) -> Texts:
    return np.array([str(value) or UNKNOWN for value in values], dtype=object)


def _common(names: Texts) -> str:
    """The one name that all share; ``unknown`` without any, ``several`` where they differ."""
    distinct = sorted(set(names.tolist()))
    return distinct[0] if len(distinct) == 1 else "several" if distinct else UNKNOWN


def _single(names: Texts) -> tuple[npt.NDArray[np.int64], Texts]:
    """(places, names) of a grouping in which each case is in one group."""
    return np.arange(len(names)), names


def _types(cases: pd.DataFrame) -> tuple[npt.NDArray[np.int64], Texts]:
    """(places, names): each case once for each of its deviation types, or once for ``none``."""
    pairs = [
        (place, name)
        for place, text in enumerate(cases["deviation_types"].to_numpy(dtype=object))
        for name in sorted(set(filter(None, str(text).split(",")))) or [NO_TYPE]
    ]
    places = np.array([place for place, _ in pairs], dtype=np.int64)
    return places, np.array([name for _, name in pairs], dtype=object)


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


def _rate(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _ratio(part: pd.Series, whole: pd.Series) -> pd.Series:
    return (part / whole.where(whole > 0)).astype("float64")
