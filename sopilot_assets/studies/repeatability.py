"""How much a score changes when nothing but the computation, or the sampling phase, changes."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sopilot_assets.errors import StudyError
from sopilot_assets.studies.intervals import wilson

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

_DELTA_NAMES: Final = ("mean_delta", "p90_delta", "max_delta")


def rescore_jitter(cases: pd.DataFrame) -> dict[str, Any]:
    """The old system's jitter: how far scores of one gold and trainee recording lie apart (max - min).

    Only pairs with two or more cases count; the deltas are None where there are none.
    """
    scored = cases.loc[(cases["problem"] == "") & cases["score"].notna()]
    pair = scored.groupby(["gold_id", "video_id"], sort=False).ngroup().to_numpy()
    order = np.argsort(pair, kind="stable")
    values = scored["score"].to_numpy(dtype=np.float64)[order]
    sizes = np.bincount(pair) if len(pair) else np.zeros(0, dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64) if len(sizes) else sizes
    deltas = (
        np.maximum.reduceat(values, starts) - np.minimum.reduceat(values, starts) if len(sizes) else values
    )
    repeated = deltas[sizes >= 2]
    return {"num_pairs_with_repeats": len(repeated), **_deltas(repeated)}


def repeatability(repeats: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Per kind of repeat: how many, of how many recordings, how far scores moved, what decisions changed.

    ``decision_changes`` counts recordings that any of their repeats decides otherwise, and the rate is over
    recordings, since repeats of one recording are not independent.

    ``exact`` repeats the computation, ``shifted`` moves the sampling grid by a part of its step. A row whose
    repeat or original has no score gives no delta, but a changed decision where only one of them has. Where
    neither has one, nothing was measured, and the row does not count.
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
    return {kind: _of_kind(repeats.loc[repeats["kind"] == kind]) for kind in KINDS}


def _of_kind(rows: pd.DataFrame) -> dict[str, Any]:
    rows = rows.loc[rows["score"].notna() | rows["base_score"].notna()]
    again, before = (rows[name].to_numpy(dtype=np.float64) for name in ("score", "base_score"))
    deltas = np.abs(again - before)
    differs = rows["decision"].astype(str) != rows["base_decision"].astype(str)
    videos = int(rows["video_id"].nunique())
    changed = int(rows.loc[differs, "video_id"].nunique())
    low, high = wilson(changed, videos)
    probability = np.abs(
        rows["critical_probability"].to_numpy(dtype=np.float64)
        - rows["base_critical_probability"].to_numpy(dtype=np.float64)
    )
    return {
        "pairs": len(rows),
        "videos": videos,
        **_deltas(deltas[~np.isnan(deltas)]),
        "max_probability_delta": _largest(probability[~np.isnan(probability)]),
        "decision_changes": changed,
        "decision_change_rate": changed / videos if videos else None,
        "decision_change_rate_ci95": {"low": low, "high": high} if videos else None,
    }


def _deltas(deltas: NDArray[np.float64]) -> dict[str, float | None]:
    if not len(deltas):
        return dict.fromkeys(_DELTA_NAMES)
    figures = (deltas.mean(), np.percentile(deltas, 90), deltas.max())
    return {name: float(value) for name, value in zip(_DELTA_NAMES, figures, strict=True)}


def _largest(values: NDArray[np.float64]) -> float | None:
    return float(values.max()) if len(values) else None
