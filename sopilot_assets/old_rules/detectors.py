"""Which cases a detector takes for critical: the four detectors of the old system, by their formulas.

Detectors with a calibrated probability live in `studies.calibrated`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sopilot_assets.errors import StudyError

LEGACY_BINARY: Final = "legacy_binary"
CONTINUOUS_V1: Final = "continuous_v1"
GUARDED_BINARY_V1: Final = "guarded_binary_v1"
GUARDED_BINARY_V2: Final = "guarded_binary_v2"

MODES: Final = (LEGACY_BINARY, CONTINUOUS_V1, GUARDED_BINARY_V1, GUARDED_BINARY_V2)
DEFAULT_THRESHOLD: Final = 0.5
DEFAULT_MIN_DTW: Final = 0.025
SCORE_DIGITS: Final = 6

_RAW_WEIGHTS: Final = (
    ("critical", 2.5),
    ("quality", 0.35),
    ("efficiency", 0.15),
    ("miss_steps", 0.2),
    ("swap_steps", 0.1),
    ("deviation_steps", 0.15),
)


@dataclass(frozen=True, slots=True)
class Guardrails:
    """The constants of the guarded detectors.

    ``min_dtw_v2`` falls back to ``min_dtw_v1``, and that to 0.025. ``max_distance`` (a cosine distance) and
    ``max_span`` (clips) limit the means over the critical missing steps of a case.
    """

    min_dtw_v1: float | None = None
    min_dtw_v2: float | None = None
    max_distance: float = 0.11
    max_span: float = 1.5

    def min_dtw(self, mode: str) -> float:
        """The lowest DTW cost at which a guarded detector believes a critical deviation."""
        chain = (self.min_dtw_v2, self.min_dtw_v1) if mode == GUARDED_BINARY_V2 else (self.min_dtw_v1,)
        return next((value for value in chain if value is not None), DEFAULT_MIN_DTW)


@dataclass(frozen=True, slots=True)
class DetectorOutcome:
    """What a detector says about n cases: whether each is critical, whether it says anything, how strongly.

    ``detected`` (n,) and ``decided`` (n,) are flags, ``score`` (n,) is in [0, 1], NaN where there is none.
    Raises `StudyError` when they differ in length.
    """

    detected: NDArray[np.bool_]
    decided: NDArray[np.bool_]
    score: NDArray[np.float64]

    def of(self, chosen: NDArray[np.bool_]) -> DetectorOutcome:
        """The outcome of the chosen cases alone."""
        return DetectorOutcome(self.detected[chosen], self.decided[chosen], self.score[chosen])

    def __post_init__(self) -> None:
        lengths = {len(self.detected), len(self.decided), len(self.score)}
        if len(lengths) > 1:
            raise StudyError(f"outcome: detected, decided and score have to be of one length, not {lengths}.")


def critical_score(cases: pd.DataFrame) -> NDArray[np.float64]:
    """The score in [0, 1] of `continuous_v1` (n,), to 6 digits; NaN where the recording has a problem.

    1 - exp(-raw), raw being a weighted sum of counts plus 3 for each unit of DTW cost above 0.08 and 0.8 for
    each unit of over-time above 0.2. Numbers that a score lacks count as 0. The old system rounds it before
    anything else uses it, so that the highest scores tie.
    """
    raw = np.zeros(len(cases))
    for column, weight in _RAW_WEIGHTS:
        raw += weight * _number(cases, column)
    raw += 3.0 * np.maximum(0.0, _number(cases, "dtw_normalized_cost") - 0.08)
    raw += 0.8 * np.maximum(0.0, _number(cases, "over_time_ratio") - 0.2)
    score = np.round(np.clip(1.0 - np.exp(-raw), 0.0, 1.0), SCORE_DIGITS)
    return np.where(sound_cases(cases), score, np.nan)


def detect(
    mode: str,
    cases: pd.DataFrame,
    *,
    threshold: float = DEFAULT_THRESHOLD,
    guardrails: Guardrails | None = None,
) -> NDArray[np.bool_]:
    """Which cases (n,) the detector takes for critical; never one whose recording has a problem.

    ``threshold`` belongs to `continuous_v1` and is clamped to [0, 1]. Raises `StudyError` for a mode that
    is not one of `MODES`.
    """
    limits = guardrails or Guardrails()
    sound = sound_cases(cases)
    if mode == CONTINUOUS_V1:
        above: NDArray[np.bool_] = np.nan_to_num(critical_score(cases)) >= min(1.0, max(0.0, threshold))
        return sound & above
    found: NDArray[np.bool_] = sound & cases["any_critical"].to_numpy(dtype=bool)
    if mode == LEGACY_BINARY:
        return found
    if mode not in MODES:
        raise StudyError(f"unknown detector {mode!r}; expected one of {', '.join(MODES)}.")
    found &= _number(cases, "dtw_normalized_cost") >= limits.min_dtw(mode)
    if mode == GUARDED_BINARY_V2:
        far = _number(cases, "missing_distance") > limits.max_distance
        long = _number(cases, "missing_span") > limits.max_span
        found &= ~((_number(cases, "critical_missing") > 0) & (far | long))
    return found


def old_outcome(
    cases: pd.DataFrame,
    mode: str,
    *,
    threshold: float = DEFAULT_THRESHOLD,
    guardrails: Guardrails | None = None,
) -> DetectorOutcome:
    """The outcome of one of the four old detectors; the score is that of `continuous_v1` for all of them."""
    return DetectorOutcome(
        detected=detect(mode, cases, threshold=threshold, guardrails=guardrails),
        decided=judged(cases),
        score=critical_score(cases),
    )


def judged(cases: pd.DataFrame) -> NDArray[np.bool_]:
    """For which cases (n,) the old detectors say anything: none where there is a problem or no score."""
    speaks: NDArray[np.bool_] = sound_cases(cases) & cases["score"].notna().to_numpy()
    return speaks


def sound_cases(cases: pd.DataFrame) -> NDArray[np.bool_]:
    """Which cases (n,) have a recording without a problem."""
    sound: NDArray[np.bool_] = (cases["problem"] == "").to_numpy(dtype=bool)
    return sound


def _number(cases: pd.DataFrame, column: str) -> NDArray[np.float64]:
    values: NDArray[np.float64] = np.nan_to_num(cases[column].to_numpy(dtype=np.float64), nan=0.0)
    return values
