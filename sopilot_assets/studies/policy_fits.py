"""The fits of a study's candidate detectors on its dev split, whether they make a policy or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from sopilot_assets.errors import StudyError
from sopilot_assets.old_rules.detectors import (
    CONTINUOUS_V1,
    GUARDED_BINARY_V1,
    GUARDED_BINARY_V2,
    LEGACY_BINARY,
    DetectorOutcome,
    Guardrails,
    detect,
)
from sopilot_assets.old_rules.grid import (
    FEASIBLE,
    Limits,
    Rates,
    best_rates,
    fit_grid,
    rates_of,
)
from sopilot_assets.old_rules.profiles import GateProfile
from sopilot_assets.old_rules.sweep import THRESHOLDS
from sopilot_assets.studies.calibrated import (
    CALIBRATED_MODES,
    CALIBRATED_V1,
    LogisticModel,
    decided,
    fit_model,
    out_of_fold,
)
from sopilot_assets.studies.cases import COLUMNS, cases_sha256
from sopilot_assets.studies.gates import Override, effective_thresholds
from sopilot_assets.studies.groups import person_groups
from sopilot_assets.studies.policies import DEV, DevFigures, FitRecord, GuardrailNumbers, Policy, select
from sopilot_assets.studies.risk_control import RiskControl, control_miss_rate
from sopilot_assets.studies.spec import StudySpec
from sopilot_assets.studies.split_manifest import SplitManifest

Flags = npt.NDArray[np.bool_]
Names = npt.NDArray[np.object_]


def fit_policies(
    cases: pd.DataFrame,
    manifest: SplitManifest,
    spec: StudySpec,
    profile: GateProfile,
    *,
    clusters: npt.ArrayLike | None = None,
) -> list[Policy]:
    """One fit for each candidate detector of the study, on the dev split alone, in the study's order.

    ``clusters`` (n,) names whom each case depends on; by default `independent_units`.
    """
    rows = manifest.split_of(cases["case_id"]) == DEV
    units = independent_units(cases) if clusters is None else np.asarray(clusters, dtype=object)
    if len(units) != len(cases):
        raise StudyError(f"fit: expected a cluster for each of {len(cases)} cases, found {len(units)}.")
    return fit_cases(
        cases[rows].reset_index(drop=True),
        spec,
        profile,
        groups=person_groups(cases)[rows],
        clusters=units[rows],
        manifest_id=manifest.manifest_id,
    )


def fit_cases(
    dev: pd.DataFrame,
    spec: StudySpec,
    profile: GateProfile,
    *,
    groups: npt.ArrayLike,
    clusters: npt.ArrayLike,
    manifest_id: str = "",
    detectors: Sequence[str] | None = None,
    sha256: str | None = None,
) -> list[Policy]:
    """One fit for each detector on these labeled cases (n,).

    ``groups`` (n,) are kept together in cross-fitting, ``clusters`` (n,) count as one person in intervals
    and risk control. ``sha256`` is the hash of the cases' table where it is known or does not matter.
    """
    thresholds = effective_thresholds(
        profile,
        [Override(one.check, one.threshold, one.reason) for one in spec.gate_overrides],
        override_locked=spec.override_locked,
    )
    limits = Limits.of(thresholds, intervals=spec.use_intervals)
    material = _Material(
        dev, np.asarray(groups, dtype=object), np.asarray(clusters, dtype=object), spec, limits
    )
    sha256 = cases_sha256(dev[list(COLUMNS)]) if sha256 is None else sha256
    names = [one.value for one in spec.detectors] if detectors is None else list(detectors)
    return [_policy(_fit(name, material), name, material, profile, sha256, manifest_id) for name in names]


def refit(
    spec: StudySpec, profile: GateProfile, *, detectors: Sequence[str] | None = None
) -> Callable[[pd.DataFrame], Callable[[pd.DataFrame], DetectorOutcome] | None]:
    """A function that fits on other cases as the study does and gives the selected policy's outcome.

    It gives None where no fit is feasible on them.
    """

    def fit(cases: pd.DataFrame) -> Callable[[pd.DataFrame], DetectorOutcome] | None:
        groups = person_groups(cases)
        policies = fit_cases(
            cases,
            spec,
            profile,
            groups=groups,
            clusters=_units(cases, groups),
            detectors=detectors,
            sha256="",  # nobody keeps these policies
        )
        chosen = select(policies)
        return None if chosen is None else chosen.outcome

    return fit


def independent_units(cases: pd.DataFrame) -> Names:
    """Whom each case (n,) depends on: its `person_groups`, and one nameless unit for all unknown persons.

    A recording whose person is unknown may be of anybody; such recordings are no independent witnesses.
    """
    return _units(cases, person_groups(cases))


def _units(cases: pd.DataFrame, groups: Names) -> Names:
    return np.where((cases["person"] == "").to_numpy(dtype=bool), "", groups).astype(object)


@dataclass(frozen=True, slots=True)
class _Material:
    cases: pd.DataFrame
    groups: Names
    clusters: Names
    spec: StudySpec
    limits: Limits

    def judged(self, detector: str) -> _Material:
        """The same for the labeled cases that the detector decides."""
        kept = self.cases["expected"].notna().to_numpy() & decided(self.cases, detector)
        return _Material(
            self.cases[kept].reset_index(drop=True),
            self.groups[kept],
            self.clusters[kept],
            self.spec,
            self.limits,
        )

    def expected(self) -> Flags:
        positive: Flags = self.cases["expected"].to_numpy(dtype=np.float64) == 1
        return positive

    def rates(self, detected: Sequence[Flags]) -> list[Rates]:
        return rates_of(np.stack(detected), self.expected(), self.clusters if self.limits.clustered else None)


@dataclass(frozen=True, slots=True)
class _Fitted:
    """What a fit found; ``problem`` says why it can't be a policy whatever its rates."""

    candidates: int
    rates: Rates | None = None
    threshold: float | None = None
    guardrails: GuardrailNumbers | None = None
    model: LogisticModel | None = None
    risk: RiskControl | None = None
    problem: str = ""


