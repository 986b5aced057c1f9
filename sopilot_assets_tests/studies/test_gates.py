from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopilot_assets.errors import StudyError
from sopilot_assets.intervals import wilson
from sopilot_assets.old_rules.detectors import DetectorOutcome
from sopilot_assets.old_rules.profiles import LEGACY_CHECKS, NO_PROFILE, GateProfile
from sopilot_assets.studies.cases import case_frame
from sopilot_assets.studies.gates import Override, Trials, check_gates, gate_counts
from sopilot_assets.studies.metrics import figures, gate_values
from sopilot_assets.studies.profiles import (
    CHECKS,
    PROFILES,
    gate_profile,
    study_profile,
)

RESEARCH = [name for name, profile in PROFILES.items() if profile.research]


def perfect(profile: GateProfile) -> dict[str, float | None]:
    """Values that lie exactly on every threshold."""
    return dict(profile.thresholds)


@pytest.mark.parametrize("name", list(PROFILES))
def test_values_on_the_thresholds_pass_and_values_beyond_any_one_fail(name: str) -> None:
    profile = PROFILES[name]
    unknown = set(profile.thresholds) - set(CHECKS)
    assert not unknown, "declare its name and direction in EVIDENCE_CHECKS of studies/profiles.py"
    report = check_gates(profile, perfect(profile))
    assert report.overall_pass
    assert {check.reason for check in report.checks if check.enabled} == {"ok"}
    for check, threshold in profile.thresholds.items():
        beyond = 1e-6 if CHECKS[check].direction == "max" else -1e-6
        worse = check_gates(profile, perfect(profile) | {check: threshold + beyond})
        assert not worse.overall_pass
        assert [(one.name, one.reason) for one in worse.failed()] == [(check, "threshold_violation")]


@pytest.mark.parametrize("missing", [None, math.nan, math.inf, -math.inf])
def test_a_value_that_is_missing_fails(missing: float | None) -> None:
    for profile in PROFILES.values():
        for check in profile.thresholds:
            report = check_gates(profile, perfect(profile) | {check: missing})
            assert not report.overall_pass
            assert [one.reason for one in report.failed()] == ["value_missing"]
            assert report.failed()[0].value is None


def test_a_gate_that_asks_for_nothing_fails() -> None:
    report = check_gates(NO_PROFILE, {"critical_miss_rate": 0.0})
    assert not report.overall_pass
    assert [check.name for check in report.checks] == [check.name for check in LEGACY_CHECKS]
    off = [Override(name, None, "switched off") for name in PROFILES["legacy_poc"].thresholds]
    assert not check_gates(
        PROFILES["legacy_poc"], perfect(PROFILES["legacy_poc"]), overrides=off
    ).overall_pass


def test_the_old_profiles_list_the_old_checks_in_their_order() -> None:
    for name in ("legacy_poc", "research_v1", "research_v2", "ops_v1"):
        report = check_gates(PROFILES[name], {})
        assert [check.name for check in report.checks] == [check.name for check in LEGACY_CHECKS]
        assert all(check.passed for check in report.checks if not check.enabled)
    assert PROFILES["research_v1"].locked
    assert not PROFILES["research_v2"].locked
    assert PROFILES["research_v1"].thresholds == PROFILES["research_v2"].thresholds


def test_a_small_split_is_excused_from_amounts_and_from_nothing_else() -> None:
    profile = PROFILES["research_v1"]
    values = {name: value for name, value in profile.thresholds.items() if not CHECKS[name].evidence}
    assert not check_gates(profile, values).overall_pass
    assert check_gates(profile, values, without_minimum_evidence=True).overall_pass
    excused = check_gates(PROFILES["research_v3"], {}, without_minimum_evidence=True)
    still = {check.name for check in excused.checks if check.enabled}
    assert {"blind_label_share", "leaking_groups", "clustered_miss_rate_ci95_high", "test_looks"} <= still


