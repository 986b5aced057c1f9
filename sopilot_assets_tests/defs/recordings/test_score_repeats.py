"""Repeats launched without the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sopilot_assets.stations.score_repeats import repeats_ledger
from sopilot_assets_tests.defs.conftest import Scored, Shop


@pytest.fixture
def shop(scored: Scored, tmp_path: Path) -> Iterator[Shop]:
    """A scored shop that a test may add to."""
    with scored.shop.copy(tmp_path) as copied:
        yield copied


def test_an_exact_repeat_of_a_chosen_recording_is_measured_and_kept(shop: Shop) -> None:
    chosen = shop.keys[-1]
    config = {"recordings": [chosen], "phases_s": [0.0]}
    run = shop.defs.resolve_job_def("repeat_scores").execute_in_process(
        instance=shop.instance, run_config={"ops": {"score_repeats": {"config": config}}}
    )
    assert run.success
    (row,) = repeats_ledger(shop.home).latest().to_dict("records")
    assert (row["key"], row["kind"], row["run_id"]) == (chosen, "exact", run.run_id)
    assert row["decision"] == row["base_decision"]
