"""Rescoring without partitions: the plan as a table, and one run for any selection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from sopilot_assets.defs.runs import NEW_KEYS, RANGE_END, RANGE_START
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.staleness import stale_scores
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets_tests.defs.conftest import NEXT_DAY, RecordedRun, Scored, Shop

LATE = "2025-06-02T12:00:00+00:00"


@pytest.fixture
def shop(scored: Scored, tmp_path: Path) -> Iterator[Shop]:
    """A scored shop that a test may change, a day later."""
    with scored.shop.copy(tmp_path) as copied:
        yield copied


def score_rows(shop: Shop) -> dict[str, dict[str, Cell]]:
    """The newest score row of each recording, without when and by which run it was written."""
    ledger = scores_ledger(shop.home)
    rows = plain_rows(ledger.latest())
    return {str(row["key"]): {name: row[name] for name in ledger.columns} for row in rows}


def make_older(shop: Shop, keys: Sequence[str], **changed: Cell) -> None:
    """Rows of these recordings as an older version of something would have written them."""
    rows = score_rows(shop)
    older = [rows[key] | changed for key in keys]
    scores_ledger(shop.home).append(older, run_id="older", written_at=LATE)


def unscore(shop: Shop) -> None:
    """The home as it was before anything was scored."""
    for file in scores_ledger(shop.home).files():
        Path(file).unlink()


def launch(shop: Shop, job: str = "rescore_stale", **selection: object) -> dg.ExecuteInProcessResult:
    """One run of a job that has no partitions."""
    config = {"ops": {"score_updates": {"config": selection}}} if selection else {}
    return shop.defs.resolve_job_def(job).execute_in_process(instance=shop.instance, run_config=config)


def materializations(
    shop: Shop, run: dg.ExecuteInProcessResult | RecordedRun, asset: str
) -> list[dg.AssetMaterialization]:
    """What a run recorded for an asset, by partition."""
    logs = shop.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    made = [entry.asset_materialization for entry in logs]
    mine = [one for one in made if one is not None and one.asset_key == dg.AssetKey(asset)]
    return sorted(mine, key=lambda one: one.partition or "")


def partitions(shop: Shop, run: dg.ExecuteInProcessResult, asset: str) -> list[str]:
    """The partitions of an asset that a run materialized, ascending."""
    return [str(one.partition) for one in materializations(shop, run, asset)]


def metadata(shop: Shop, run: dg.ExecuteInProcessResult, asset: str) -> Mapping[str, object]:
    """What a run says about an asset without partitions; a table as its rows."""
    (one,) = materializations(shop, run, asset)
    return {name: _plain(value) for name, value in one.metadata.items()}


def _plain(value: object) -> object:
    if isinstance(value, dg.TableMetadataValue):
        return [dict(record.data) for record in value.records]
    return getattr(value, "value", value)


def cell(value: Cell) -> Cell:
    """A value as it stands in a table: an unknown one is an empty cell."""
    return "" if value is None else value


def test_scattered_scores_are_brought_up_to_date_in_one_run_and_no_others(shop: Shop) -> None:
    before = score_rows(shop)
    old = [shop.keys[0], shop.keys[3], shop.keys[5]]
    make_older(shop, old, algorithm="older", score=1.0, decision="fail")
    run = launch(shop)
    assert run.success
    assert partitions(shop, run, "alignments") == partitions(shop, run, "scores") == old
    assert partitions(shop, run, "clip_embeddings") == partitions(shop, run, "captured_videos") == []
    assert stale_scores(shop.home).empty
    assert score_rows(shop) == before


def test_the_materializations_are_those_of_a_run_over_the_partitions(scored: Scored, shop: Shop) -> None:
    make_older(shop, shop.keys, algorithm="older")
    alone, ranged = launch(shop), scored.run
    for asset in ("alignments", "scores"):
        for here, there in zip(
            materializations(shop, alone, asset), materializations(scored.shop, ranged, asset), strict=True
        ):
            assert here.partition == there.partition
            assert set(here.metadata) == set(there.metadata)
            assert (here.tags or {})["dagster/code_version"] == (there.tags or {})["dagster/code_version"]
            assert set(here.tags or {}) == set(there.tags or {})


def test_what_was_brought_up_to_date_is_not_called_unsynced(shop: Shop) -> None:
    old = shop.keys[0]
    make_older(shop, [old], algorithm="older")
    assert launch(shop).success
    told = CachingStaleStatusResolver(
        shop.instance, shop.defs.resolve_asset_graph(), LoadingContextForTest(shop.instance)
    )
    causes = {
        asset: told.get_stale_causes(dg.AssetKey(asset), old)
        for asset in ("alignments", "scores", "step_times")
    }
    assert causes == {"alignments": [], "scores": [], "step_times": []}


def test_the_plan_and_the_update_say_why_and_what_became_of_it(shop: Shop) -> None:
    first, second = shop.keys[1], shop.keys[4]
    now = score_rows(shop)
    make_older(shop, [first], algorithm="older", reference_id="older", decision="fail", score=1.0)
    make_older(shop, [second], task_fingerprint="0" * 64)
    run = launch(shop)
    plan, update = metadata(shop, run, "rescoring_plan"), metadata(shop, run, "score_updates")
    assert (plan["stale"], plan["stale_algorithm"], plan["stale_task"]) == (2, 1, 1)
    assert (plan["runs"], plan["runs_as_a_backfill"]) == (1, 2)
    recordings = plan["recordings"]
    assert isinstance(recordings, list)
    assert [(row["key"], row["why"], row["also"], row["job"]) for row in recordings] == [
        (first, "algorithm", "reference", "rescore"),
        (second, "task", "", "rescore"),
    ]
    assert update["recordings"] == 2
    assert update["decisions_changed"] == (now[first]["decision"] != "fail")
    changed = update["changes"]
    assert isinstance(changed, list)
    assert [(row["key"], row["why"], row["score_before"], row["score"]) for row in changed] == [
        (first, "algorithm, reference", 1.0, cell(now[first]["score"])),
        (second, "task", cell(now[second]["score"]), cell(now[second]["score"])),
    ]


def test_the_checks_are_evaluated_after_the_update(shop: Shop) -> None:
    make_older(shop, shop.keys[:1], algorithm="older")
    run = launch(shop)
    verdicts = {one.check_name: one.passed for one in run.get_asset_check_evaluations()}
    assert verdicts["scores_are_current"]
    assert set(verdicts) == {
        "scores_are_current",
        "every_recording_has_a_row",
        "golds_pass",
        "enough_golds",
        "steps_are_confirmed",
        "reference_is_made",
    }


def test_a_plan_alone_changes_nothing(shop: Shop) -> None:
    make_older(shop, shop.keys[:2], algorithm="older")
    run = launch(shop, "plan_rescoring")
    assert metadata(shop, run, "rescoring_plan")["stale"] == 2
    assert len(stale_scores(shop.home)) == 2


def test_nothing_stale_is_a_run_that_does_nothing(shop: Shop) -> None:
    run = launch(shop)
    assert run.success
    assert partitions(shop, run, "scores") == []
    assert metadata(shop, run, "score_updates")["because"] == "nothing to do"
    assert metadata(shop, run, "rescoring_plan")["runs"] == 0


def test_a_selection_is_taken_by_name_up_to_date_or_not(shop: Shop) -> None:
    name = str(score_rows(shop)[shop.keys[4]]["original_name"])
    run = launch(shop, recordings=[shop.keys[1], name])
    assert partitions(shop, run, "scores") == [shop.keys[1], shop.keys[4]]


def test_new_recordings_go_all_the_way_and_are_named_while_the_run_is_at_work(
    scored: Scored, shop: Shop
) -> None:
    before = score_rows(shop)
    unscore(shop)
    run = launch(shop)
    for asset in ("captured_videos", "clip_embeddings", "alignments", "scores", "step_times"):
        assert partitions(shop, run, asset) == shop.keys
    assert score_rows(shop) == before
    record = shop.instance.get_run_by_id(run.run_id)
    assert record is not None
    assert record.tags[NEW_KEYS] == f"{shop.keys[0]}...{shop.keys[-1]}"


def test_the_sensor_leaves_alone_what_an_update_is_at_work_on(shop: Shop) -> None:
    unscore(shop)
    job = shop.defs.resolve_job_def("rescore_stale")
    held = f"{shop.keys[0]}...{shop.keys[1]},{shop.keys[3]}...{shop.keys[5]}"
    shop.instance.create_run_for_job(job, tags={NEW_KEYS: held}, status=dg.DagsterRunStatus.STARTED)
    (request,) = shop.tick(now=NEXT_DAY).run_requests or []
    assert (request.tags[RANGE_START], request.tags[RANGE_END]) == (shop.keys[2], shop.keys[2])


def test_an_update_leaves_alone_what_another_run_is_at_work_on(shop: Shop) -> None:
    make_older(shop, shop.keys, algorithm="older")
    job = shop.defs.resolve_job_def("score_new_recordings")
    held = {RANGE_START: shop.keys[0], RANGE_END: shop.keys[3]}
    shop.instance.create_run_for_job(job, tags=held, status=dg.DagsterRunStatus.STARTED)
    run = launch(shop)
    assert metadata(shop, run, "rescoring_plan")["at_work_in_other_runs"] == 4
    assert partitions(shop, run, "scores") == shop.keys[4:]
