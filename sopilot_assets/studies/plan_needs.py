"""What the failed checks of a gate lack, in units that labels can bring, and what else would help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd

from sopilot_assets.studies.gates import CheckResult, GateReport

BLIND: Final = "blind_human"
DOUBLE_RATINGS: Final = 40
"""Recordings with two raters that an interval of kappa needs: with about as many of each class and a kappa of
0.7, its lower 95 % bound (`labels.agreement`) is then 0.42; with 30 it is 0.37."""


@dataclass(frozen=True, slots=True)
class Needs:
    """Units that labels bring: how many are lacking at most, and by check which unit it waits for."""

    lacking: Mapping[str, float]
    unit_of: Mapping[str, str]


SECOND_RATINGS: Final = "recordings with two raters"
BLIND_LABELS: Final = "blind labels"
BROUGHT_BY_A_LABEL: Final = (
    "positives",
    "negatives",
    "independent positives",
    "independent negatives",
    "labelled recordings",
    "label rows",
)
_RATES: Final = ("critical_miss", "critical_false", "clustered_miss", "clustered_false")


def _needed(check: CheckResult, cases: pd.DataFrame, raters: Mapping[str, int]) -> tuple[float | None, str]:
    """How many of which unit a failed check lacks; None and "" where no label helps."""
    if check.name == "blind_label_share":
        labeled = cases["expected"].notna()
        return float((labeled & (cases["label_source"] != BLIND)).sum()) or None, BLIND_LABELS
    if check.name == "rater_kappa_ci95_low":
        double = sum(raters.get(str(case_id), 0) >= 2 for case_id in cases["case_id"])
        return float(max(DOUBLE_RATINGS - double, 0)) or None, SECOND_RATINGS
    if check.needed is not None:
        return check.needed.count, check.needed.unit
    missing = check.reason == "value_missing"
    kind = "positives" if "miss_rate" in check.name else "negatives"
    return (1.0, kind) if missing and check.name.startswith(_RATES) else (None, "")


def needs_of(report: GateReport, cases: pd.DataFrame, raters: Mapping[str, int]) -> Needs:
    """What the failed checks lack that labels can bring; ``raters`` is by case id."""
    lacking: dict[str, float] = {}
    unit_of: dict[str, str] = {}
    for check in report.failed():
        count, unit = _needed(check, cases, raters)
        helped = unit in (*BROUGHT_BY_A_LABEL, BLIND_LABELS, SECOND_RATINGS)
        if helped and count:
            unit_of[check.name] = unit
            lacking[unit] = max(float(count), lacking.get(unit, 0.0))
    return Needs(lacking, unit_of)


def lacking_for(check: CheckResult, needs: Needs) -> float:
    """How many of its unit a failed check lacks."""
    if check.needed is not None and check.needed.count and check.needed.unit == needs.unit_of[check.name]:
        return float(check.needed.count)
    return needs.lacking[needs.unit_of[check.name]]


def shortfall(unit: str, short: float, *, cut: bool) -> str:
    """What to do where a plan brings ``short`` too few of a unit; ``cut``: it could go on."""
    said = f"the plan falls short by about {short:.0f} {unit}"
    if cut:
        return f"{said}: do it, then plan again"
    who = " of people who are not in the study yet" if unit.startswith("independent") else ""
    return f"{said}: record more{who}"


def advice_for(check: CheckResult) -> str:
    """What to do about a failed check that no label helps."""
    if check.name in _ADVICE:
        return _ADVICE[check.name]
    return _NOT_KNOWN if check.reason == "value_missing" else _NO_LABEL_HELPS


_NOT_KNOWN: Final = "no label helps: the figure is missing; evaluate the study first"
_NO_LABEL_HELPS: Final = "no label helps: the detector, or the recordings, have to get better"
_ADVICE: Final[Mapping[str, str]] = {
    "shifted_recordings": "no label helps: run `sopilot measure repeat` on more recordings",
    "rescore_pairs": "no label helps: score recordings again",
    "shifted_jitter_max_delta": "no label helps: run `sopilot measure repeat`; where scores depend on where "
    "sampling starts, add golds",
    "shifted_decision_change_rate": "no label helps: run `sopilot measure repeat`; where decisions depend on "
    "where sampling starts, add golds",
    "scored_share": "no label helps: record again what could not be scored",
    "settled_label_share": "settle what raters disagree on: `sopilot label list --disputed`",
    "decided_positive_share": "no label helps: add golds, so that less is not verifiable",
    "decided_share": "no label helps: add golds, so that less is not verifiable",
    "coverage_rate": "no label helps: score what is labelled",
    "num_completed_jobs": "no label helps: score more recordings",
    "blind_label_share": "label blind: nothing is labelled yet",
    "rater_kappa_ci95_low": "more ratings do not help: agree first on what a critical deviation is",
    "test_looks": "no label helps: the test split was looked at before; register a study on new recordings",
    "leaking_groups": "no label helps: split by group_person",
}
