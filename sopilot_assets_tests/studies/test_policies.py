from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from sopilot_assets.errors import StudyError
from sopilot_assets.old_rules.detectors import old_outcome
from sopilot_assets.old_rules.grid import fit_grid
from sopilot_assets.store.canonical import pretty_json
from sopilot_assets.studies.cases import COLUMNS, cases_csv, read_cases
from sopilot_assets.studies.policies import (
    Policy,
    fit_table,
    parse_policies,
    select,
)
from sopilot_assets.studies.policy_fits import fit_cases, fit_policies, independent_units, refit
from sopilot_assets.studies.profiles import PROFILES
from sopilot_assets.studies.spec import Detector, GateOverride, StudySpec
from sopilot_assets.studies.split_manifest import SplitManifest
from sopilot_assets.studies.splits import split_manifest
from sopilot_assets_tests.studies.simulated_cases import simulated_cases

LEGACY = PROFILES["legacy_poc"]
STUDY = StudySpec(study_id="s1", title="A study", task="filter_change", miss_rate_target=0.1)


@pytest.fixture(scope="module")
def cases() -> pd.DataFrame:
    return simulated_cases(80, signal=3.0)


@pytest.fixture(scope="module")
def manifest(cases: pd.DataFrame) -> SplitManifest:
    return split_manifest(cases, study_id="s1", task="filter_change")


@pytest.fixture(scope="module")
def fits(cases: pd.DataFrame, manifest: SplitManifest) -> list[Policy]:
    return fit_policies(cases, manifest, STUDY, LEGACY)


def by_detector(fits: list[Policy]) -> dict[str, Policy]:
    return {fit.detector: fit for fit in fits}


def test_every_candidate_gets_one_fit_in_the_order_of_the_study(fits: list[Policy]) -> None:
    assert [fit.detector for fit in fits] == [one.value for one in Detector]
    found = by_detector(fits)
    assert found["guarded_binary_v2"].fit.candidates == 294
    assert found["guarded_binary_v1"].fit.candidates == 6
    assert found["continuous_v1"].fit.candidates == 21
    assert found["legacy_binary"].fit.candidates == 1
    assert found["calibrated_v1"].feasible
    assert found["calibrated_v1"].model is not None
    assert list(fit_table(fits)["feasible"]) == [fit.feasible for fit in fits]


def dev_of(cases: pd.DataFrame, manifest: SplitManifest) -> pd.DataFrame:
    return cases[manifest.split_of(cases["case_id"]) == "dev"].reset_index(drop=True)


def test_figures_on_dev_are_those_of_the_policy_on_dev(
    cases: pd.DataFrame, manifest: SplitManifest, fits: list[Policy]
) -> None:
    dev = dev_of(cases, manifest)
    expected = dev["expected"].to_numpy() == 1
    for fit in fits:
        figures = fit.fit.figures
        assert figures is not None
        if figures.out_of_fold:
            continue
        found = fit.outcome(dev)
        assert figures.tp == (found.detected & expected).sum()
        assert figures.fp == (found.detected & ~expected).sum()
        assert figures.cases == len(dev)


def test_the_fit_of_the_guardrails_is_the_best_point_of_the_grid(
    cases: pd.DataFrame, manifest: SplitManifest, fits: list[Policy]
) -> None:
    fit = by_detector(fits)["guarded_binary_v2"]
    best = fit_grid(dev_of(cases, manifest), max_miss=0.1, max_fpr=0.3)[0]
    assert fit.guardrails is not None
    assert fit.guardrails.guardrails() == best.guardrails()
    assert fit.constraint_violation == best.violation
    old = old_outcome(cases, "guarded_binary_v2", guardrails=best.guardrails())
    assert np.array_equal(fit.outcome(cases).detected, old.detected)


def test_only_dev_is_looked_at(cases: pd.DataFrame, manifest: SplitManifest, fits: list[Policy]) -> None:
    altered = cases.copy()
    others = ~altered["case_id"].isin(manifest.case_ids["dev"])
    altered.loc[others, "expected"] = 1 - altered.loc[others, "expected"]
    altered.loc[others, "critical_probability"] = 0.5
    again = fit_policies(altered, manifest, STUDY, LEGACY)
    assert [fit.policy_id for fit in again] == [fit.policy_id for fit in fits]


def test_ids_hang_on_content_only(cases: pd.DataFrame, manifest: SplitManifest, fits: list[Policy]) -> None:
    read_back = read_cases(cases_csv(cases), name="cases.csv")
    again = fit_policies(read_back, manifest, STUDY, LEGACY)
    assert [fit.policy_id for fit in again] == [fit.policy_id for fit in fits]
    assert len({fit.policy_id for fit in fits}) == len(fits)
    dev = cases["case_id"].isin(manifest.case_ids["dev"])
    other = cases.copy()
    other.loc[dev, "over_time_ratio"] += 1e-9
    changed = fit_policies(other, manifest, STUDY, LEGACY)
    assert {fit.policy_id for fit in changed}.isdisjoint(fit.policy_id for fit in fits)


def test_the_selected_policy_is_feasible_and_has_the_fewest_false_alarms(fits: list[Policy]) -> None:
    chosen = select(fits)
    assert chosen is not None
    assert chosen.fit.figures is not None
    alarms = [fit.fit.figures.false_positive_rate for fit in fits if fit.feasible and fit.fit.figures]
    assert chosen.fit.figures.false_positive_rate == min(alarms)
    assert select([fit for fit in fits if not fit.feasible]) is None