def _fit(detector: str, material: _Material) -> _Fitted:
    judged = material.judged(detector)
    positives = int(judged.expected().sum())
    negatives = len(judged.cases) - positives
    if not positives or not negatives:
        problem = f"dev holds {positives} positives and {negatives} negatives that it decides; it needs both"
        return _Fitted(0, problem=problem)
    if detector in CALIBRATED_MODES:
        return _fit_calibrated(detector, judged)
    if detector == GUARDED_BINARY_V2:
        return _fit_v2(judged)
    if detector == GUARDED_BINARY_V1:
        return _fit_v1(judged)
    if detector == CONTINUOUS_V1:
        rates = judged.rates([detect(detector, judged.cases, threshold=level) for level in THRESHOLDS])
        best = best_rates(rates, judged.limits)
        return _Fitted(len(THRESHOLDS), rates[best], threshold=THRESHOLDS[best])
    return _Fitted(1, judged.rates([detect(LEGACY_BINARY, judged.cases)])[0])


def _fit_v2(judged: _Material) -> _Fitted:
    limits = judged.limits
    points = fit_grid(
        judged.cases,
        grid=judged.spec.fitting_grid,
        max_miss=limits.max_miss,
        max_fpr=limits.max_fpr,
        intervals=True,
        max_miss_high=limits.max_miss_high,
        max_fpr_high=limits.max_fpr_high,
        clusters=judged.clusters if limits.clustered else None,
    )
    best = points[0]
    numbers = GuardrailNumbers(min_dtw=best.min_dtw, max_distance=best.max_distance, max_span=best.max_span)
    return _Fitted(len(points), best.rates, guardrails=numbers)


def _fit_v1(judged: _Material) -> _Fitted:
    # nearest to the usual constant last, since ties go to the last
    usual = Guardrails().min_dtw(GUARDED_BINARY_V1)
    levels = sorted(judged.spec.fitting_grid.min_dtw, key=lambda level: -abs(level - usual))
    found = [
        detect(GUARDED_BINARY_V1, judged.cases, guardrails=Guardrails(min_dtw_v1=level)) for level in levels
    ]
    rates = judged.rates(found)
    best = best_rates(rates, judged.limits)
    return _Fitted(len(levels), rates[best], guardrails=GuardrailNumbers(min_dtw=levels[best]))


