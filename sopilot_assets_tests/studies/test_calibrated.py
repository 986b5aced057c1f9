from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

from sopilot_assets.errors import StudyError
from sopilot_assets.studies import calibrated
from sopilot_assets.studies.calibrated import (
    CALIBRATED_MODES,
    CALIBRATED_V1,
    CALIBRATED_V2,
    LogisticModel,
    fit_model,
    out_of_fold,
)
from sopilot_assets_tests.studies.simulated_cases import simulated_cases


def by_hand(model: dict[str, object], row: dict[str, float]) -> float | None:
    """The probability with nothing but arithmetic on the model's numbers."""
    z = float(model["intercept"])  # type: ignore[arg-type]
    for feature in model["features"]:  # type: ignore[attr-defined]
        x = float(row[feature["column"]])
        if math.isnan(x):
            if feature["median"] is None:
                return None
            x, z = feature["median"], z + feature["missing"]
        elif feature["transform"] == "logit":
            p = min(max(x, 1e-6), 1 - 1e-6)
            x = math.log(p / (1 - p))
        z += feature["coefficient"] * (x - feature["centre"]) / feature["scale"]
    return round(1 / (1 + math.exp(-z)), 6)


@pytest.mark.parametrize("detector", CALIBRATED_MODES)
def test_probabilities_follow_from_the_numbers_alone(detector: str) -> None:
    cases = simulated_cases(30)
    cases.loc[::7, "fit"] = np.nan
    cases.loc[::11, "critical_probability"] = np.nan
    model = fit_model(detector, cases)
    plain = json.loads(model.model_dump_json())
    found = model.probability(cases)
    for probability, row in zip(found, cases.to_dict("records"), strict=True):
        expected = by_hand(plain, row)
        if expected is None:
            assert math.isnan(probability)
        else:
            assert probability == pytest.approx(expected, abs=1.1e-6)
    again = LogisticModel.model_validate_json(model.model_dump_json())
    assert np.array_equal(again.probability(cases), found, equal_nan=True)


@pytest.mark.parametrize("detector", CALIBRATED_MODES)
def test_probabilities_on_new_people_mean_what_they_say(detector: str) -> None:
    model = fit_model(detector, simulated_cases(150))
    fresh = simulated_cases(300, seed=1, start=500)
    p, truth = model.probability(fresh), fresh["expected"].to_numpy()
    before = fresh["critical_probability"].to_numpy()
    assert np.mean((p - truth) ** 2) < np.mean((before - truth) ** 2)
    for low, high in ((0, 0.2), (0.2, 0.8), (0.8, 1.01)):
        chosen = (p >= low) & (p < high)
        assert p[chosen].mean() == pytest.approx(truth[chosen].mean(), abs=0.12)


def test_the_same_cases_give_the_same_numbers() -> None:
    cases = simulated_cases(30)
    for detector in CALIBRATED_MODES:
        assert fit_model(detector, cases) == fit_model(detector, cases.copy())


def test_nobody_is_judged_by_a_model_that_saw_them(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = simulated_cases(20)
    fitted: list[set[str]] = []
    judged: list[set[str]] = []
    fit = calibrated.fit_model

    class Watched:
        def __init__(self, model: LogisticModel) -> None:
            self.model = model

        def probability(self, some: pd.DataFrame) -> np.ndarray:
            judged.append(set(some["person"]))
            return self.model.probability(some)

    def watched(detector: str, some: pd.DataFrame) -> Watched:
        fitted.append(set(some["person"]))
        return Watched(fit(detector, some))

    monkeypatch.setattr(calibrated, "fit_model", watched)
    p = out_of_fold(CALIBRATED_V2, cases, cases["person"], seed=5)
    assert not np.isnan(p).any()
    assert len(judged) == 5
    assert all(not seen & new for seen, new in zip(fitted, judged, strict=True))
    assert set().union(*judged) == set(cases["person"])


@pytest.mark.parametrize("detector", CALIBRATED_MODES)
def test_few_groups_leave_no_training_part_without_a_class(detector: str) -> None:
    for seed in range(40):
        cases = simulated_cases(3, each=3, seed=seed)
        cases["person"] = ["a", *["b"] * 4, *["c"] * 4]
        cases["expected"] = [1.0, 1.0, 1.0, *[0.0] * 6]
        assert not np.isnan(out_of_fold(detector, cases, cases["person"], seed=seed)).any()


def test_cross_fitting_shows_that_noise_predicts_nothing() -> None:
    cases = simulated_cases(40, signal=0.0)
    rng = np.random.default_rng(0)
    cases["expected"] = rng.integers(0, 2, len(cases)).astype(float)
    p = out_of_fold(CALIBRATED_V2, cases, cases["person"], seed=5)
    truth = cases["expected"] == 1
    better = (p[truth][:, None] > p[~truth][None]).mean()
    assert better == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize("detector", CALIBRATED_MODES)
def test_classes_that_never_overlap_still_give_finite_numbers(detector: str) -> None:
    cases = simulated_cases(12, signal=8.0)
    p = fit_model(detector, cases).probability(cases)
    assert p[cases["expected"] == 1].min() > p[cases["expected"] == 0].max()
    assert 0 < p.min() < p.max() < 1


def test_a_column_that_is_unknown_everywhere_is_left_out_and_one_that_often_is_gets_a_flag() -> None:
    cases = simulated_cases(60)
    cases["log_odds"] = np.nan
    # unknown fit goes with a critical deviation
    cases["fit"] = np.where(cases["expected"] == 1, np.nan, 0.8)
    model = fit_model(CALIBRATED_V2, cases)
    features = {feature.column: feature for feature in model.features}
    assert "log_odds" not in features
    assert "efficiency" not in features  # the same everywhere
    assert features["fit"].missing > 0
    assert all(feature.missing == 0 for column, feature in features.items() if column != "fit")


def test_what_can_not_be_fitted_says_why() -> None:
    cases = simulated_cases(6)
    positives = cases[cases["expected"] == 1]
    with pytest.raises(StudyError, match="both classes"):
        fit_model(CALIBRATED_V1, positives)
    with pytest.raises(StudyError, match="labeled cases only, found 1"):
        fit_model(CALIBRATED_V1, cases.assign(expected=[math.nan, *cases["expected"][1:]]))
    with pytest.raises(StudyError, match="with a critical_probability"):
        fit_model(CALIBRATED_V1, cases.assign(critical_probability=math.nan))
    with pytest.raises(StudyError, match="found 'calibrated_v9'"):
        fit_model("calibrated_v9", cases)
    with pytest.raises(StudyError, match="at least 2 groups"):
        out_of_fold(CALIBRATED_V1, cases, ["one"] * len(cases), seed=1)