def test_a_locked_profile_is_overridden_only_on_purpose_and_the_report_says_so() -> None:
    override = Override("critical_miss_rate", 0.2, "pilot")
    values = perfect(PROFILES["research_v1"]) | {"critical_miss_rate": 0.2}
    with pytest.raises(StudyError, match=r"research_v1 is locked.*critical_miss_rate.*override_locked"):
        check_gates(PROFILES["research_v1"], values, overrides=[override])
    report = check_gates(PROFILES["research_v1"], values, overrides=[override], override_locked=True)
    assert report.overall_pass
    assert report.document()["overrides"] == [
        {"check": "critical_miss_rate", "threshold": 0.2, "reason": "pilot"}
    ]
    assert check_gates(PROFILES["research_v2"], values, overrides=[override]).overrides == (override,)


def test_an_override_can_add_a_check_that_the_profile_lacks() -> None:
    extra = Override("independent_positives", 12, "twelve people at least")
    report = check_gates(PROFILES["ops_v1"], perfect(PROFILES["ops_v1"]), overrides=[extra])
    assert report.checks[-1].name == "independent_positives"
    assert not report.overall_pass


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (Override("miss", 0.1, "x"), "expected a check of"),
        (Override("critical_miss_rate", 0.1, " "), "expected a reason"),
        (Override("critical_miss_rate", math.nan, "x"), "expected a number"),
        (Override("blind_label_share", 0.5, "x"), "can't be loosened"),
        (Override("blind_label_share", None, "x"), "can't be loosened"),
        (Override("leaking_groups", 3, "x"), "can't be loosened"),
    ],
)
def test_overrides_that_make_no_sense_are_refused(override: Override, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        check_gates(PROFILES["research_v3"], {}, overrides=[override])
    twice = [Override("test_looks", 2, "x"), Override("test_looks", 3, "y")]
    with pytest.raises(StudyError, match="twice"):
        check_gates(PROFILES["research_v3"], {}, overrides=twice)


def test_an_unknown_profile_is_named() -> None:
    with pytest.raises(StudyError, match=r"research_v3.*found 'strict'"):
        gate_profile("strict")


@given(errors=st.integers(0, 20), correct=st.integers(0, 200), limit=st.sampled_from([0.05, 0.1, 0.2]))
def test_what_a_failed_bound_needs_is_enough_and_not_more(errors: int, correct: int, limit: float) -> None:
    profile = GateProfile("one", {"critical_miss_rate_ci95_high": limit}, ("critical_miss_rate_ci95_high",))
    n = errors + correct
    value = wilson(errors, n)[1] if n else None
    counts = {"critical_miss_rate_ci95_high": Trials(errors, n, "positives")}
    report = check_gates(profile, {"critical_miss_rate_ci95_high": value}, counts=counts)
    needed = report.checks[0].needed
    if report.overall_pass:
        assert needed is None
        return
    assert needed is not None
    assert needed.count is not None
    assert needed.text == f"{needed.count} more positives without a miss"
    assert wilson(errors, n + needed.count)[1] <= limit + 1e-9
    assert wilson(errors, n + needed.count - 1)[1] > limit - 1e-9 if n + needed.count > 1 else True


@given(errors=st.integers(1, 30), correct=st.integers(0, 200))
def test_what_a_failed_rate_needs_is_enough_and_not_more(errors: int, correct: int) -> None:
    n = errors + correct
    profile = GateProfile("one", {"critical_false_positive_rate": 0.15}, ("critical_false_positive_rate",))
    counts = {"critical_false_positive_rate": Trials(errors, n, "negatives")}
    check = check_gates(profile, {"critical_false_positive_rate": errors / n}, counts=counts).checks[0]
    if check.needed is None:
        assert errors / n <= 0.15
        return
    assert check.needed.count is not None
    assert errors / (n + check.needed.count) <= 0.15 + 1e-12
    assert errors / (n + check.needed.count - 1) > 0.15 - 1e-12


def test_amounts_say_how_many_more_and_a_rate_that_must_be_0_says_that_none_would_do() -> None:
    report = check_gates(PROFILES["research_v3"], {"independent_positives": 6.0})
    needed = {check.name: check.needed for check in report.failed() if check.needed}
    assert needed["independent_positives"].text == "14 more independent positives"
    assert needed["shifted_recordings"].text == "30 more recordings scored again with shifted sampling"
    profile = GateProfile("one", {"critical_miss_rate": 0.0}, ("critical_miss_rate",))
    counts = {"critical_miss_rate": Trials(1, 10, "positives")}
    check = check_gates(profile, {"critical_miss_rate": 0.1}, counts=counts).checks[0]
    assert check.needed is not None
    assert check.needed.count is None


def test_a_report_is_plain_data_and_a_table() -> None:
    report = check_gates(PROFILES["research_v3"], {"test_looks": 3.0})
    text = json.dumps(report.document(), allow_nan=False)
    assert json.loads(text)["overall_pass"] is False
    table = report.table()
    assert list(table["name"]) == list(PROFILES["research_v3"].thresholds)
    assert not table["passed"].any()


def judged(cases: pd.DataFrame, detected: np.ndarray) -> dict[str, object]:
    outcome = DetectorOutcome(detected, np.ones(len(cases), dtype=bool), detected.astype(float))
    return figures(cases, outcome, clusters=cases["person"])


@pytest.mark.parametrize("name", RESEARCH)
def test_labels_prefilled_from_file_names_pass_no_research_gate(name: str) -> None:
    # the detector agrees with every label, as it would where both read the file name
    profile = study_profile(name)
    values = perfect(profile) | {"critical_miss_rate": 0.0, "critical_false_positive_rate": 0.0}
    assert check_gates(profile, values).overall_pass
    for share in (0.0, 0.99, None):
        report = check_gates(profile, values | {"blind_label_share": share})
        assert not report.overall_pass
        assert [check.name for check in report.failed()] == ["blind_label_share"]
    off = Override("blind_label_share", None, "we trust the names")
    with pytest.raises(StudyError, match="can't be loosened"):
        check_gates(profile, values, overrides=[off], override_locked=True)


def test_repeats_of_few_people_pass_the_old_bounds_and_fail_the_new_gate() -> None:
    # 24 trainees x 5 golds x 5 repeats; two trainees did it wrong, and every recording is judged rightly
    rows = [
        {
            "case_id": f"c{person:02d}-{gold}-{repeat}",
            "order": person * 25 + gold * 5 + repeat,
            "video_id": f"v{person:02d}",
            "person": f"p{person:02d}",
            "gold_id": f"g{gold}",
            "score": 90.0,
            "dtw_normalized_cost": 0.05,
            "expected": float(person < 2),
            "label_source": "blind_human",
        }
        for person in range(24)
        for gold in range(5)
        for repeat in range(5)
    ]
    cases = case_frame(rows)
    found = judged(cases, (cases["expected"] == 1).to_numpy())
    values = gate_values(found) | {
        "blind_label_share": 1.0,
        "settled_label_share": 1.0,
        "rater_kappa_ci95_low": 1.0,
        "shifted_recordings": 600.0,
        "shifted_jitter_max_delta": 0.0,
        "shifted_decision_change_rate": 0.0,
        "test_looks": 1.0,
        "leaking_groups": 0.0,
    }
    assert check_gates(study_profile("research_v1"), values).overall_pass
    report = check_gates(PROFILES["research_v3"], values, counts=gate_counts(found))
    assert not report.overall_pass
    needed = {check.name: check.needed.text for check in report.failed() if check.needed}
    assert needed == {
        "clustered_miss_rate_ci95_high": "33 more independent positives without a miss",
        "independent_positives": "18 more independent positives",
        "independent_negatives": "18 more independent negatives",
    }


@pytest.mark.parametrize("share", ["decided_positive_share", "settled_label_share"])
def test_what_is_left_open_cannot_hide_from_the_research_gate(share: str) -> None:
    profile = PROFILES["research_v3"]
    assert check_gates(profile, perfect(profile)).overall_pass
    report = check_gates(profile, perfect(profile) | {share: 0.7})
    assert [check.name for check in report.failed()] == [share]
