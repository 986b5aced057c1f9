"""Detectors with a calibrated probability of a critical deviation, fitted on labeled cases.

``calibrated_v1`` maps the score's own probability through a sigmoid (Platt 1999, with his smoothed targets).
``calibrated_v2`` is a logistic regression on what was found in the recording. A fitted model is a handful of
plain numbers, so that anybody can compute its probabilities again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from sopilot_assets.errors import StudyError
from sopilot_assets.old_rules.detectors import judged

CALIBRATED_V1: Final = "calibrated_v1"
CALIBRATED_V2: Final = "calibrated_v2"
CALIBRATED_MODES: Final = (CALIBRATED_V1, CALIBRATED_V2)

PROBABILITY_DIGITS: Final = 6
"""Probabilities are rounded to this before they are compared with a threshold, so that a last bit that
differs between machines decides nothing."""
LEAST_PROBABILITY: Final = 1e-6
"""A logit is taken of a probability kept this far from 0 and 1."""

_EVENTS: Final[Mapping[str, Literal["identity", "logit"]]] = {
    "critical_probability": "logit",
    "log_odds": "identity",
    "fit": "identity",
    "order_evidence": "identity",
    "dtw_normalized_cost": "identity",
    "over_time_ratio": "identity",
    "critical": "identity",
    "quality": "identity",
    "efficiency": "identity",
    "any_critical": "identity",
    "miss_steps": "identity",
    "swap_steps": "identity",
    "deviation_steps": "identity",
    "critical_missing": "identity",
    "missing_distance": "identity",
    "missing_span": "identity",
}
_RIDGE: Final = 0.1  # sklearn's C: strong, since studies hold a few hundred cases and 16 related features
_DIGITS: Final = 9
_FOLDS: Final = 5

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class Feature(BaseModel):
    """One input of a model.

    ``column`` of the case table goes through ``transform``; where it is unknown it is replaced by ``median``
    and adds ``missing`` to the log-odds. Without a median the model says nothing of such a case.
    The log-odds get ``coefficient`` x (x - ``centre``) / ``scale``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    column: str
    transform: Literal["identity", "logit"]
    median: float | None
    centre: float
    scale: float = Field(gt=0)
    coefficient: float
    missing: float


