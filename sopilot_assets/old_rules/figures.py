"""The figures of the old system for one detector, under its own names.

They hide what `studies.metrics` shows beside them: intervals take a person's recordings for independent, who
abstains makes no error, and the drift alarms without any drift.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import TypeAdapter

from sopilot_assets.intervals import Bounds, wilson
from sopilot_assets.old_rules.detectors import DetectorOutcome, judged
from sopilot_assets.old_rules.drift import OldDrift, halves_drift
from sopilot_assets.store.canonical import rounded

DIGITS: Final = 6
_QUANTILES: Final = (50.0, 90.0)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Statistics:
    """What values are like; all None where none is known."""

    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    min: float | None = None
    max: float | None = None


@dataclass(frozen=True, slots=True)
class Jitter:
    """How far scores of one gold and trainee recording lie apart (max - min), over pairs with repeats."""

    num_pairs_with_repeats: int
    mean_delta: float | None
    p90_delta: float | None
    max_delta: float | None


@dataclass(frozen=True, slots=True)
class Confusion:
    """How many decided cases were found, missed, falsely alarmed and rightly left alone."""

    tp: int
    fn: int
    fp: int
    tn: int

    @property
    def positives(self) -> int:
        """The decided cases with a critical deviation."""
        return self.tp + self.fn

    @property
    def negatives(self) -> int:
        """The decided cases without one."""
        return self.fp + self.tn


@dataclass(frozen=True, slots=True)
class Confidence:
    """A share of n with Wilson's interval, cases taken for independent."""

    n: int
    point: float | None
    ci95: Bounds | None


@dataclass(frozen=True, slots=True)
class Confidences:
    """The intervals of both error rates."""

    miss_rate: Confidence
    false_positive_rate: Confidence


@dataclass(frozen=True, slots=True)
class ScoreFigures:
    """What the old reports say of scores and alarms, labels aside."""

    num_completed_jobs: int
    critical_detected_jobs: int
    critical_score_stats: Statistics
    score_stats: Statistics
    dtw_normalized_cost_stats: Statistics
    rescore_jitter: Jitter
    drift: OldDrift


@dataclass(frozen=True, slots=True)
class LabelFigures:
    """What the old reports say of a detector against the labels; rates leave out what it does not decide."""

    critical_miss_rate: float | None
    critical_false_positive_rate: float | None
    critical_confusion: Confusion
    critical_positives: int
    critical_negatives: int
    completed_labeled_jobs: int
    critical_confidence: Confidences
    labels_total_jobs: int
    labels_labeled_jobs: int
    labels_unknown_jobs: int
    coverage_rate: float | None


_SCORES: Final = TypeAdapter(ScoreFigures)
_LABELS: Final = TypeAdapter(LabelFigures)


def score_figures(cases: pd.DataFrame, outcome: DetectorOutcome) -> ScoreFigures:
    """The figures of scores and alarms of these cases (n rows, in time order), to 6 digits."""
    scored = judged(cases)
    score = cases["score"].to_numpy(dtype=np.float64)[scored]
    dtw = cases["dtw_normalized_cost"].to_numpy(dtype=np.float64)[scored]
    said = outcome.detected & outcome.decided
    found = ScoreFigures(
        num_completed_jobs=int(scored.sum()),
        critical_detected_jobs=int(said.sum()),
        critical_score_stats=_statistics(outcome.score[scored]),
        score_stats=_statistics(score),
        dtw_normalized_cost_stats=_statistics(dtw),
        rescore_jitter=rescore_jitter(cases),
        drift=halves_drift(score, outcome.score[scored], dtw, said[scored]),
    )
    return _SCORES.validate_python(rounded(asdict(found), DIGITS))


def label_figures(
    cases: pd.DataFrame, outcome: DetectorOutcome, *, total: int | None = None, labeled: int | None = None
) -> LabelFigures:
    """The figures against the labels, to 6 digits; ``total`` and ``labeled`` count label rows, those without
    a case among them, and default to the labels of the cases.
    """
    expected = cases["expected"].to_numpy(dtype=np.float64)
    confusion = _confusion(expected, outcome)
    with_label = int((~np.isnan(expected)).sum()) if labeled is None else labeled
    rows = with_label if total is None else total
    completed = int((judged(cases) & ~np.isnan(expected)).sum())
    found = LabelFigures(
        critical_miss_rate=_share(confusion.fn, confusion.positives),
        critical_false_positive_rate=_share(confusion.fp, confusion.negatives),
        critical_confusion=confusion,
        critical_positives=confusion.positives,
        critical_negatives=confusion.negatives,
        completed_labeled_jobs=completed,
        critical_confidence=Confidences(
            _confidence(confusion.fn, confusion.positives), _confidence(confusion.fp, confusion.negatives)
        ),
        labels_total_jobs=rows,
        labels_labeled_jobs=with_label,
        labels_unknown_jobs=max(0, rows - with_label),
        coverage_rate=_share(completed, with_label),
    )
    return _LABELS.validate_python(rounded(asdict(found), DIGITS))


