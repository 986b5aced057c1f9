"""What to label next: what closes most of a gate's gaps comes first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopilot_assets.errors import StudyError
from sopilot_assets.labels.agreement import agreement
from sopilot_assets.old_rules.profiles import GateProfile
from sopilot_assets.studies.cases import case_frame
from sopilot_assets.studies.gates import GateReport, check_gates
from sopilot_assets.studies.planning import ACTIONS, LabelingPlan, labeling_plan
from sopilot_assets.studies.profiles import CHECKS


def gate(values: Mapping[str, float | None], **thresholds: float) -> GateReport:
    profile = GateProfile("test", thresholds, tuple(thresholds))
    assert set(thresholds) <= set(CHECKS)
    return check_gates(profile, values)


def named(place: int) -> dict[str, Any]:
    return {"case_id": f"k{place:02}", "order": place}


def cases(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    whole: list[dict[str, Any]] = [{**named(place), **row} for place, row in enumerate(rows)]
    return case_frame(whole)


def plan(
    table: pd.DataFrame,
    report: GateReport,
    *,
    raters: Mapping[str, int] | None = None,
    disputed: Collection[str] = (),
    most: int = 200,
) -> LabelingPlan:
    return labeling_plan(
        table,
        report,
        clusters=table["person"].to_numpy(),
        raters=raters or {},
        disputed=disputed,
        most=most,
    )


def test_recordings_of_new_people_come_first_where_independent_positives_lack() -> None:
    table = cases(
        [
            {"person": "anna", "expected": 1.0, "label_source": "blind_human"},
            {"person": "anna"},
            {"person": "bert"},
            {"person": "bert"},
            {"person": "carl"},
        ]
    )
    report = gate({"independent_positives": 1}, independent_positives=3)
    made = plan(table, report)
    # anna has one already, and a second one of bert adds little to the first
    person = list(table.set_index("case_id")["person"][made.rows["case_id"]])
    assert sorted(person[:2]) == ["bert", "carl"]
    assert person[2:] == ["bert", "anna"]
    assert list(made.rows["unlocks"]) == ["independent_positives"] * 3 + [""]
    # two of three are critical, with one of each class added to what is known
    assert made.rows["gain"][0] == pytest.approx(2 / 3 / 2)
    (row,) = made.forecast.to_dict("records")
    assert (row["check"], row["needed"], row["unit"]) == (
        "independent_positives",
        2.0,
        "independent positives",
    )
    assert row["expected"] == pytest.approx(2 / 3 + 2 / 3 + 2 / 3 * 1 / 3, abs=0.01)
    assert np.isnan(row["met_at_rank"])
    assert "record more of people who are not in the study yet" in row["advice"]


def test_the_plan_says_when_there_are_enough() -> None:
    table = cases([{"person": str(place)} for place in range(6)])
    made = plan(table, gate({"critical_negatives": 98}, critical_negatives=99.5))
    assert made.forecast["met_at_rank"][0] == 4.0  # of every second recording
    assert made.forecast["advice"][0] == ""


def test_disputes_come_first_where_they_bring_as_much() -> None:
    table = cases([{}, {}, {}])
    report = gate({"labels_labeled_jobs": 0}, labels_labeled_jobs=2)
    made = plan(table, report, disputed=["k02"])
    assert list(made.rows["action"]) == ["adjudicate", "label", "label"]
    assert made.rows["case_id"][0] == "k02"


def test_labels_from_file_names_are_labeled_again_blind() -> None:
    rows = [{"expected": 1.0, "label_source": source} for source in ("prefill", "blind_human", "prefill")]
    made = plan(cases(rows), gate({"blind_label_share": 1 / 3}, blind_label_share=1.0))
    assert set(made.rows["case_id"]) == {"k00", "k02"}
    assert set(made.rows["action"]) == {"relabel_blind"}
    assert made.forecast["met_at_rank"][0] == 2.0
    assert "its label is from prefill" in made.rows["reason"][0]


def test_second_raters_are_asked_for_both_classes_in_turn() -> None:
    rows = [{"expected": float(place >= 8), "label_source": "blind_human"} for place in range(12)]
    report = gate({"rater_kappa_ci95_low": None}, rater_kappa_ci95_low=0.4)
    made = plan(cases(rows), report, raters={f"k{place:02}": 1 for place in range(12)})
    classes = [case_id >= "k08" for case_id in made.rows["case_id"][:8]]
    assert classes == [True, False] * 4
    assert set(made.rows["action"]) == {"second_rater"}


def test_as_many_second_ratings_are_asked_for_as_a_kappa_of_seven_tenths_needs() -> None:
    def low(recordings: int, differ: int) -> float:
        answers = {
            f"k{place:02}": {"ann": place % 2 == 0, "bob": (place % 2 == 0) != (place < differ)}
            for place in range(recordings)
        }
        found = agreement(answers)
        assert found.low is not None
        assert found.kappa == pytest.approx(0.7, abs=0.04)
        return found.low

    too_low = low(30, 5)
    assert too_low < 0.4 < low(40, 6)
    rows = [{"expected": float(place % 2), "label_source": "blind_human"} for place in range(60)]
    report = gate({"rater_kappa_ci95_low": too_low}, rater_kappa_ci95_low=0.4)
    made = plan(cases(rows), report, raters={f"k{place:02}": 1 + (place < 30) for place in range(60)})
    assert (made.forecast["needed"][0], made.forecast["met_at_rank"][0]) == (10.0, 10.0)


def test_enough_second_ratings_that_disagree_are_not_helped_by_more() -> None:
    rows = [{"expected": float(place % 2), "label_source": "blind_human"} for place in range(40)]
    report = gate({"rater_kappa_ci95_low": 0.1}, rater_kappa_ci95_low=0.4)
    made = plan(cases(rows), report, raters={f"k{place:02}": 2 for place in range(40)})
    assert made.rows.empty
    assert "agree first on what a critical deviation is" in made.forecast["advice"][0]


def test_the_detector_has_no_say() -> None:
    rows: list[dict[str, Any]] = [{"person": person} for person in "aabbccddee"]
    rows[0] |= {"expected": 1.0, "label_source": "blind_human"}
    table = cases(rows)
    report = gate({"independent_positives": 1}, independent_positives=9)
    made = plan(table, report)
    # one of each new person first, the second recordings after them, and nothing that tells of findings
    first = table.set_index("case_id")["person"][made.rows["case_id"]]
    assert sorted(first[:4]) == list("bcde")
    assert sorted(first[4:8]) == list("bcde")
    assert first.iloc[8] == "a"
    assert "probability" not in made.rows
    other = table.assign(critical_probability=np.linspace(0, 1, len(table)), score=50.0, any_critical=True)
    pd.testing.assert_frame_equal(plan(other, report).rows, made.rows)
    # among equals the order is drawn, not that of the cases
    assert list(made.rows["case_id"]) != sorted(made.rows["case_id"])


def test_where_no_label_helps_the_plan_says_what_does() -> None:
    names = ("shifted_recordings", "test_looks", "critical_miss_rate", "drift_score_psi")
    values = dict(zip(names, (3.0, 2.0, None, 0.4), strict=True))
    limits = dict(zip(names, (30.0, 1.0, 0.05, 0.25), strict=True))
    made = plan(cases([{"person": "a"}]), gate(values, **limits))
    advice = made.forecast.set_index("check")["advice"]
    assert "sopilot measure repeat" in advice["shifted_recordings"]
    assert (
        "do it, then plan again"
        in plan(cases([{}, {}]), gate({"critical_positives": 0}, critical_positives=9), most=1).forecast[
            "advice"
        ][0]
    )
    assert "register a study on new recordings" in advice["test_looks"]
    assert "detector" in advice["drift_score_psi"]
    # a rate that cannot be told waits for the first positive
    assert made.rows["unlocks"][0] == "critical_miss_rate"


def test_without_a_failed_check_a_plan_forecasts_nothing() -> None:
    made = plan(cases([{}, {}, {}]), gate({"critical_positives": 5}, critical_positives=5))
    assert made.forecast.empty
    assert "no failed check needs it" in made.rows["reason"][0]


def test_a_recording_without_a_score_brings_no_positive() -> None:
    table = cases([{"problem": "cut"}, {}])
    made = plan(table, gate({"critical_positives": 0}, critical_positives=5))
    assert list(made.rows["case_id"]) == ["k01", "k00"]
    assert "could not be scored" in made.rows["reason"][1]


def test_groups_with_fewest_positives_come_first() -> None:
    rows: list[dict[str, Any]] = [
        {"site": "a", "expected": 1.0},
        {"site": "a"},
        {"site": "b", "expected": 0.0},
        {"person": "x"},
    ]
    made = plan(cases(rows), gate({}, critical_positives=1))
    sites = made.groups[made.groups["dimension"] == "site"]
    assert list(sites["name"]) == ["unknown", "b", "a"]
    assert list(sites["unlabelled"]) == [1, 0, 1]


def test_clusters_of_another_table_are_refused() -> None:
    report = gate({}, critical_positives=1)
    with pytest.raises(StudyError, match="clusters for 1 cases, found 2"):
        labeling_plan(cases([{}]), report, clusters=["a", "b"], raters={}, disputed=())


ROWS = st.lists(
    st.tuples(
        st.sampled_from([None, 0.0, 1.0]),
        st.sampled_from(["", "anna", "bert"]),
        st.sampled_from(["blind_human", "prefill"]),
        st.booleans(),
    ),
    max_size=25,
)


@settings(max_examples=40)
@given(ROWS)
def test_each_case_is_asked_for_once_an_action_and_gains_never_rise(
    rows: list[tuple[float | None, str, str, bool]],
) -> None:
    table = cases(
        [{"expected": e, "person": w, "label_source": s if e is not None else ""} for e, w, s, _ in rows]
    )
    limits = {"independent_positives": 9.0, "critical_negatives": 9.0, "blind_label_share": 1.0}
    report = gate({"independent_positives": 1, "critical_negatives": 2, "blind_label_share": 0.5}, **limits)
    disputed = [f"k{place:02}" for place, row in enumerate(rows) if row[3]]
    made = plan(table, report, disputed=disputed)
    assert made.rows.equals(plan(table, report, disputed=disputed).rows)
    assert not made.rows.duplicated(["case_id", "action"]).any()
    assert set(made.rows["action"]) <= set(ACTIONS)
    gains = made.rows["gain"].to_numpy()
    assert (np.diff(gains) <= 1e-6).all()
    unlabeled = {f"k{place:02}" for place, row in enumerate(rows) if row[0] is None}
    assert unlabeled | set(disputed) <= set(made.rows["case_id"])
