"""A batch of recordings through the job, on real files."""

from __future__ import annotations

from collections import Counter

import dagster as dg
import pytest

from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets_tests.defs.conftest import Shop

VIDEO_ASSETS = ("captured_videos", "clip_embeddings", "alignments", "scores")


@pytest.fixture
def batch(scored: tuple[Shop, dg.ExecuteInProcessResult]) -> dg.ExecuteInProcessResult:
    return scored[1]


def test_a_drop_of_golds_and_trainees_is_scored_in_one_run(
    scored: tuple[Shop, dg.ExecuteInProcessResult],
) -> None:
    shop, run = scored
    rows = scores_ledger(shop.home).latest()
    assert run.success
    assert sorted(rows["key"]) == sorted(shop.keys)
    assert set(rows["run_id"]) == {run.run_id}
    assert rows["score"].notna().all()


def test_every_partition_is_materialized_exactly_once_by_each_asset(
    scored: tuple[Shop, dg.ExecuteInProcessResult],
) -> None:
    shop, run = scored
    for asset in VIDEO_ASSETS:
        counts = Counter(event.partition for event in run.asset_materializations_for_node(asset))
        assert counts == dict.fromkeys(shop.keys, 1) | ({"filter_change": 1} if asset == "alignments" else {})
