"""Two detectors on the same recordings: what a candidate would have decided otherwise than the baseline.

A detector says of each case ``detected``, ``clear`` or ``undecided``. Rates come with the exact McNemar test
on errors (Q. McNemar, Psychometrika 12, 1947), and with the same test by persons: recordings of one person
are no independent witnesses.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from statsmodels.stats.contingency_tables import mcnemar

from sopilot_assets.old_rules.detectors import DetectorOutcome
from sopilot_assets.old_rules.shadow import check_shapes, rate_changes, share

Flags = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.str_]

STATES: Final = ("clear", "detected", "undecided")
"""What a detector says of a case; the index is the code in `states`."""


def states(outcome: DetectorOutcome) -> npt.NDArray[np.int64]:
    """What the detector says of each case (n,), as an index into `STATES`."""
    return np.where(outcome.decided, outcome.detected.astype(np.int64), STATES.index("undecided"))


def shadow_report(
    cases: pd.DataFrame,
    baseline: DetectorOutcome,
    candidate: DetectorOutcome,
    *,
    clusters: Texts | None = None,
) -> dict[str, Any]:
    """The candidate beside the baseline: paired table, every changed case, rates, and tests on errors.

    ``clusters`` (n,) are the groups that belong together (`person_groups`); the empty name is one group.
    Errors are compared where there is a label and both detectors decided; the rest is counted as
    ``not_compared``. ``effect`` of a changed case is ``fixed`` or ``broken`` there, else empty.
    Raises `StudyError` when shapes disagree.
    """
    check_shapes(cases, baseline, candidate)
    before, after = states(baseline), states(candidate)
    table = {
        f"{STATES[first]}_{STATES[second]}": int(((before == first) & (after == second)).sum())
        for first in range(len(STATES))
        for second in range(len(STATES))
    }
    changed = before != after
    return {
        "cases": len(cases),
        "paired": table,
        "both_detected": table["detected_detected"],
        "baseline_only": int(((before == 1) & (after != 1)).sum()),
        "candidate_only": int(((before != 1) & (after == 1)).sum()),
        "neither_detected": int(((before != 1) & (after != 1)).sum()),
        "decision_change_rate": share(int(changed.sum()), len(cases)),
        "changed": _changed_rows(cases, baseline, candidate, changed),
        "delta": rate_changes(cases, baseline, candidate),
        "tests": _tests(cases, baseline, candidate, clusters),
    }


def changed_frame(report: dict[str, Any]) -> pd.DataFrame:
    """The changed cases of a `shadow_report` as a table, in the cases' order."""
    return pd.DataFrame(report["changed"], columns=list(CHANGED_COLUMNS))


def exact_mcnemar(fixed: int, broken: int) -> float:
    """The two-sided exact p-value that both detectors err equally often, from the discordant pairs.

    >>> exact_mcnemar(5, 1)
    0.21875
    >>> exact_mcnemar(0, 0)
    1.0
    """
    return float(mcnemar([[0, fixed], [broken, 0]], exact=True).pvalue)


def clustered_sign_test(differences: npt.NDArray[np.int64], clusters: Texts) -> float:
    """The two-sided exact p-value when whole clusters, not cases, are exchangeable.

    ``differences`` (m,) is +1 where the candidate fixed a case, -1 where it broke one, else 0. Under the
    null hypothesis the sign of each cluster's sum is a fair coin; all 2^k flips are counted (as a
    distribution of the total). With one case a cluster this is `exact_mcnemar`.

    >>> clustered_sign_test(np.array([1, 1, 1, 1, 1, -1]), np.array(list("abcdef")))
    0.21875
    >>> clustered_sign_test(np.array([1, 1, 1, 1, 1, 1]), np.array(["one"] * 6))
    1.0
    """
    if differences.size == 0:
        return 1.0
    _, member = np.unique(clusters, return_inverse=True)
    sums = np.bincount(member, weights=differences).astype(np.int64)
    widths = np.abs(sums[sums != 0])
    if widths.size == 0:
        return 1.0
    reach = int(widths.sum())
    chances = np.zeros(2 * reach + 1)  # of the totals -reach .. reach
    chances[reach] = 1.0
    for width in widths:
        shifted = np.zeros_like(chances)
        shifted[width:] += chances[:-width] / 2
        shifted[:-width] += chances[width:] / 2
        chances = shifted
    extreme = np.abs(np.arange(-reach, reach + 1)) >= abs(int(sums.sum()))
    return float(min(chances[extreme].sum(), 1.0))


CHANGED_COLUMNS: Final = (
    "case_id",
    "order",
    "video_id",
    "original_name",
    "person",
    "site",
    "expected",
    "baseline",
    "candidate",
    "effect",
)


def _changed_rows(
    cases: pd.DataFrame, baseline: DetectorOutcome, candidate: DetectorOutcome, changed: Flags
) -> list[dict[str, Any]]:
    before, after = states(baseline), states(candidate)
    fixed, broken = _fixed_and_broken(cases, baseline, candidate)
    rows = []
    for place in np.flatnonzero(changed):
        case = cases.iloc[place]
        expected = case["expected"]
        rows.append(
            {name: case[name] for name in ("case_id", "video_id", "original_name", "person", "site")}
            | {
                "order": int(case["order"]),
                "expected": None if pd.isna(expected) else bool(expected),
                "baseline": STATES[before[place]],
                "candidate": STATES[after[place]],
                "effect": "fixed" if fixed[place] else "broken" if broken[place] else "",
            }
        )
    return [{name: row[name] for name in CHANGED_COLUMNS} for row in rows]


def _compared(cases: pd.DataFrame, baseline: DetectorOutcome, candidate: DetectorOutcome) -> Flags:
    return np.asarray(baseline.decided & candidate.decided & cases["expected"].notna().to_numpy())


def _fixed_and_broken(
    cases: pd.DataFrame, baseline: DetectorOutcome, candidate: DetectorOutcome
) -> tuple[Flags, Flags]:
    compared = _compared(cases, baseline, candidate)
    truth = cases["expected"].to_numpy() == 1
    before, after = baseline.detected == truth, candidate.detected == truth
    return compared & ~before & after, compared & before & ~after


def _tests(
    cases: pd.DataFrame, baseline: DetectorOutcome, candidate: DetectorOutcome, clusters: Texts | None
) -> dict[str, dict[str, Any]]:
    expected = cases["expected"].to_numpy()
    compared = _compared(cases, baseline, candidate)
    fixed, broken = _fixed_and_broken(cases, baseline, candidate)
    tests = {}
    for name, chosen in (
        ("all", ~np.isnan(expected)),
        ("positives", expected == 1),
        ("negatives", expected == 0),
    ):
        here = compared & chosen
        right = candidate.detected == (expected == 1)
        same = here & ~fixed & ~broken
        test: dict[str, Any] = {
            "compared": int(here.sum()),
            "not_compared": int((chosen & ~compared).sum()),
            "both_right": int((same & right).sum()),
            "both_wrong": int((same & ~right).sum()),
            "fixed": int((fixed & here).sum()),
            "broken": int((broken & here).sum()),
        }
        test["mcnemar_p"] = _p_value(exact_mcnemar(test["fixed"], test["broken"]))
        if clusters is not None:
            signs = fixed[here].astype(np.int64) - broken[here].astype(np.int64)
            test["clusters"] = int(np.unique(clusters[here]).size)
            test["clustered_p"] = _p_value(clustered_sign_test(signs, clusters[here]))
        tests[name] = test
    return tests


def _p_value(p: float) -> float:
    """Six significant digits: a tiny p-value is no zero."""
    return float(f"{p:.6g}")
