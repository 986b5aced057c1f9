"""Gates: figures against the thresholds of a profile, as a table that fails closed.

A value that is missing fails, a gate that asks for nothing fails, and every override is written down. A
failed check says what more evidence it needs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import pandas as pd
from pydantic import TypeAdapter

from sopilot_assets.errors import StudyError
from sopilot_assets.intervals import ClusteredInterval, more_needed
from sopilot_assets.old_rules.profiles import Check, Direction, GateProfile
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.studies.profiles import CHECKS, study_profile
from sopilot_assets.studies.spec import StudySpec

if TYPE_CHECKING:
    from sopilot_assets.studies.metrics import Figures

Reason = Literal["ok", "threshold_violation", "value_missing", "disabled"]


@dataclass(frozen=True, slots=True)
class Override:
    """A threshold that replaces the profile's; None turns the check off. ``reason`` is for the reader."""

    check: str
    threshold: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Trials:
    """What a rate was counted from: ``errors`` in ``n`` trials; ``unit`` names a trial, in the plural.

    Both may be fractions where they are effective numbers; then ``clusters`` is how many clusters there are.
    """

    errors: float
    n: float
    unit: str
    clusters: float | None = None


@dataclass(frozen=True, slots=True)
class Needed:
    """What would lift a failed check: ``count`` more of ``unit``; None where no amount within reach would."""

    count: int | None
    unit: str
    text: str


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of a gate report. A disabled check counts as passed, as the old reports have it."""

    name: str
    enabled: bool
    passed: bool
    value: float | None
    threshold: float | None
    direction: Direction
    reason: Reason
    needed: Needed | None = None


@dataclass(frozen=True, slots=True)
class GateReport:
    """The outcome of a gate: whether all passed, and every check."""

    profile: str
    locked: bool
    research: bool
    overrides: tuple[Override, ...]
    overall_pass: bool
    checks: tuple[CheckResult, ...]

    def failed(self) -> tuple[CheckResult, ...]:
        """The enabled checks that did not pass."""
        return tuple(check for check in self.checks if check.enabled and not check.passed)

    def table(self) -> pd.DataFrame:
        """One row a check, in order; ``needed`` as text."""
        return pd.DataFrame.from_records([_row(check) for check in self.checks])

    def document(self) -> dict[str, object]:
        """The report as plain data for a JSON file."""
        return {
            "profile": self.profile,
            "locked": self.locked,
            "research": self.research,
            "overrides": [
                {"check": o.check, "threshold": o.threshold, "reason": o.reason} for o in self.overrides
            ],
            "overall_pass": self.overall_pass,
            "checks": [_row(check) for check in self.checks],
        }


@dataclass(frozen=True, slots=True)
class StudyGates:
    """The gates of a study: their report on a split, and the values that they saw."""

    report: GateReport
    split: str
    values: Mapping[str, float | None]

    def report_document(self) -> dict[str, object]:
        """The report and its split as plain data."""
        return {**self.report.document(), "split": self.split}

    def document(self) -> dict[str, object]:
        """All of it as it is published."""
        return {**self.report_document(), "values": self.values}


def read_gates(document: Mapping[str, object]) -> StudyGates:
    """The gates in what `StudyGates.document` gave."""
    rows = _ROWS.validate_python(document["checks"])
    checks = [{**row, "needed": _needed_in(row)} for row in rows]
    report = _REPORT.validate_python({**document, "checks": checks})
    return StudyGates(report, str(document["split"]), _VALUES.validate_python(document["values"]))


def _needed_in(row: Mapping[str, Cell]) -> dict[str, Cell] | None:
    if not row["needed"]:
        return None
    return {"text": row["needed"], "count": row["needed_count"], "unit": row["needed_unit"]}


_ROWS: Final = TypeAdapter(list[dict[str, Cell]])
_REPORT: Final = TypeAdapter(GateReport)
_VALUES: Final = TypeAdapter(dict[str, float | None])


def check_gates(
    profile: GateProfile,
    values: Mapping[str, float | None],
    *,
    overrides: Sequence[Override] = (),
    override_locked: bool = False,
    without_minimum_evidence: bool = False,
    counts: Mapping[str, Trials] | None = None,
) -> GateReport:
    """Hold ``values`` (`metrics.gate_values`, plus what the chain adds) against a profile.

    ``without_minimum_evidence`` disables the checks that ask for an amount of material, for small splits.
    ``counts`` (`gate_counts`) lets failed rates say how much more evidence they need. Raises `StudyError`
    for an override that is not allowed.
    """
    thresholds = effective_thresholds(profile, overrides, override_locked=override_locked)
    listed = (*profile.listed, *(name for name in thresholds if name not in profile.listed))
    checks = tuple(
        _checked(
            CHECKS[name],
            None if without_minimum_evidence and CHECKS[name].evidence else thresholds.get(name),
            values.get(name),
            (counts or {}).get(name),
        )
        for name in listed
    )
    enabled = [check for check in checks if check.enabled]
    return GateReport(
        profile=profile.name,
        locked=profile.locked,
        research=profile.research,
        overrides=tuple(overrides),
        overall_pass=bool(enabled) and all(check.passed for check in enabled),
        checks=checks,
    )


def check_overrides(spec: StudySpec) -> None:
    """Raise `StudyError` where the study overrides what its gate profile does not let it."""
    overrides = [Override(one.check, one.threshold, one.reason) for one in spec.gate_overrides]
    profile = study_profile(spec.gate_profile.value)
    effective_thresholds(profile, overrides, override_locked=spec.override_locked)


def effective_thresholds(
    profile: GateProfile, overrides: Sequence[Override] = (), *, override_locked: bool
) -> dict[str, float | None]:
    """The threshold of every check after the overrides; None where an override turned a check off.

    Raises `StudyError` for an override that is not allowed.
    """
    if overrides and profile.locked and not override_locked:
        raise StudyError(
            f"gate profile {profile.name} is locked, found overrides of "
            f"{sorted(override.check for override in overrides)}; "
            "remove them, or say override_locked: true to have them recorded."
        )
    thresholds: dict[str, float | None] = dict(profile.thresholds)
    seen: set[str] = set()
    for override in overrides:
        _refuse(profile, override, seen)
        seen.add(override.check)
        thresholds[override.check] = override.threshold
    return thresholds


def gate_counts(figures: Figures) -> dict[str, Trials]:
    """What the rates of `metrics.figures` were counted from, by check name."""
    confusion = figures.labels.critical_confusion
    misses = Trials(confusion.fn, confusion.positives, "positives")
    alarms = Trials(confusion.fp, confusion.negatives, "negatives")
    return {
        "critical_miss_rate": misses,
        "critical_miss_rate_ci95_high": misses,
        "critical_false_positive_rate": alarms,
        "critical_false_positive_rate_ci95_high": alarms,
        "clustered_miss_rate_ci95_high": _independent(figures.clustered_miss_rate, "positives"),
        "clustered_false_positive_rate_ci95_high": _independent(
            figures.clustered_false_positive_rate, "negatives"
        ),
    }


def _independent(interval: ClusteredInterval, unit: str) -> Trials:
    n = interval.effective_n or 0.0
    clusters = interval.effective_clusters or 0.0
    return Trials((interval.point or 0.0) * n, n, f"independent {unit}", clusters)


def _refuse(profile: GateProfile, override: Override, seen: set[str]) -> None:
    check = CHECKS.get(override.check)
    if check is None:
        raise StudyError(f"gate override: expected a check of {', '.join(CHECKS)}, found {override.check!r}.")
    if override.check in seen:
        raise StudyError(f"gate override: {override.check} is overridden twice; keep one of the two.")
    if not override.reason.strip():
        raise StudyError(f"gate override of {override.check}: expected a reason, found none; say why.")
    if override.threshold is not None and not math.isfinite(override.threshold):
        raise StudyError(
            f"gate override of {override.check}: expected a number or nothing, found {override.threshold}."
        )
    own = profile.threshold(override.check)
    if check.fixed and own is not None and not _as_strict(check, override.threshold, own):
        raise StudyError(
            f"gate override of {override.check}: the threshold {own} of {profile.name} can't be loosened, "
            f"found {override.threshold}; remove the override, or choose a profile that does not ask for it."
        )


def _as_strict(check: Check, threshold: float | None, own: float) -> bool:
    if threshold is None:
        return False
    return threshold <= own if check.direction == "max" else threshold >= own


def _checked(
    check: Check, threshold: float | None, value: float | None, trials: Trials | None
) -> CheckResult:
    found = None if value is None or not math.isfinite(value) else float(value)
    if threshold is None:
        return CheckResult(check.name, False, True, found, None, check.direction, "disabled")
    limit = float(threshold)
    if found is None:
        reason: Reason = "value_missing"
    elif found <= limit if check.direction == "max" else found >= limit:
        reason = "ok"
    else:
        reason = "threshold_violation"
    needed = None if reason == "ok" else _needed(check, limit, found, trials)
    return CheckResult(check.name, True, reason == "ok", found, limit, check.direction, reason, needed)


def _needed(check: Check, limit: float, value: float | None, trials: Trials | None) -> Needed | None:
    if check.name in _AMOUNTS:
        unit = _AMOUNTS[check.name]
        count = math.ceil(limit - (value or 0.0))
        return Needed(count, unit, f"{count} more {unit}")
    if trials is None:
        return None
    error = "a miss" if "miss" in check.name else "a false alarm"
    if check.name.endswith("ci95_high"):
        more = _more_for_bound(trials, limit)
    else:
        more = _more_for_rate(trials, limit)
    if more is None:
        rate = f" (now {trials.errors / trials.n:.3g})" if trials.n else ""
        return Needed(None, trials.unit, f"a lower rate{rate}: no amount of {trials.unit} would do")
    return Needed(more, trials.unit, f"{more} more {trials.unit} without {error}")


def _more_for_bound(trials: Trials, limit: float) -> int | None:
    by_cases = more_needed(trials.errors, trials.n, limit)
    if trials.clusters is None:
        return by_cases
    # a clustered bound is never below what the number of clusters alone allows
    by_clusters = more_needed(0, trials.clusters, limit)
    return None if by_cases is None or by_clusters is None else max(by_cases, by_clusters)


def _more_for_rate(trials: Trials, limit: float) -> int | None:
    if trials.n == 0:
        return 1
    if limit <= 0:
        return None
    return max(0, math.ceil(round(trials.errors / limit - trials.n, 9)))


_AMOUNTS: Final[Mapping[str, str]] = {
    "num_completed_jobs": "scored recordings",
    "labels_total_jobs": "label rows",
    "labels_labeled_jobs": "labelled recordings",
    "critical_positives": "positives",
    "critical_negatives": "negatives",
    "rescore_pairs": "recordings with repeats",
    "independent_positives": "independent positives",
    "independent_negatives": "independent negatives",
    "shifted_recordings": "recordings scored again with shifted sampling",
}


def _row(check: CheckResult) -> dict[str, Cell]:
    return {
        "name": check.name,
        "enabled": check.enabled,
        "passed": check.passed,
        "value": check.value,
        "threshold": check.threshold,
        "direction": check.direction,
        "reason": check.reason,
        "needed": "" if check.needed is None else check.needed.text,
        "needed_count": None if check.needed is None else check.needed.count,
        "needed_unit": "" if check.needed is None else check.needed.unit,
    }