def test_a_calibrated_policy_abstains_where_nothing_can_be_verified(
    cases: pd.DataFrame, fits: list[Policy]
) -> None:
    doubtful = cases.copy()
    doubtful.loc[::5, "decision"] = "not_verifiable"
    doubtful.loc[1::5, "critical_probability"] = np.nan
    policy = by_detector(fits)["calibrated_v1"]
    found = policy.outcome(doubtful)
    assert not found.decided[::5].any()
    assert not found.decided[1::5].any()
    assert not found.detected[~found.decided].any()
    assert np.isnan(found.score[~found.decided]).all()
    assert found.decided[2::5].all()
    assert policy.threshold is not None
    assert np.array_equal(found.detected[2::5], found.score[2::5] >= policy.threshold)


def test_a_fit_that_keeps_no_limit_is_listed_with_its_reason_and_is_no_policy(
    manifest: SplitManifest,
) -> None:
    noise = simulated_cases(80, signal=0.0)
    fits = fit_policies(noise, split_manifest(noise, study_id="s1", task="filter_change"), STUDY, LEGACY)
    assert not any(fit.feasible for fit in fits)
    assert select(fits) is None
    for fit in fits:
        assert fit.constraint_violation > 0
        assert "at most" in fit.reason
    assert manifest.manifest_id != fits[0].fit.manifest_id


def test_too_few_people_say_how_many_more_would_do() -> None:
    few = simulated_cases(12, signal=3.0)
    study = STUDY.model_copy(update={"miss_rate_target": 0.05})
    fits = fit_cases(few, study, LEGACY, groups=few["person"], clusters=few["person"])
    policy = by_detector(fits)["calibrated_v1"]
    positives = few.loc[few["expected"] == 1, "person"].nunique()
    assert not policy.feasible
    assert policy.threshold is None
    assert f"{45 - positives} more are needed" in policy.reason
    with pytest.raises(StudyError, match="has no threshold"):
        policy.outcome(few)


def test_recordings_of_unknown_people_are_one_witness(cases: pd.DataFrame) -> None:
    unknown = cases.assign(person="")
    assert set(independent_units(unknown)) == {""}
    assert len(set(independent_units(cases))) == 80
    fits = fit_cases(
        unknown,
        STUDY,
        LEGACY,
        groups=unknown["video_id"],
        clusters=independent_units(unknown),
    )
    assert "with 1 independent positives" in by_detector(fits)["calibrated_v1"].reason


def test_without_a_class_or_the_columns_a_fit_gives_its_reason() -> None:
    some = simulated_cases(10)
    positives = some[some["expected"] == 1].reset_index(drop=True)
    for fit in fit_cases(positives, STUDY, LEGACY, groups=positives["person"], clusters=positives["person"]):
        assert not fit.feasible
        assert "it needs both" in fit.reason
    blank = some.assign(critical_probability=np.nan)
    fits = fit_cases(blank, STUDY, LEGACY, groups=blank["person"], clusters=blank["person"])
    assert "with a critical_probability" in by_detector(fits)["calibrated_v1"].reason


def test_intervals_and_overrides_are_the_limits_of_the_fit(cases: pd.DataFrame) -> None:
    groups = cases["person"]

    def limits(**changes: object) -> dict[str, float]:
        study = STUDY.model_copy(update=changes)
        profile = PROFILES["research_v3"]
        return fit_cases(cases, study, profile, groups=groups, clusters=groups, detectors=["legacy_binary"])[
            0
        ].fit.limits

    assert set(limits(use_intervals=False)) == {"critical_miss_rate", "critical_false_positive_rate"}
    assert limits()["clustered_miss_rate_ci95_high"] == 0.1
    override = GateOverride(check="critical_miss_rate", threshold=0.2, reason="pilot")
    assert limits(gate_overrides=(override,))["critical_miss_rate"] == 0.2


def test_a_policy_that_was_altered_is_refused(cases: pd.DataFrame, fits: list[Policy]) -> None:
    policy = by_detector(fits)["calibrated_v1"]
    content = json.loads(pretty_json(policy))
    (same,) = parse_policies([content])
    assert np.array_equal(same.outcome(cases).score, policy.outcome(cases).score)
    for name, value in (("threshold", 0.0), ("detector", "calibrated_v2"), ("policy_id", ""), ("task", "x")):
        with pytest.raises(StudyError, match="expected"):
            parse_policies([content | {name: value}])
    with pytest.raises(StudyError, match="altered"):
        policy.model_copy(update={"threshold": 0.0}).outcome(cases)


def test_fits_read_back_from_plain_data(fits: list[Policy]) -> None:
    documents = [json.loads(fit.model_dump_json()) for fit in fits]
    assert parse_policies(documents) == fits
    documents[0]["feasible"] = not documents[0]["feasible"]
    with pytest.raises(StudyError, match="policy_id"):
        parse_policies(documents)


def test_refitting_gives_a_detector_or_none(cases: pd.DataFrame) -> None:
    detector = refit(STUDY, LEGACY, detectors=["calibrated_v1"])(cases)
    assert detector is not None
    assert detector(cases).decided.all()
    noise = simulated_cases(30, signal=0.0)
    assert refit(STUDY, LEGACY)(noise) is None


def test_a_cluster_is_needed_for_each_case(cases: pd.DataFrame, manifest: SplitManifest) -> None:
    with pytest.raises(StudyError, match="a cluster for each of 320"):
        fit_policies(cases, manifest, STUDY, LEGACY, clusters=["a"])
    assert set(COLUMNS) == set(cases.columns)
