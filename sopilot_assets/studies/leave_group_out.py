"""Leave-one-group-out: how a detector does on a site, person or gold that its policy was fitted without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from sopilot_assets.errors import StudyError
from sopilot_assets.intervals import wilson
from sopilot_assets.old_rules.detectors import DetectorOutcome

Detector: TypeAlias = Callable[[pd.DataFrame], DetectorOutcome]
Fit: TypeAlias = Callable[[pd.DataFrame], Detector | None]
"""Fits a policy on some cases; None where no policy is feasible on them."""

MOST_FITS: Final = 50
"""Where there are more groups than this, several are left out at a time."""

ALL: Final = "all"
UNKNOWN: Final = "unknown"

COLUMNS: Final = (
    "group",
    "training_cases",
    "cases",
    "positives",
    "misses",
    "undecided_positives",
    "miss_rate",
    "miss_rate_low",
    "miss_rate_high",
    "negatives",
    "false_alarms",
    "undecided_negatives",
    "false_positive_rate",
    "false_positive_rate_low",
    "false_positive_rate_high",
    "problem",
)


def leave_group_out(
    cases: pd.DataFrame,
    groups: npt.ArrayLike,
    fit: Fit,
    *,
    clusters: npt.ArrayLike | None = None,
) -> pd.DataFrame:
    """Figures on every group by a policy fitted without it, one row a group by name and a last row ``all``.

    ``groups`` (n,) names each case's group; the empty name is shown as ``unknown`` and is left out like any
    other. More than `MOST_FITS` groups are left out several at a time: every group is still judged by a
    policy that has not seen it. ``clusters`` (n,) (`person_groups`) are kept together as well: a case that
    shares a cluster with the group left out is in neither part, so that nobody is judged by a policy that
    has seen them. Pass cases that policies may be fitted on; a test split passed here counts as looked at.

    ``positives`` and ``negatives`` are decided cases, rates are over them, with Wilson's 95 % interval, and
    NaN without any. ``problem`` says why a group has no figures; such groups do not count in ``all``. Raises
    `StudyError` when there are fewer than two groups.
    """
    names = np.array([str(name) or UNKNOWN for name in np.asarray(groups, dtype=object)], dtype=object)
    if len(names) != len(cases):
        raise StudyError(
            f"leave-one-group-out: expected a group for each of {len(cases)} cases, found {len(names)}."
        )
    distinct = sorted(set(names.tolist()))
    if len(distinct) < 2:
        raise StudyError(
            f"leave-one-group-out: expected at least two groups, found {distinct}; there is nothing left to "
            "fit on. Choose another grouping."
        )
    related = None if clusters is None else np.asarray(clusters, dtype=object)
    together = [distinct[start::MOST_FITS] for start in range(min(MOST_FITS, len(distinct)))]
    rows = [row for some in together for row in _rows(some, cases, names, related, fit)]
    rows.sort(key=lambda row: str(row["group"]))
    table = pd.DataFrame.from_records([*rows, _sum(rows)], columns=list(COLUMNS))
    for errors, whole, rate in (
        ("misses", "positives", "miss_rate"),
        ("false_alarms", "negatives", "false_positive_rate"),
    ):
        total = table[whole].astype("float64")
        table[rate] = table[errors] / total.where(total > 0)
        table[f"{rate}_low"], table[f"{rate}_high"] = wilson(table[errors].to_numpy(), total.to_numpy())
    return table


def _rows(
    left_out: list[str],
    cases: pd.DataFrame,
    names: npt.NDArray[np.object_],
    related: npt.NDArray[np.object_] | None,
    fit: Fit,
) -> Iterator[dict[str, Any]]:
    """The rows of these groups, by a policy that was fitted without all of them."""
    inside = np.isin(names, left_out)
    apart = ~inside
    if related is not None:
        apart &= ~np.isin(related, np.unique(related[inside]))
    training = cases[apart].reset_index(drop=True)
    problem, detector = "", None
    if training["expected"].nunique() < 2:
        problem = "what is left holds cases of one class only"
    else:
        detector = fit(training)
        problem = "" if detector else "no feasible policy on what is left"
    for name in left_out:
        of_group = cases[names == name].reset_index(drop=True)
        yield {
            "group": name,
            "training_cases": len(training),
            "cases": len(of_group),
            **(_counts(of_group, detector(of_group)) if detector else dict.fromkeys(_COUNTED, 0)),
            "problem": problem,
        }


def _counts(cases: pd.DataFrame, outcome: DetectorOutcome) -> dict[str, int]:
    expected = cases["expected"].to_numpy()
    positive, negative, decided = expected == 1, expected == 0, outcome.decided
    return {
        "positives": int((positive & decided).sum()),
        "misses": int((positive & decided & ~outcome.detected).sum()),
        "undecided_positives": int((positive & ~decided).sum()),
        "negatives": int((negative & decided).sum()),
        "false_alarms": int((negative & decided & outcome.detected).sum()),
        "undecided_negatives": int((negative & ~decided).sum()),
    }


_COUNTED: Final = (
    "positives",
    "misses",
    "undecided_positives",
    "negatives",
    "false_alarms",
    "undecided_negatives",
)


def _sum(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The row over all groups that have figures."""
    judged = [row for row in rows if not row["problem"]]
    missing = len(rows) - len(judged)
    return {
        "group": ALL,
        "training_cases": 0,
        "cases": sum(row["cases"] for row in judged),
        **{name: sum(row[name] for row in judged) for name in _COUNTED},
        "problem": f"{missing} of {len(rows)} groups without figures" if missing else "",
    }
