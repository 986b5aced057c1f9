"""Policies: detectors with constants fitted on the dev split, as files whose id is their content.

Every candidate detector of a study gets one fit (`policy_fits`). A fit that does not keep the limits of the
gate says so and is no policy: it is listed with its reason, but never selected nor written as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Self

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from sopilot_assets.errors import StudyError
from sopilot_assets.old_rules.detectors import DetectorOutcome, Guardrails, old_outcome
from sopilot_assets.store.canonical import content_id, pretty_json
from sopilot_assets.studies.calibrated import CALIBRATED_MODES, LogisticModel, decided
from sopilot_assets.studies.risk_control import RiskControl

FORMAT: Final = "critical_policy_v2"
DEV: Final = "dev"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class GuardrailNumbers(_Part):
    """The constants of a guarded detector; distance and span belong to `guarded_binary_v2` only."""

    min_dtw: float
    max_distance: float | None = None
    max_span: float | None = None

    def guardrails(self) -> Guardrails:
        """The constants as a detector takes them."""
        usual = Guardrails()
        return Guardrails(
            self.min_dtw,
            self.min_dtw,
            usual.max_distance if self.max_distance is None else self.max_distance,
            usual.max_span if self.max_span is None else self.max_span,
        )


class DevFigures(_Part):
    """What the fit gives on dev; for a calibrated detector by models that had not seen the case."""

    cases: int
    tp: int
    fn: int
    fp: int
    tn: int
    miss_rate: float | None
    false_positive_rate: float | None
    miss_rate_ci95_high: float | None
    false_positive_rate_ci95_high: float | None
    out_of_fold: bool
    clustered: bool


class FitRecord(_Part):
    """What a policy was fitted on and under which limits; ``cases_sha256`` is of the dev cases alone."""

    split: Literal["dev"] = DEV
    study_id: str
    manifest_id: str
    cases_sha256: str
    gate_profile: str
    limits: dict[str, float]
    candidates: int
    figures: DevFigures | None
    risk: RiskControl | None


class Policy(_Part):
    """One fitted detector.

    ``threshold`` belongs to `continuous_v1` and the calibrated detectors, ``guardrails`` to the guarded ones,
    ``model`` to the calibrated ones. ``policy_id`` is made of all other fields; a policy whose content does
    not give its id is refused.
    """

    version: Literal["critical_policy_v2"] = FORMAT
    policy_id: str = ""
    task: str
    detector: str
    threshold: float | None = None
    guardrails: GuardrailNumbers | None = None
    model: LogisticModel | None = None
    feasible: bool
    constraint_violation: float
    reason: str
    fit: FitRecord

    @model_validator(mode="after")
    def _own_id(self) -> Self:
        if self.policy_id and self.policy_id != self.expected_id():
            raise ValueError(
                f"policy_id: expected {self.expected_id()} by its content, found {self.policy_id}"
            )
        return self

    def expected_id(self) -> str:
        """The id that belongs to this content."""
        return f"critical-policy-{content_id(self.model_dump(mode='json', exclude={'policy_id'}))}"

    def sealed(self) -> Policy:
        """The same policy with its id."""
        return self.model_copy(update={"policy_id": self.expected_id()})

    def verify(self) -> Policy:
        """The policy itself; `StudyError` when its id is missing or not that of its content."""
        if self.policy_id != self.expected_id():
            raise StudyError(
                f"policy {self.policy_id or 'without id'}: expected the id {self.expected_id()} by its "
                "content; it was altered. Materialize critical_policies for this study again."
            )
        return self

    def outcome(self, cases: pd.DataFrame) -> DetectorOutcome:
        """What the policy says of these cases.

        Raises `StudyError` where the fit found no constants at all, or the policy was altered.
        """
        self.verify()
        if self.detector in CALIBRATED_MODES:
            if self.model is None or self.threshold is None:
                raise StudyError(f"{self.detector} of {self.fit.study_id} has no threshold: {self.reason}.")
            probability = self.model.probability(cases)
            speaks = decided(cases, self.detector) & ~np.isnan(probability)
            # NaN is below every threshold
            return DetectorOutcome(
                speaks & (probability >= self.threshold), speaks, np.where(speaks, probability, np.nan)
            )
        numbers = self.guardrails.guardrails() if self.guardrails else None
        if self.threshold is None:
            return old_outcome(cases, self.detector, guardrails=numbers)
        return old_outcome(cases, self.detector, threshold=self.threshold, guardrails=numbers)


def select(policies: Sequence[Policy]) -> Policy | None:
    """The feasible policy with the lowest false-positive rate on dev, then miss rate; None when no fit is
    feasible. Of equals, one judged by models that had not seen the case comes before one judged on what it
    was fitted to, then the first.
    """
    feasible = [policy.verify() for policy in policies if policy.feasible]
    return min(feasible, key=_errors_on_dev, default=None)


def parse_policies(documents: Sequence[Mapping[str, Any]]) -> list[Policy]:
    """Fits, feasible or not, from plain data; `StudyError` when one was altered."""
    try:
        return [Policy.model_validate_json(pretty_json(one)).verify() for one in documents]
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise StudyError(
            f"policies: {fault['msg'].removeprefix('Value error, ')}. "
            "Materialize critical_policies for this study again."
        ) from error


def fit_table(policies: Sequence[Policy]) -> pd.DataFrame:
    """One row a fit: what it is, what it gives on dev, and why it is or is not a policy."""
    return pd.DataFrame.from_records(
        [
            {
                "detector": policy.detector,
                "feasible": policy.feasible,
                "policy_id": policy.policy_id,
                "threshold": policy.threshold,
                "miss_rate": figures.miss_rate if figures else None,
                "false_positive_rate": figures.false_positive_rate if figures else None,
                "constraint_violation": policy.constraint_violation,
                "candidates": policy.fit.candidates,
                "reason": policy.reason,
            }
            for policy in policies
            for figures in [policy.fit.figures]
        ]
    )


def _errors_on_dev(policy: Policy) -> tuple[float, float, bool]:
    figures = policy.fit.figures
    rates = (figures.false_positive_rate, figures.miss_rate) if figures else (None, None)
    alarms, misses = (1.0 if rate is None else rate for rate in rates)
    return alarms, misses, not (figures is not None and figures.out_of_fold)
