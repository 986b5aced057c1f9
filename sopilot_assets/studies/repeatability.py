"""How much a score changes when nothing but the computation, or the sampling phase, changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sopilot_assets.errors import StudyError
from sopilot_assets.intervals import Bounds, wilson
from sopilot_assets.old_rules.figures import delta_figures

EXACT: Final = "exact"
SHIFTED: Final = "shifted"
KINDS: Final = (EXACT, SHIFTED)
REPEAT_COLUMNS: Final = (
    "repeat_id",
    "key",
    "video_id",
    "kind",
    "phase_s",
    "score",
    "critical_probability",
    "decision",
    "base_score",
    "base_critical_probability",
    "base_decision",
)
"""What a row of the ledger of repeats has to hold; ``base_`` is the score that it repeats."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """How far the scores of one kind of repeat moved, and what decisions changed; None where there is none.

    ``decision_changes`` counts recordings that any of their repeats decides otherwise, and the rate is over
    recordings, since repeats of one recording are not independent.
    """

    pairs: int
    videos: int
    mean_delta: float | None
    p90_delta: float | None
    max_delta: float | None
    max_probability_delta: float | None
    decision_changes: int
    decision_change_rate: float | None
    decision_change_rate_ci95: Bounds | None


@dataclass(frozen=True, slots=True)
class Repeatability:
    """``exact`` repeats the computation, ``shifted`` moves the sampling grid by a part of its step."""

    exact: Repeats
    shifted: Repeats


def repeatability(repeats: pd.DataFrame) -> Repeatability:
    """Per kind of repeat: how many, of how many recordings, how far scores moved, what decisions changed.

    A row whose repeat or original has no score gives no delta, but a changed decision where only one of them
    has. Where neither has one, nothing was measured, and the row does not count.
    Raises `StudyError` for a missing column or an unknown kind.
    """
    missing = sorted(set(REPEAT_COLUMNS) - set(repeats.columns))
    if missing:
        raise StudyError(
            f"repeats: lack the columns {missing}; make them again with `sopilot measure repeat`."
        )
    unknown = sorted(set(repeats["kind"]) - set(KINDS))
    if unknown:
        raise StudyError(f"repeats: unknown kinds {unknown}; expected {' or '.join(KINDS)}.")
    return Repeatability(*(_of_kind(repeats.loc[repeats["kind"] == kind]) for kind in KINDS))


def by_phase(repeats: pd.DataFrame) -> dict[float, Repeats]:
    """The shifted repeats of each phase alone, by its seconds, with the columns that `repeatability` wants: a
    part of the time between two samples shows other pictures, half the time between two clips also cuts them
    elsewhere.
    """
    shifted = repeats.loc[repeats["kind"] == SHIFTED]
    phases = sorted(set(shifted["phase_s"].to_numpy(dtype=np.float64).tolist()))
    return {phase: _of_kind(shifted.loc[shifted["phase_s"] == phase]) for phase in phases}


def _of_kind(rows: pd.DataFrame) -> Repeats:
    rows = rows.loc[rows["score"].notna() | rows["base_score"].notna()]
    again, before = (rows[name].to_numpy(dtype=np.float64) for name in ("score", "base_score"))
    deltas = np.abs(again - before)
    differs = rows["decision"].astype(str) != rows["base_decision"].astype(str)
    videos = int(rows["video_id"].nunique())
    changed = int(rows.loc[differs, "video_id"].nunique())
    probability = np.abs(
        rows["critical_probability"].to_numpy(dtype=np.float64)
        - rows["base_critical_probability"].to_numpy(dtype=np.float64)
    )
    mean, p90, largest = delta_figures(deltas[~np.isnan(deltas)])
    return Repeats(
        pairs=len(rows),
        videos=videos,
        mean_delta=mean,
        p90_delta=p90,
        max_delta=largest,
        max_probability_delta=_largest(probability[~np.isnan(probability)]),
        decision_changes=changed,
        decision_change_rate=changed / videos if videos else None,
        decision_change_rate_ci95=Bounds(*wilson(changed, videos)) if videos else None,
    )


def _largest(values: NDArray[np.float64]) -> float | None:
    return float(values.max()) if len(values) else None