def _fit_calibrated(detector: str, judged: _Material) -> _Fitted:
    spec = judged.spec
    try:
        model = fit_model(detector, judged.cases)
        probability = out_of_fold(detector, judged.cases, judged.groups, seed=spec.split.seed)
    except StudyError as error:
        return _Fitted(0, problem=str(error).rstrip("."))
    expected = judged.expected()
    risk = control_miss_rate(
        probability[expected],
        judged.clusters[expected],
        target=spec.miss_rate_target,
        confidence=spec.confidence,
    )
    problem = ""
    if detector == CALIBRATED_V1 and model.features[0].coefficient <= 0:
        problem = "recordings with a higher critical_probability are not more often critical on dev"
    elif risk.threshold is None:
        problem = (
            f"a miss rate of at most {risk.target:g} can't be shown at {100 * risk.confidence:g}% confidence "
            f"with {risk.persons} independent positives: {risk.more_needed} more are needed, none of them "
            "missed"
        )
    if risk.threshold is None:
        return _Fitted(1, model=model, risk=risk, problem=problem)
    speaks = ~np.isnan(probability)
    known = _Material(
        judged.cases[speaks], judged.groups[speaks], judged.clusters[speaks], spec, judged.limits
    )
    rates = known.rates([probability[speaks] >= risk.threshold])[0]
    return _Fitted(1, rates, threshold=risk.threshold, model=model, risk=risk, problem=problem)


def _policy(
    fitted: _Fitted, detector: str, material: _Material, profile: GateProfile, sha256: str, manifest_id: str
) -> Policy:
    limits, rates = material.limits, fitted.rates
    named = {name: value for name, value in _named(limits).items() if value is not None}
    violation = rates.violation(limits) if rates else float(len(named))
    exceeded = "" if rates is None else _exceeded(rates, limits)
    reason = "; ".join(part for part in (fitted.problem, exceeded) if part)
    return Policy(
        task=material.spec.task,
        detector=detector,
        threshold=fitted.threshold,
        guardrails=fitted.guardrails,
        model=fitted.model,
        feasible=not fitted.problem and rates is not None and violation <= FEASIBLE,
        constraint_violation=violation,
        reason=reason or ("keeps every limit on dev" if named else "the gate profile limits no error rate"),
        fit=FitRecord(
            study_id=material.spec.study_id,
            manifest_id=manifest_id,
            cases_sha256=sha256,
            gate_profile=profile.name,
            limits=named,
            candidates=fitted.candidates,
            figures=None if rates is None else _dev_figures(rates, detector, clustered=limits.clustered),
            risk=fitted.risk,
        ),
    ).sealed()


def _dev_figures(rates: Rates, detector: str, *, clustered: bool) -> DevFigures:
    return DevFigures(
        cases=rates.tp + rates.fn + rates.fp + rates.tn,
        tp=rates.tp,
        fn=rates.fn,
        fp=rates.fp,
        tn=rates.tn,
        miss_rate=rates.miss,
        false_positive_rate=rates.fpr,
        miss_rate_ci95_high=rates.miss_high,
        false_positive_rate_ci95_high=rates.fpr_high,
        out_of_fold=detector in CALIBRATED_MODES,
        clustered=clustered,
    )


def _named(limits: Limits) -> dict[str, float | None]:
    prefix = "clustered" if limits.clustered else "critical"
    return {
        "critical_miss_rate": limits.max_miss,
        "critical_false_positive_rate": limits.max_fpr,
        f"{prefix}_miss_rate_ci95_high": limits.max_miss_high,
        f"{prefix}_false_positive_rate_ci95_high": limits.max_fpr_high,
    }


def _exceeded(rates: Rates, limits: Limits) -> str:
    found = (rates.miss, rates.fpr, rates.miss_high, rates.fpr_high)
    return "; ".join(
        f"{name} is {value:g}, at most {limit:g} allowed"
        for (name, limit), value in zip(_named(limits).items(), found, strict=True)
        if limit is not None and value is not None and value > limit
    )
