"""What repeats say: the old jitter over pairs, and changes under exact and shifted repeats."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from sopilot_assets.errors import StudyError
from sopilot_assets.old_rules.figures import Jitter, rescore_jitter
from sopilot_assets.studies.cases import case_frame
from sopilot_assets.studies.repeatability import REPEAT_COLUMNS, by_phase, repeatability


def scored(*rows: tuple[str, str, float]) -> pd.DataFrame:
    return case_frame(
        {"case_id": str(i), "order": i, "gold_id": gold, "video_id": video, "score": score}
        for i, (gold, video, score) in enumerate(rows)
    )


def test_jitter_is_the_range_of_each_pair_with_repeats() -> None:
    found = rescore_jitter(
        scored(("g", "a", 50), ("g", "b", 70), ("g", "a", 60), ("h", "a", 90), ("g", "b", 71), ("g", "a", 54))
    )
    assert found == Jitter(2, mean_delta=5.5, p90_delta=9.1, max_delta=10.0)


@pytest.mark.parametrize("rows", [(), (("g", "a", 50.0),), (("g", "a", 50.0), ("g", "a", math.nan))])
def test_without_repeats_there_is_no_jitter(rows: Any) -> None:
    assert rescore_jitter(scored(*rows)) == Jitter(0, None, None, None)


def repeat(kind: str, video: str, score: float, decision: str) -> dict[str, Any]:
    base = {"base_score": 80.0, "base_critical_probability": 0.1, "base_decision": "pass"}
    again = {"score": score, "critical_probability": 0.3, "decision": decision}
    return {
        "repeat_id": f"{kind}{video}{score}",
        "key": video,
        "phase_s": 0.1,
        "video_id": video,
        "kind": kind,
    } | (base | again)


def test_repeats_are_told_apart_by_kind() -> None:
    rows = [
        repeat("exact", "a", 80.0, "pass"),
        repeat("shifted", "a", 77.0, "pass"),
        repeat("shifted", "a", 81.0, "pass"),
        repeat("shifted", "b", math.nan, ""),
    ]
    found = repeatability(pd.DataFrame(rows))
    assert (found.exact.pairs, found.exact.max_delta, found.exact.decision_changes) == (
        1,
        0,
        0,
    )
    shifted = found.shifted
    assert (shifted.pairs, shifted.videos, shifted.mean_delta, shifted.max_delta) == (
        3,
        2,
        2.0,
        3.0,
    )
    assert shifted.decision_change_rate == pytest.approx(1 / 2)  # one of two recordings
    assert shifted.decision_change_rate_ci95.high > 0.7
    assert shifted.max_probability_delta == pytest.approx(0.2)


def test_a_kind_without_repeats_has_no_figures() -> None:
    found = repeatability(pd.DataFrame(columns=list(REPEAT_COLUMNS)))
    assert (found.shifted.pairs, found.shifted.max_delta) == (0, None)
    assert found.shifted.decision_change_rate_ci95 is None


def test_missing_columns_and_unknown_kinds_are_named() -> None:
    with pytest.raises(StudyError, match="phase_s"):
        repeatability(pd.DataFrame({"kind": ["exact"]}))
    with pytest.raises(StudyError, match="sideways"):
        repeatability(pd.DataFrame([repeat("sideways", "a", 1.0, "pass")]))


def test_each_shift_is_told_alone() -> None:
    rows = [
        repeat("exact", "a", 80.0, "pass") | {"phase_s": 0.0},
        repeat("shifted", "a", 77.0, "needs_review") | {"phase_s": 0.0625},
        repeat("shifted", "a", 81.0, "pass") | {"phase_s": 0.25},
        repeat("shifted", "b", 80.0, "fail") | {"phase_s": 0.25},
    ]
    found = by_phase(pd.DataFrame(rows))
    assert {phase: (one.videos, one.decision_changes, one.max_delta) for phase, one in found.items()} == {
        0.0625: (1, 1, 3.0),
        0.25: (2, 1, 1.0),
    }