class LogisticModel(BaseModel):
    """P(critical) = 1 / (1 + exp(-z)), z the ``intercept`` plus what each feature adds."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    features: tuple[Feature, ...] = Field(min_length=1)
    intercept: float

    def probability(self, cases: pd.DataFrame) -> Floats:
        """The probability (n,) of a critical deviation to 6 digits; NaN where the model says nothing."""
        z = np.full(len(cases), self.intercept)
        for feature in self.features:
            x = _values(cases, feature.column, feature.transform)
            unknown = np.isnan(x)
            if feature.median is not None:
                x = np.where(unknown, feature.median, x)
                z = z + feature.missing * unknown
            z = z + feature.coefficient * (x - feature.centre) / feature.scale
        rounded: Floats = np.round(expit(z), PROBABILITY_DIGITS)
        return rounded


def fit_model(detector: str, cases: pd.DataFrame) -> LogisticModel:
    """The model of a calibrated detector on labeled cases.

    Raises `StudyError` for another detector, without cases of both classes, or where the cases lack what the
    detector is computed from.
    """
    expected = _both_classes(detector, cases)
    # one thread, so that sums are taken in the same order on every machine; these are small problems
    with threadpool_limits(1):
        if detector == CALIBRATED_V1:
            return _fit_platt(cases, expected)
        if detector == CALIBRATED_V2:
            return _fit_events(cases, expected)
    raise StudyError(f"calibrated detector: expected one of {list(CALIBRATED_MODES)}, found {detector!r}.")


def decided(cases: pd.DataFrame, mode: str) -> Flags:
    """For which cases (n,) the detector says anything.

    None does where the recording has a problem or no score. A calibrated detector also abstains where the
    decision is ``not_verifiable``; the old ones never do.
    """
    speaks = judged(cases)
    if mode in CALIBRATED_MODES:
        speaks &= (cases["decision"] != "not_verifiable").to_numpy(dtype=bool)
    return speaks


def out_of_fold(detector: str, cases: pd.DataFrame, groups: npt.ArrayLike, *, seed: int) -> Floats:
    """The probability (n,) of every labeled case by a model fitted without its group (n,).

    Up to 5 stratified folds, fewer where a class has fewer groups; where one of them has all cases of a
    class, each group is a fold of its own. Raises `StudyError` where a class has
    fewer than two groups.
    """
    expected = _both_classes(detector, cases)
    names = np.asarray(groups, dtype=object)
    positives, negatives = len(set(names[expected])), len(set(names[~expected]))
    folds = min(_FOLDS, positives, negatives)
    if folds < 2:
        raise StudyError(
            f"{detector}: expected at least 2 groups of related recordings with positives and 2 with "
            f"negatives, found {positives} and {negatives}; label recordings of more people."
        )
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    material = np.zeros(len(cases)), expected, pd.factorize(names)[0]
    parts = list(splitter.split(*material))
    if any(np.ptp(expected[train].astype(int)) == 0 for train, _ in parts):
        parts = list(LeaveOneGroupOut().split(*material))
    result = np.full(len(cases), np.nan)
    for train, test in parts:
        if len(test):
            result[test] = fit_model(detector, cases.iloc[train]).probability(cases.iloc[test])
    return result


def _fit_platt(cases: pd.DataFrame, expected: Flags) -> LogisticModel:
    x = _values(cases, "critical_probability", "logit")
    known = ~np.isnan(x)
    positives, negatives = int((expected & known).sum()), int((~expected & known).sum())
    if not positives or not negatives:
        raise StudyError(
            f"{CALIBRATED_V1}: expected cases of both classes with a critical_probability, found "
            f"{positives} positives and {negatives} negatives; score them with the current algorithm, "
            f"or leave {CALIBRATED_V1} out of the study's detectors."
        )
    centre, scale = _centred(x[known])
    slope, intercept = _sigmoid(((x - centre) / scale)[known], expected[known])
    feature = Feature(
        column="critical_probability",
        transform="logit",
        median=None,
        centre=centre,
        scale=scale,
        coefficient=slope,
        missing=0.0,
    )
    return LogisticModel(features=(feature,), intercept=intercept)


def _sigmoid(x: Floats, expected: Flags) -> tuple[float, float]:
    """Slope and intercept by maximum likelihood of Platt's targets, which are finite for any data."""
    positives, negatives = int(expected.sum()), int((~expected).sum())
    target = np.where(expected, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    # a case with the target t is a positive of weight t and a negative of weight 1 - t
    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
    model.fit(
        np.concatenate([x, x])[:, None],
        np.repeat([1, 0], len(x)),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    return _number(model.coef_[0, 0]), _number(model.intercept_[0])


def _fit_events(cases: pd.DataFrame, expected: Flags) -> LogisticModel:
    columns: list[tuple[str, Literal["identity", "logit"], float, float, float]] = []
    inputs: list[Floats] = []
    flags: list[Floats] = []
    for column, transform in _EVENTS.items():
        x = _values(cases, column, transform)
        unknown = np.isnan(x)
        if unknown.all():
            continue
        median = _number(float(np.median(x[~unknown])))
        filled = np.where(unknown, median, x)
        if np.ptp(filled) == 0 and not unknown.any():
            continue
        centre, scale = _centred(filled)
        columns.append((column, transform, median, centre, scale))
        inputs.append((filled - centre) / scale)
        flags.append(unknown.astype(np.float64))
    if not columns:
        raise StudyError(
            f"{CALIBRATED_V2}: expected cases that differ in what was found in them, found none that do; "
            f"leave {CALIBRATED_V2} out of the study's detectors."
        )
    model = LogisticRegression(C=_RIDGE, tol=1e-8, max_iter=1000)
    model.fit(np.column_stack([*inputs, *flags]), expected.astype(int))
    weights = [_number(value) for value in model.coef_[0]]
    features = tuple(
        Feature(
            column=column,
            transform=transform,
            median=median,
            centre=centre,
            scale=scale,
            coefficient=weight,
            missing=missing,
        )
        for (column, transform, median, centre, scale), weight, missing in zip(
            columns, weights[: len(columns)], weights[len(columns) :], strict=True
        )
    )
    return LogisticModel(features=features, intercept=_number(model.intercept_[0]))


def _both_classes(detector: str, cases: pd.DataFrame) -> Flags:
    expected = cases["expected"].to_numpy(dtype=np.float64)
    if np.isnan(expected).any():
        raise StudyError(
            f"{detector}: expected labeled cases only, found {int(np.isnan(expected).sum())} without."
        )
    positives = int((expected == 1).sum())
    if positives in (0, len(expected)):
        raise StudyError(
            f"{detector}: expected cases of both classes to fit on, found {positives} positives and "
            f"{len(expected) - positives} negatives; label more recordings."
        )
    found: Flags = expected == 1
    return found


def _values(cases: pd.DataFrame, column: str, transform: str) -> Floats:
    """A column (n,) after its transform, NaN where it is unknown."""
    x = cases[column].to_numpy(dtype=np.float64)
    x = np.where(np.isfinite(x), x, np.nan)
    if transform == "identity":
        return x
    p = np.clip(x, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    logit: Floats = np.log(p) - np.log1p(-p)
    return logit


def _centred(x: Floats) -> tuple[float, float]:
    scale = float(np.std(x))
    # a column that is the same everywhere but for missing values adds nothing by itself
    return _number(float(np.mean(x))), _number(scale) if scale > 1e-6 else 1.0


def _number(value: float) -> float:
    """Rounded so that a model's content, and with it its id, does not hang on the last bits of a solver."""
    number = round(float(value), _DIGITS) + 0.0
    if not math.isfinite(number):
        raise StudyError(
            f"calibrated detector: the fit gave {number}; check the case table for wrong values."
        )
    return number
