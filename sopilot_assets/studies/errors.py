"""Where a detector errs: a reason for every case, breakdowns by what may explain errors, and a packet that
lists every miss and false alarm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from sopilot_assets.old_rules.detectors import DetectorOutcome
from sopilot_assets.old_rules.errors import known, named, of_types, old_reasons, single
from sopilot_assets.scoring.procedure import other_work_probability
from sopilot_assets.scoring.suspicions import SUSPECTED

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]
Texts = npt.NDArray[np.str_]


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


def reasons(cases: pd.DataFrame, outcome: DetectorOutcome) -> Texts:
    """Why a case (n,) is judged as it is, in one word; of imported cases the old reason.

    ``not_scored`` and ``not_verifiable``: nothing was decided. ``weak_match_to_golds``: by its fit and the
    order of its steps, other work is at least as likely as anything critical, and likely enough to be shown
    (`SUSPECTED`). ``freeze_reported``, ``missing_step_reported``...: the
    finding behind an alarm (``several_reported`` when there is more than one type);
    ``probability_without_finding`` when there is none. Without an alarm: ``finding_overruled`` (a critical
    finding below the detector's threshold), ``uncertain_below_threshold`` (a probability that is shown),
    ``reported_as_not_critical`` and ``nothing_found``.
    """
    alarm = np.asarray(outcome.detected & outcome.decided)
    critical = cases["any_critical"].to_numpy(dtype=bool)
    types = cases["deviation_types"].to_numpy(dtype=object)
    found = np.array([_finding(str(text)) for text in types], dtype=object)
    has_types = np.array([bool(text) for text in types], dtype=bool)
    unlike, probability = _other_work(cases), known(cases, "critical_probability")
    weak = (unlike >= SUSPECTED) & (unlike >= probability)
    frozen = np.array(["freeze" in str(text).split(",") for text in types], dtype=bool)
    likely = probability >= SUSPECTED
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


def error_breakdown(cases: pd.DataFrame, outcome: DetectorOutcome) -> pd.DataFrame:
    """Errors of both kinds by each of `DIMENSIONS`, over all labeled cases: one row a dimension and name.

    Columns `BREAKDOWN_COLUMNS`. ``positives`` and ``negatives`` are decided cases; rates are over them, NaN
    without any. Rows with most errors come first.
    """
    expected = cases["expected"].to_numpy()
    groups = {
        "site": single(named(cases["site"])),
        "gold_id": single(named(cases["gold_id"])),
        "backend": single(named(cases["backend"])),
        "deviation_type": of_types(cases),
        "reason": single(reasons(cases, outcome)),
        "person": single(named(cases["person"])),
    }
    counts = {
        "positives": outcome.decided & (expected == 1),
        "misses": outcome.decided & (expected == 1) & ~outcome.detected,
        "undecided_positives": ~outcome.decided & (expected == 1),
        "negatives": outcome.decided & (expected == 0),
        "false_alarms": outcome.decided & (expected == 0) & outcome.detected,
        "undecided_negatives": ~outcome.decided & (expected == 0),
    }
    labeled = ~np.isnan(expected)
    tables = []
    for dimension in DIMENSIONS:
        place, name = groups[dimension]
        long = pd.DataFrame({"name": name} | {key: flag[place] for key, flag in counts.items()})
        table = long[labeled[place]].groupby("name", as_index=False).sum()
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
    """Every labeled case that the detector got wrong or left undecided, one row a case (`PACKET_COLUMNS`).

    ``error`` is ``false_negative``, ``false_positive``, or ``undecided`` (a labeled case handed to a
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


def _other_work(cases: pd.DataFrame) -> Numbers:
    """How likely it is that each case (n,) shows other work; 0 where no fit is known."""
    pairs = zip(cases["fit"], cases["order_evidence"], strict=True)
    likely = [0.0 if np.isnan(fit) else other_work_probability(fit, order) for fit, order in pairs]
    return np.array(likely, dtype=np.float64)


def _finding(types: str) -> str:
    return f"{types}_reported" if types and "," not in types else "several_reported"


def _ratio(part: pd.Series, whole: pd.Series) -> pd.Series:
    return (part / whole.where(whole > 0)).astype("float64")