def figures_in(report: Mapping[str, object]) -> tuple[ScoreFigures, LabelFigures | None]:
    """The figures in an old report; without those of labels where it was made without a label file."""
    scores = _SCORES.validate_python(report)
    return scores, None if report["critical_confusion"] is None else _LABELS.validate_python(report)


def old_gate_values(scores: ScoreFigures, labels: LabelFigures | None) -> dict[str, float | None]:
    """The values that the old gates check, by check; None where there is none."""
    values: dict[str, float | None] = {
        "rescore_jitter_max_delta": scores.rescore_jitter.max_delta,
        "dtw_normalized_cost_p90": scores.dtw_normalized_cost_stats.p90,
        "drift_critical_score_psi": scores.drift.critical_score_psi,
        "drift_score_psi": scores.drift.score_psi,
        "drift_dtw_psi": scores.drift.dtw_normalized_cost_psi,
        "critical_detected_rate_shift_abs": scores.drift.critical_detected_rate_shift_abs,
        "num_completed_jobs": float(scores.num_completed_jobs),
        "rescore_pairs": float(scores.rescore_jitter.num_pairs_with_repeats),
    }
    return values | dict.fromkeys(_OF_LABELS) if labels is None else values | _label_values(labels)


_OF_LABELS: Final = (
    "critical_miss_rate",
    "critical_false_positive_rate",
    "critical_miss_rate_ci95_high",
    "critical_false_positive_rate_ci95_high",
    "labels_total_jobs",
    "labels_labeled_jobs",
    "critical_positives",
    "critical_negatives",
    "coverage_rate",
)


def _label_values(labels: LabelFigures) -> dict[str, float | None]:
    rates = labels.critical_confidence
    miss, alarm = rates.miss_rate.ci95, rates.false_positive_rate.ci95
    values = (
        labels.critical_miss_rate,
        labels.critical_false_positive_rate,
        miss.high if miss else None,
        alarm.high if alarm else None,
        float(labels.labels_total_jobs),
        float(labels.labels_labeled_jobs),
        float(labels.critical_positives),
        float(labels.critical_negatives),
        labels.coverage_rate,
    )
    return dict(zip(_OF_LABELS, values, strict=True))


def rescore_jitter(cases: pd.DataFrame) -> Jitter:
    """The old jitter; only pairs with two or more cases count, the deltas are None where there are none."""
    scored = cases.loc[(cases["problem"] == "") & cases["score"].notna()]
    values = scored.groupby(["gold_id", "video_id"], sort=False)["score"]
    spread = (values.max() - values.min()).to_numpy(dtype=np.float64)
    repeated = spread[values.size().to_numpy() >= 2]
    return Jitter(len(repeated), *delta_figures(repeated))


def delta_figures(deltas: Floats) -> tuple[float | None, float | None, float | None]:
    """Mean, 90 % quantile and maximum of differences (n,); None without any."""
    if not len(deltas):
        return None, None, None
    return float(deltas.mean()), float(np.percentile(deltas, 90)), float(deltas.max())


def _confusion(expected: Floats, outcome: DetectorOutcome) -> Confusion:
    positive, negative = (outcome.decided & (expected == truth) for truth in (1, 0))
    tp = int((positive & outcome.detected).sum())
    fp = int((negative & outcome.detected).sum())
    return Confusion(tp=tp, fn=int(positive.sum()) - tp, fp=fp, tn=int(negative.sum()) - fp)


def _confidence(k: int, n: int) -> Confidence:
    return Confidence(n, k / n, Bounds(*wilson(k, n))) if n else Confidence(0, None, None)


def _statistics(values: Floats) -> Statistics:
    known = values[~np.isnan(values)]
    if not len(known):
        return Statistics()
    middle, high = np.percentile(known, _QUANTILES)
    return Statistics(*map(float, (known.mean(), middle, high, known.min(), known.max())))


def _share(k: int, n: int) -> float | None:
    return k / n if n else None
