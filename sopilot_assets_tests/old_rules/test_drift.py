"""The old index as it was."""

from __future__ import annotations

import numpy as np
import pytest

from sopilot_assets.old_rules.drift import halves_drift, quantile_psi


def test_the_same_values_have_no_drift() -> None:
    values = np.linspace(0, 1, 50)
    assert quantile_psi(values, values) == 0


def test_equal_values_have_no_drift() -> None:
    assert quantile_psi(np.full(30, 4.0), np.full(30, 4.0)) == 0


def test_values_with_few_quantiles_are_compared_in_equal_bins() -> None:
    found = quantile_psi(np.full(30, 0.0), np.full(30, 1.0))
    assert found == pytest.approx(2 * (1 - 1e-8) * np.log(1e8))


def test_halves_need_twenty_cases_each() -> None:
    values = np.linspace(0, 100, 39)
    flags = values > 50
    found = halves_drift(values, values / 100, values, flags)
    assert (found.reference_jobs, found.current_jobs) == (19, 20)
    assert (found.enabled, found.reason, found.score_psi) == (False, "insufficient_jobs", None)
    assert halves_drift(
        *(np.append(x, x[-1]) for x in (values, values, values)), np.append(flags, True)
    ).enabled


def test_an_unknown_cost_leaves_only_the_index_of_costs_out() -> None:
    values = np.linspace(0, 100, 60)
    costs = values.copy()
    costs[3] = np.nan
    found = halves_drift(values, values, costs, values > 50)
    assert found.dtw_normalized_cost_psi is None
    assert found.score_psi > 1
    assert found.critical_detected_rate_shift_abs == pytest.approx(1.0)
