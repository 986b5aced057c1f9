"""Figures on a group by a policy that has not seen it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sopilot_assets.errors import StudyError
from sopilot_assets.old_rules.detectors import DetectorOutcome
from sopilot_assets.studies.cases import case_frame
from sopilot_assets.studies.leave_group_out import MOST_FITS, Detector, leave_group_out

CASES = case_frame(
    {
        "case_id": f"{site}{person}{number}",
        "site": site,
        "person": person,
        "expected": float(number % 2),
        "critical_probability": 0.2 + 0.6 * (number % 2) - (0.5 if site == "c" else 0.0),
    }
    for site, person, count in (("a", "anna", 4), ("b", "bert", 4), ("b", "anna", 2), ("c", "carl", 4))
    for number in range(count)
)


def middle(training: pd.DataFrame) -> Detector:
    """Detects from half way between the classes' means on."""
    means = training.groupby("expected")["critical_probability"].mean()
    threshold = float(means.mean())

    def detector(cases: pd.DataFrame) -> DetectorOutcome:
        p = cases["critical_probability"].to_numpy()
        return DetectorOutcome(detected=p >= threshold, decided=np.ones(len(cases), dtype=bool), score=p)

    return detector


def test_each_group_is_judged_without_itself() -> None:
    table = leave_group_out(CASES, CASES["site"], middle).set_index("group")
    assert list(table.index) == ["a", "b", "c", "all"]
    assert list(table["training_cases"]) == [10, 8, 10, 0]
    # site c looks different, which only a policy fitted without it shows
    assert list(table["misses"]) == [0, 0, 2, 2]
    assert table.loc["c", "miss_rate"] == 1.0
    assert table.loc["all", "miss_rate"] == pytest.approx(2 / 7)
    assert table["miss_rate_low"].iloc[-1] < 2 / 7 < table["miss_rate_high"].iloc[-1]


def test_who_is_in_the_group_left_out_is_not_learnt_from_elsewhere() -> None:
    seen: list[set[str]] = []

    def fit(training: pd.DataFrame) -> Detector:
        seen.append(set(training["person"]))
        return middle(training)

    table = leave_group_out(CASES, CASES["site"], fit, clusters=CASES["person"]).set_index("group")
    assert seen == [{"bert", "carl"}, {"carl"}, {"anna", "bert"}]
    assert table.loc["b", "training_cases"] == 4


def test_a_group_without_a_policy_says_why() -> None:
    cases = case_frame(
        {"case_id": str(n), "site": "ab"[n % 2] if n else "", "expected": float(n % 2)} for n in range(5)
    )
    table = leave_group_out(cases, cases["site"], lambda _: None).set_index("group")
    assert table.loc["a", "problem"] == "no feasible policy on what is left"
    assert table.loc["b", "problem"] == "what is left holds cases of one class only"
    assert table.loc["all", "problem"] == "3 of 3 groups without figures"
    assert np.isnan(table["miss_rate"].iloc[-1])
    assert "unknown" in table.index


def test_one_group_leaves_nothing_to_fit_on() -> None:
    with pytest.raises(StudyError, match=r"at least two groups, found \['a'\]"):
        leave_group_out(CASES, ["a"] * len(CASES), middle)
    with pytest.raises(StudyError, match="a group for each of 14 cases, found 1"):
        leave_group_out(CASES, ["a"], middle)


def test_many_groups_are_left_out_several_at_a_time_and_still_judged_unseen() -> None:
    people = 2 * MOST_FITS + 7
    cases = case_frame(
        {
            "case_id": f"{person}-{number}",
            "person": f"p{person:03d}",
            "expected": float(number),
            "critical_probability": 0.2 + 0.6 * number,
        }
        for person in range(people)
        for number in range(2)
    )
    fits: list[set[str]] = []

    def fit(training: pd.DataFrame) -> Detector:
        seen = set(training["person"])
        fits.append(seen)
        detector = middle(training)

        def of_strangers(judged: pd.DataFrame) -> DetectorOutcome:
            assert seen.isdisjoint(judged["person"])
            return detector(judged)

        return of_strangers

    table = leave_group_out(cases, cases["person"], fit)
    assert len(fits) == MOST_FITS
    assert list(table["group"]) == [*sorted(set(cases["person"])), "all"]
    assert table["positives"].iloc[-1] == people
    assert not table["problem"].any()
