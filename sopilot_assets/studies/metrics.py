"""The figures of one detector on a set of cases, and the flat values that gates check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import TypeAdapter
from sklearn.metrics import roc_auc_score

from sopilot_assets.errors import StudyError
from sopilot_assets.intervals import ClusteredInterval, clustered
from sopilot_assets.old_rules.detectors import DetectorOutcome, judged
from sopilot_assets.old_rules.figures import (
    LabelFigures,
    ScoreFigures,
    label_figures,
    old_gate_values,
    score_figures,
)
from sopilot_assets.store.canonical import rounded
from sopilot_assets.studies.drift import (
    PROBABILITY_EDGES,
    SCORE_EDGES,
    FixedBinDrift,
    fixed_bin_drift,
    halves,
)
from sopilot_assets.studies.repeatability import Repeatability, repeatability

DIGITS: Final = 6
DRIFT_SEED: Final = 20260223


@dataclass(frozen=True, slots=True)
class Drift:
    """How far the later half of the cases lies from the earlier one; None with too few of them."""

    score: FixedBinDrift | None
    critical_score: FixedBinDrift | None


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a detector on some cases, to 6 digits; one that does not exist is None.

    ``scores`` and ``labels`` are those that the old system reported. The others are what these hide:
    abstentions, intervals clustered by ``independent`` units, calibration, drift whose false alarms are
    known, and repeatability (None where nothing was asked about it). A new one needs a default, so that
    evaluations from before it can be read; a dossier from before it passes only the verifier it came with.
    """

    scores: ScoreFigures
    labels: LabelFigures
    decided_share: float | None
    decided_positive_share: float | None
    scored_share: float | None
    abstained_positives: int
    abstained_negatives: int
    strict_miss_rate: float | None
    clustered_miss_rate: ClusteredInterval
    clustered_false_positive_rate: ClusteredInterval
    independent_positives: int
    independent_negatives: int
    brier: float | None
    auc: float | None
    drift: Drift
    repeatability: Repeatability | None = None

    def document(self) -> dict[str, object]:
        """The figures as they are published: the old ones by their names, the others under ``right``."""
        right = asdict(self)
        scores, labels = right.pop("scores"), right.pop("labels")
        if self.repeatability is None:
            del right["repeatability"]
        return {**scores, **labels, "right": right}


_FIGURES: Final = TypeAdapter(Figures)


def read_figures(document: Mapping[str, object]) -> Figures:
    """The figures in what `Figures.document` gave."""
    right = document["right"]
    assert isinstance(right, Mapping)
    return _FIGURES.validate_python({**right, "scores": document, "labels": document})


def figures(
    cases: pd.DataFrame,
    outcome: DetectorOutcome,
    *,
    clusters: NDArray[np.object_] | pd.Series,
    repeats: pd.DataFrame | None = None,
) -> Figures:
    """The figures of a detector on these cases (n rows, in time order).

    Rates leave out cases that the detector does not decide. ``clusters`` (n,) names who each case depends on
    (a person, or a group of related recordings); ``repeats`` are rows of the ledger of repeats.
    Raises `StudyError` when an argument differs in length from the cases.
    """
    for name, values in (("outcome", outcome.detected), ("clusters", clusters)):
        if len(values) != len(cases):
            raise StudyError(f"figures: {len(cases)} cases but {len(values)} in {name}; give one for each.")
    found = _figures(cases, outcome, np.asarray(clusters, dtype=object), repeats)
    return read_figures(rounded(found.document(), DIGITS))


def gate_values(values: Figures) -> dict[str, float | None]:
    """The flat values that gates check; None where there is none."""
    return {
        **old_gate_values(values.scores, values.labels),
        "clustered_miss_rate_ci95_high": values.clustered_miss_rate.high,
        "clustered_false_positive_rate_ci95_high": values.clustered_false_positive_rate.high,
        "independent_positives": float(values.independent_positives),
        "independent_negatives": float(values.independent_negatives),
        "decided_share": values.decided_share,
        "decided_positive_share": values.decided_positive_share,
        "scored_share": values.scored_share,
    }


def _figures(
    cases: pd.DataFrame, outcome: DetectorOutcome, clusters: NDArray[np.object_], repeats: pd.DataFrame | None
) -> Figures:
    expected, speaks = cases["expected"].to_numpy(dtype=np.float64), outcome.decided
    labeled, positive, negative = ~np.isnan(expected), expected == 1, expected == 0
    missed = int((positive & ~(outcome.detected & speaks)).sum())
    of_positives, of_negatives = positive & speaks, negative & speaks
    misses = clustered(~outcome.detected[of_positives], clusters[of_positives])
    alarms = clustered(outcome.detected[of_negatives], clusters[of_negatives])
    brier, auc = _score_figures(expected, outcome)
    return Figures(
        scores=score_figures(cases, outcome),
        labels=label_figures(cases, outcome),
        decided_share=_share(int((labeled & speaks).sum()), int(labeled.sum())),
        decided_positive_share=_share(int(of_positives.sum()), int(positive.sum())),
        scored_share=_share(int((labeled & judged(cases)).sum()), int(labeled.sum())),
        abstained_positives=int((positive & ~speaks).sum()),
        abstained_negatives=int((negative & ~speaks).sum()),
        strict_miss_rate=_share(missed, int(positive.sum())),
        clustered_miss_rate=misses,
        clustered_false_positive_rate=alarms,
        independent_positives=misses.clusters,
        independent_negatives=alarms.clusters,
        brier=brier,
        auc=auc,
        drift=_drift(cases, outcome),
        repeatability=None if repeats is None else repeatability(repeats),
    )


def _score_figures(
    expected: NDArray[np.float64], outcome: DetectorOutcome
) -> tuple[float | None, float | None]:
    """The Brier score and the area under the curve."""
    known = ~np.isnan(expected) & outcome.decided & ~np.isnan(outcome.score)
    truth, score = expected[known], outcome.score[known]
    if not len(truth):
        return None, None
    one_class = truth.min() == truth.max()
    return float(np.mean((score - truth) ** 2)), None if one_class else float(roc_auc_score(truth, score))


def _drift(cases: pd.DataFrame, outcome: DetectorOutcome) -> Drift:
    first, rest = halves(cases)
    score = cases["score"].to_numpy(dtype=np.float64)
    critical = np.where(outcome.decided, outcome.score, np.nan)
    return Drift(
        *(
            fixed_bin_drift(values[first], values[rest], edges=edges, seed=DRIFT_SEED)
            for values, edges in ((score, SCORE_EDGES), (critical, PROBABILITY_EDGES))
        )
    )


def _share(k: int, n: int) -> float | None:
    return k / n if n else None
