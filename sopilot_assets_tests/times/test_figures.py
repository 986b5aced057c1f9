"""Figures of times are what pandas makes of the ledgers' files, whatever they are made for."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pytest

from sopilot_assets.store.home import Home
from sopilot_assets.times.figures import (
    GroupBy,
    TimesFilter,
    cycle_figures,
    filtered,
    sites,
    step_figures,
    weeks,
)
from sopilot_assets.times.reading import Times
from sopilot_assets_tests.times import by_pandas


def assert_same(found: pd.DataFrame, expected: pd.DataFrame, by: Sequence[GroupBy]) -> None:
    """The same figures for the same groups, to the seventh digit."""
    mine = found.set_index([one.value for one in by])[list(expected.columns)].sort_index()
    both = mine.astype("float64"), expected.astype("float64").sort_index()
    theirs = both[1].copy()
    sums = ["recordings", "n"]
    if "waiting_n" in theirs:
        sums += ["rework_n", "rework_s", "waiting_n", "waiting_s"]
    theirs[sums] = theirs[sums].fillna(0.0)  # nothing of it in any row
    pd.testing.assert_frame_equal(
        both[0].reset_index(), theirs.reset_index(), check_dtype=False, check_index_type=False, rtol=1e-7
    )


@pytest.mark.parametrize(
    "by",
    [(GroupBy.SITE,), (GroupBy.PERSON,), (GroupBy.WEEK,), (GroupBy.TASK,), (GroupBy.SITE, GroupBy.WEEK)],
    ids="_".join,
)
def test_cycles_are_what_pandas_says(crowd: Home, times: Times, by: tuple[GroupBy, ...]) -> None:
    assert_same(cycle_figures(times, by=by), by_pandas.cycles(crowd, by), by)


@pytest.mark.parametrize(
    "by", [(GroupBy.STEP,), (GroupBy.STEP, GroupBy.SITE), (GroupBy.STEP, GroupBy.WEEK)], ids="_".join
)
def test_steps_are_what_pandas_says(crowd: Home, times: Times, by: tuple[GroupBy, ...]) -> None:
    found = step_figures(times, by=by).dropna(subset=["step_id"])
    assert_same(found, by_pandas.steps(crowd, by), by)


def test_a_filter_keeps_what_it_names(times: Times) -> None:
    every, since = weeks(times), weeks(times)[3]
    one = TimesFilter(task="filter_change", site="line1", since=since)
    kept = filtered(times.cycles, one)
    assert set(kept["site"]) == {"line1"}
    assert sorted(set(kept["week"])) == sorted(
        week for week in every if week >= since and week in set(kept["week"])
    )
    assert int(cycle_figures(times, one)["recordings"].iloc[0]) == len(kept)
    assert cycle_figures(times, TimesFilter(task="tea"))["recordings"].iloc[0] == 0
    assert sites(times) == ("line0", "line1", "line2", "site_a")


def test_no_figure_for_nobody_and_no_spread_of_one(times: Times) -> None:
    nobody = cycle_figures(times, TimesFilter(person="nobody")).iloc[0]
    assert nobody["n"] == 0
    assert nobody[["mean_s", "sd_s", "first_share"]].isna().all()
    alone = step_figures(times, by=(GroupBy.STEP, GroupBy.PERSON, GroupBy.WEEK))
    assert alone[alone["n"] == 1]["sd_s"].isna().all()


def test_a_persons_first_attempt_is_the_first_that_could_be_verified(times: Times) -> None:
    cycles = times.cycles.to_pandas()
    unclear = cycles["decision"] == "not_verifiable"
    assert cycles[unclear | cycles["person"].isna()]["attempt"].isna().all()
    for _, own in cycles[~unclear & cycles["person"].notna()].groupby("person"):
        assert list(own.sort_values(["made_at", "key"])["attempt"]) == list(range(1, len(own) + 1))
