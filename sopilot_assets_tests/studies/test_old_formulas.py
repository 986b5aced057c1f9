"""On random data our figures, sweep and fit equal those of an independent plain-Python implementation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks import _old_formulas as old
from benchmarks._old_jobs import case_rows, random_jobs
from sopilot_assets.studies.cases import case_frame
from sopilot_assets.studies.detectors import MODES, Guardrails
from sopilot_assets.studies.grid import fit_grid
from sopilot_assets.studies.metrics import figures, old_outcome
from sopilot_assets.studies.sweep import threshold_sweep

MADE = st.fixed_dictionaries(
    {
        "n": st.integers(0, 90),
        "seed": st.integers(0, 10**9),
        "golds": st.integers(1, 4),
        "trainees": st.integers(1, 40),
    }
)
"""What `random_jobs` takes: failures print as the few numbers that make them."""

LIMIT = st.one_of(st.none(), st.sampled_from((0.05, 0.1, 0.15, 0.3)))


def same(ours: Any, theirs: Any) -> bool:
    """Whether nested figures agree to 2e-6: both are rounded to 6 digits."""
    if isinstance(theirs, dict):
        return set(ours) == set(theirs) and all(same(ours[key], theirs[key]) for key in theirs)
    if isinstance(theirs, float) and isinstance(ours, float):
        return ours == pytest.approx(theirs, abs=2e-6)
    return bool(ours == theirs)


@settings(max_examples=100, deadline=None)
@given(made=MADE, mode=st.sampled_from(MODES), threshold=st.sampled_from((0.0, 0.37, 0.5, 1.0)))
def test_figures_are_those_of_the_old_formulas(made: dict[str, int], mode: str, threshold: float) -> None:
    jobs = random_jobs(**made)
    limits = {"min_dtw": 0.03, "distance": 0.1, "span": 1.4}
    cases = case_frame(case_rows(jobs))
    guardrails = Guardrails(min_dtw_v1=0.03, max_distance=0.1, max_span=1.4)
    ours = figures(cases, old_outcome(cases, mode, threshold=threshold, guardrails=guardrails))
    theirs = old.metrics(jobs, mode, threshold=threshold, limits=limits)
    assert {name for name in theirs if not same(ours[name], theirs[name])} == set()


@settings(max_examples=40, deadline=None)
@given(made=MADE, max_miss=LIMIT, max_fpr=LIMIT)
def test_the_sweep_is_that_of_the_old_formulas(
    made: dict[str, int], max_miss: float | None, max_fpr: float | None
) -> None:
    jobs = random_jobs(**made)
    ours = threshold_sweep(case_frame(case_rows(jobs)), max_miss=max_miss, max_fpr=max_fpr)
    theirs = old.sweep(jobs, max_miss, max_fpr)
    assert same(ours["recommended"], theirs["recommended"])
    for row, plain in zip(ours["rows"], theirs["rows"], strict=True):
        assert same({name: row[name] for name in plain}, plain)


@settings(max_examples=10, deadline=None)
@given(made=MADE, max_miss=LIMIT, max_fpr=LIMIT, bounds=st.booleans())
def test_the_fit_is_that_of_the_old_formulas(
    made: dict[str, int], max_miss: float | None, max_fpr: float | None, bounds: bool
) -> None:
    jobs = random_jobs(**made)
    assume(any(job["expected"] is not None for job in jobs))
    highs = (0.1, 0.2) if bounds else (None, None)
    ours = fit_grid(
        case_frame(case_rows(jobs)), max_miss=max_miss, max_fpr=max_fpr,
        intervals=bounds, max_miss_high=highs[0], max_fpr_high=highs[1],
    )[0]  # fmt: skip
    theirs = old.fit(jobs, max_miss=max_miss, max_fpr=max_fpr, max_miss_high=highs[0], max_fpr_high=highs[1])
    assert (ours.min_dtw, ours.max_distance, ours.max_span) == (
        theirs["min_dtw"],
        theirs["distance"],
        theirs["span"],
    )
    assert ours.violation == pytest.approx(theirs["violation"], abs=2e-6)
