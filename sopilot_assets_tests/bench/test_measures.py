"""Each figure on recordings made by hand."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopilot_assets.bench.expected import Fault
from sopilot_assets.bench.measures import ScoredRecording, measure
from sopilot_assets.bench.truth import LabeledPlace
from sopilot_assets.segments import Segment
from sopilot_assets.tasks import DeviationType
from sopilot_assets_tests.bench.labeled import case, said, truth

NO_POUR, NO_STIR = Fault("missing_step", ("pour",)), Fault("missing_step", ("stir",))
SLOW, SWAP, WRONG = (
    Fault("over_time", ("stir",)),
    Fault("order_swap", ("boil", "pour")),
    Fault("wrong_step", ("pour",)),
)
EXTRA, STILL = Fault("step_deviation", ()), Fault("freeze", ())


def figures(*cases: ScoredRecording) -> dict[str, Any]:
    return measure(cases, seed=0)


def of_type(
    kind: str, *cases: ScoredRecording
) -> tuple[float | None, float | None, float | None, float | None]:
    row = figures(*cases)["types"][kind]
    return row["precision"], row["recall"], row["f1"], row["f1_exact"]


def test_misses_of_three_kinds() -> None:
    found = said(NO_POUR, decision="fail", critical=True)
    unsure = said(decision="not_verifiable", score=None)
    results = [found, said(), said(decision="needs_review"), unsure]
    critical = figures(*(case(one, f"{n}", critical=True) for n, one in enumerate(results)))["critical"]
    assert [critical[name] for name in ("miss", "miss_strict", "passed", "fpr")] == [0.5, 0.75, 0.25, None]
    assert (critical["n_critical"], critical["n_not_critical"]) == (4, 0)
    assert critical["ci95"]["fpr"] is None
    assert critical["ci95_method"]["miss"] == "Wilson"


def test_an_abstention_with_a_critical_finding_is_no_miss() -> None:
    one = case(said(STILL, decision="not_verifiable", critical=True), critical=True)
    assert figures(one)["critical"]["miss_strict"] == 0


def test_what_is_held_back_with_a_critical_suspicion_is_missed_by_the_strict_count_only() -> None:
    results = [
        said(decision="needs_review", suspected=[NO_POUR]),
        said(decision="needs_review"),  # left to a person for another reason
        said(decision="retrain", suspected=[NO_POUR]),  # nobody looks
        said(NO_POUR, decision="needs_review", critical=True, suspected=[NO_STIR]),  # found
    ]
    critical = figures(*(case(one, f"{n}", critical=True) for n, one in enumerate(results)))["critical"]
    assert [critical[name] for name in ("miss", "held_back", "miss_strict")] == [0.5, 0.25, 0.75]


def test_decided_are_pass_retrain_and_fail_of_all_that_show_the_task() -> None:
    decisions = ["pass", "retrain", "fail", "needs_review", "not_verifiable"]
    cases = [case(said(decision=one), one) for one in decisions]
    shown = figures(*cases, case(said(), "other", other_work=True))
    assert (shown["decided"]["share"], shown["decided"]["n"]) == (0.6, 5)
    assert shown["decided"]["counts"] == dict.fromkeys(decisions, 1)
    assert shown["review"]["share"] == 0.2


def test_reviews_name_the_right_moment_when_something_is_said_within_two_seconds_of_it() -> None:
    def review(name: str, start_s: float, *, suspected: bool) -> ScoredRecording:
        place = LabeledPlace(NO_POUR, Segment(start_s, start_s))
        result = said(decision="needs_review", suspected=[NO_STIR] if suspected else [])
        return case(result, name, needed=frozenset({NO_POUR}), places=(place,), critical=True)

    cases = [
        review("within", 8.0, suspected=True),
        review("beside", 8.5, suspected=True),
        review("silent", 5.5, suspected=False),
        case(said(SLOW, decision="needs_review"), "correct"),
        case(said(SLOW, decision="retrain"), "decided"),
    ]
    shown = figures(*cases)["review"]
    assert shown["counts"] == {"reviews": 4, "right_moment": 1, "placed": 3, "correct": 1}
    assert shown["right_moment"] == 0.25
    assert shown["right_moment_placed"] == pytest.approx(1 / 3, abs=1e-6)


def test_errors_by_coverage_and_calibration_error_of_the_critical_probability() -> None:
    stated = {"a": (0.98, True), "b": (0.05, False), "c": (0.85, False), "d": (0.35, True)}
    cases = [case(said(probability=p), name, critical=critical) for name, (p, critical) in stated.items()]
    shown = figures(*cases)["selective"]
    # the most certain first: a and b right, c and d wrong
    assert shown["risk"] | {"0.4": 0.0, "0.6": 1 / 3, "1.0": 0.5} == pytest.approx(shown["risk"], abs=1e-6)
    assert shown["aurc"] == pytest.approx((0 + 0 + 1 / 3 + 1 / 2) / 4, abs=1e-6)
    assert shown["calibration_error"] == pytest.approx((0.02 + 0.05 + 0.85 + 0.65) / 4, abs=1e-6)
    assert [row["n"] for row in shown["reliability"]] == [1, 1, 1, 1]
    unsaid = figures(case(said(), critical=None))["selective"]
    assert (unsaid["n"], unsaid["aurc"], unsaid["calibration_error"]) == (0, None, None)


def test_false_positives_are_critical_findings_where_nothing_critical_is() -> None:
    results = [said(NO_POUR, decision="fail", critical=True), said(SLOW), said()]
    critical = figures(*(case(one, f"{n}") for n, one in enumerate(results)))["critical"]
    assert critical["fpr"] == pytest.approx(1 / 3, abs=1e-6)


def test_recordings_of_which_nobody_knows_whether_they_are_critical_are_left_out() -> None:
    critical = figures(case(said(), critical=None))["critical"]
    assert (critical["miss"], critical["fpr"], critical["n_unknown"]) == (None, None, 1)


def test_auc_orders_critical_recordings_above_the_others() -> None:
    cases = [
        case(said(score=40.0, critical=True, decision="fail"), "a", critical=True),
        case(said(score=95.0), "b"),
        case(said(score=None, decision="not_verifiable"), "c", critical=True),
    ]
    assert figures(*cases)["auc"] == {"score": 1.0, "score_n": 2, "critical": 0.75, "critical_n": 3}
    assert figures(cases[1])["auc"]["score"] is None


def test_precision_recall_and_f1_of_a_type() -> None:
    cases = [
        case(said(NO_POUR), "a", needed=frozenset({NO_POUR})),
        case(said(NO_STIR), "b", needed=frozenset({NO_POUR})),
        case(said(), "c", needed=frozenset({NO_POUR})),
        case(said(NO_STIR), "d"),
        case(said(NO_STIR), "e", allowed=frozenset({NO_STIR}), needed=frozenset({STILL})),
    ]
    expected = (2 / 3, 2 / 3, 2 / 3, 2 / (2 + 2 + 2))  # exact: one hit, two not found, two wrong
    assert of_type("missing_step", *cases) == pytest.approx(expected, abs=1e-6)


def test_two_deviations_in_one_recording_are_counted_each() -> None:
    both = frozenset({NO_POUR, NO_STIR, SLOW})
    one = case(said(NO_POUR, SLOW), needed=both)
    assert of_type("missing_step", one) == pytest.approx((1, 1, 1, 2 / 3), abs=1e-6)
    assert of_type("over_time", one) == (1, 1, 1, 1)


def test_a_label_without_steps_is_met_by_any() -> None:
    assert of_type("missing_step", case(said(NO_POUR), needed=frozenset({Fault("missing_step", ())}))) == (
        1,
        1,
        1,
        1,
    )


@pytest.mark.parametrize("reported", [EXTRA, WRONG])
def test_something_added_is_found_as_a_deviation_or_a_wrong_step(reported: Fault) -> None:
    one = case(said(reported), needed=frozenset({EXTRA}))
    assert of_type("step_deviation", one)[1:] == (1, 1, 1)
    assert figures(one)["types"]["wrong_step"]["false"] == 0


def test_nothing_is_false_beside_a_deviation_that_nobody_knows() -> None:
    one = case(said(SWAP), unscored=("dropped_cup",))
    shown = figures(one)
    assert shown["types"]["order_swap"]["false"] == 0
    assert shown["types_not_scored"] == {"dropped_cup": 1}
    assert shown["false_alarms"]["n"]["all"] == 0


def test_false_alarms_and_passes_of_correct_recordings_by_site() -> None:
    cases = [
        case(said(SLOW), "a"),
        case(said(), "b"),
        case(said(SLOW, decision="not_verifiable"), "c", same_site=False),
        case(said(SLOW), "d", needed=frozenset({SLOW})),
    ]
    shown = figures(*cases)
    assert shown["false_alarms"]["all"] == pytest.approx(1 / 3, abs=1e-6)
    assert (shown["false_alarms"]["same_site"], shown["false_alarms"]["other_site"]) == (0.5, 0)
    assert shown["false_alarms"]["n"] == {"all": 3, "same_site": 2, "other_site": 1}
    assert shown["passes"]["correct"] == pytest.approx(2 / 3, abs=1e-6)
    assert shown["abstained"] == 0.25


def test_other_work_counts_where_it_must_not_pass_and_nowhere_else() -> None:
    strangers = [
        case(said(NO_POUR, decision="fail", critical=True), "a", other_work=True, critical=True),
        case(said(), "b", other_work=True, critical=True),
        case(said(decision="not_verifiable"), "c", other_work=True, critical=True),
    ]
    mixed, alone = figures(case(said(), "d"), *strangers), figures(case(said(), "d"))
    assert mixed["passes"]["other_task"] == pytest.approx(1 / 3, abs=1e-6)
    assert mixed["passes"]["n"]["other_task"] == 3
    assert mixed["abstained_other_task"] == pytest.approx(1 / 3, abs=1e-6)
    same = ("critical", "auc", "types", "false_alarms", "abstained", "iou")
    assert [mixed[name] for name in same] == [alone[name] for name in same]


def test_where_deviations_are_reported() -> None:
    places = (
        LabeledPlace(SLOW, Segment(1.0, 3.0)),
        LabeledPlace(NO_POUR, Segment(2.5, 2.5)),
        LabeledPlace(SWAP, Segment(0.0, 9.0)),
    )
    shown = figures(case(said(SLOW, NO_STIR), places=places, needed=frozenset({SLOW, NO_POUR, SWAP})))
    assert (shown["iou"], shown["iou_n"], shown["iou_types"]) == (0.5, 1, {"over_time": 0.5})
    assert (shown["moment_error_s"], shown["moment_n"]) == (1.0, 1)


FAULTS = st.sampled_from([NO_POUR, NO_STIR, SLOW, SWAP, WRONG, EXTRA, STILL])
RESULTS = st.builds(
    said,
    FAULTS,
    suspected=st.lists(FAULTS, max_size=1),
    probability=st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0]),
    decision=st.sampled_from(["pass", "fail", "needs_review", "retrain", "not_verifiable"]),
    critical=st.booleans(),
    score=st.one_of(st.none(), st.floats(0, 100)),
)
TRUTHS = st.fixed_dictionaries(
    {
        "performer": st.sampled_from("abcd"),
        "needed": st.frozensets(FAULTS, max_size=3),
        "allowed": st.frozensets(FAULTS, max_size=2),
        "critical": st.sampled_from([True, False, None]),
        "other_work": st.booleans(),
        "unscored": st.sampled_from([(), ("x",)]),
        "places": st.tuples(st.builds(LabeledPlace, FAULTS, st.just(Segment(1.0, 4.0)))),
    }
)
CASES = st.lists(st.tuples(RESULTS, TRUTHS, st.booleans()), max_size=12).map(
    lambda drawn: [
        ScoredRecording(truth(str(n), **fields), result, same)
        for n, (result, fields, same) in enumerate(drawn)
    ]
)


@given(CASES, st.integers(0, 9))
def test_the_order_of_recordings_changes_nothing(cases: list[ScoredRecording], seed: int) -> None:
    shuffled = random.Random(seed).sample(cases, len(cases))
    assert measure(shuffled, seed=1) == measure(cases, seed=1)


@given(CASES)
def test_shares_lie_between_0_and_1_and_intervals_hold_them(cases: list[ScoredRecording]) -> None:
    shown: dict[str, Any] = measure(cases, seed=1, seconds=3.0)
    json.dumps(shown, allow_nan=False)
    critical = shown["critical"]
    for name, limits in critical["ci95"].items():
        if limits is None:
            assert critical[name] is None
        else:
            assert 0 <= limits[0] <= critical[name] <= limits[1] <= 1
    shares = [
        row[name] for row in shown["types"].values() for name in ("precision", "recall", "f1", "f1_exact")
    ]
    shares += [shown["auc"]["score"], shown["auc"]["critical"], shown["iou"], shown["abstained"]]
    shares += [shown["decided"]["share"], *shown["selective"]["risk"].values(), shown["selective"]["aurc"]]
    shares += [shown["selective"]["calibration_error"], shown["review"]["right_moment"]]
    shares += [shown["false_alarms"]["all"], shown["passes"]["correct"], shown["passes"]["other_task"]]
    assert all(share is None or 0 <= share <= 1 for share in shares)
    assert set(shown["types"]) == set(DeviationType)
