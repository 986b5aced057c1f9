"""A batch of recordings through the job, on real files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from sopilot_assets.capture.registry import Registry
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.scoring.result import Decision
from sopilot_assets.stations.scores import score_videos
from sopilot_assets.stations.staleness import stale_scores
from sopilot_assets.store.home import PartitionKey
from sopilot_assets.tasks import load_task
from sopilot_assets_tests.defs.conftest import NEXT_DAY, RecordedRun, Scored

VIDEO_ASSETS = ("captured_videos", "clip_embeddings", "alignments", "scores", "step_times")


def materializations(
    run: dg.ExecuteInProcessResult | RecordedRun, asset: str
) -> dict[str, Mapping[str, dg.MetadataValue[object]]]:
    """The metadata of each partition that an asset materialized in a run."""
    events = [
        event.event_specific_data.materialization for event in run.all_events if event.is_step_materialization
    ]  # type: ignore[union-attr]
    found = [event for event in events if event.asset_key == dg.AssetKey(asset)]
    assert Counter(event.partition for event in found).most_common(1)[0][1] == 1
    return {str(event.partition): event.metadata for event in found}


def test_a_drop_of_golds_and_trainees_is_scored_in_one_run(scored: Scored) -> None:
    rows = scores_ledger(scored.shop.home).latest()
    assert scored.run.success
    assert sorted(rows["key"]) == sorted(scored.shop.keys)
    assert len(rows) == 6
    assert set(rows["run_id"]) == {scored.run.run_id}
    assert rows["problem"].isna().all()
    assert set(rows["decision"]) <= set(Decision)


def test_every_asset_materializes_every_partition_once(scored: Scored) -> None:
    for asset in VIDEO_ASSETS:
        assert sorted(materializations(scored.run, asset)) == sorted(scored.shop.keys)


def test_the_reference_of_new_golds_is_recorded_in_the_same_run(scored: Scored) -> None:
    (partition,) = (references := materializations(scored.run, "gold_references"))
    assert partition == "filter_change"
    assert references[partition]["golds"].value == 3
    steps = references[partition]["steps"]
    assert isinstance(steps, dg.TableMetadataValue)
    assert [record.data["step"] for record in steps.records] == list(
        load_task(scored.shop.home.tasks / "filter_change.yaml").step_ids
    )


def test_each_score_shows_its_figures_picture_table_and_page(scored: Scored) -> None:
    rows = scores_ledger(scored.shop.home).latest().set_index("key")
    for key, metadata in materializations(scored.run, "scores").items():
        row = rows.loc[key]
        assert ("score" in metadata) == (row["decision"] != Decision.NOT_VERIFIABLE)
        if "score" in metadata:
            assert metadata["score"].value == str(round(row["score"], 6))
            low, score, high = (float(metadata[name].value) for name in ("score_low", "score", "score_high"))
            assert low <= score <= high
        # a line through recordings, which have no order, would say nothing: the UI plots numbers
        assert not any(
            isinstance(one, dg.FloatMetadataValue | dg.IntMetadataValue) for one in metadata.values()
        )
        assert metadata["decision"].value == rows.loc[key, "decision"]
        assert {"critical_probability", "log_odds"} <= set(metadata)
        assert str(metadata["picture"].value).startswith(f"![{key}](data:image/png;base64,")
        assert (
            Path(str(metadata["review_page"].value)).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
        )
        assert metadata["review_link"].value == f"/reviews/{key}.html"
        assert metadata["file"].value == row["original_name"]
        shown = json.loads(rows.loc[key, "deviations"]) + json.loads(rows.loc[key, "suspected"])
        assert ("deviations" in metadata) == bool(shown)
        assert metadata["cause"].value == rows.loc[key, "cause"]


def test_the_checks_are_evaluated_once_for_the_whole_batch(scored: Scored) -> None:
    evaluations = scored.run.get_asset_check_evaluations()
    counts = Counter(evaluation.check_name for evaluation in evaluations)
    assert set(counts.values()) == {1}
    assert len(counts) == 10
    assert {e.check_name for e in evaluations if not e.passed} <= {"golds_pass", "enough_golds"}


def test_one_partition_can_be_scored_again_and_gives_the_same_row(scored: Scored) -> None:
    before = scores_ledger(scored.shop.home).latest()
    again = scored.shop.defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=scored.shop.instance,
        partition_key=scored.shop.keys[4],
        asset_selection=[dg.AssetKey("alignments"), dg.AssetKey("scores")],
    )
    assert list(materializations(again, "scores")) == [scored.shop.keys[4]]
    assert scores_ledger(scored.shop.home).latest().equals(before)


def test_a_reference_can_be_made_by_hand(scored: Scored) -> None:
    run = scored.shop.defs.resolve_job_def("rebuild_references").execute_in_process(
        instance=scored.shop.instance, partition_key="filter_change"
    )
    assert materializations(run, "gold_references")["filter_change"]["golds"].value == 3


def test_what_a_row_says_does_not_depend_on_where_the_home_lies(scored: Scored, tmp_path: Path) -> None:
    rows = []
    for place in ("here", "elsewhere"):
        with scored.shop.copy(tmp_path / place) as shop:
            key = next(key for key in shop.keys if "-t-" in key)
            (alignment,) = Path(str(shop.home.root)).glob(f"alignments/*/{key.rpartition('-')[2]}.npz")
            alignment.unlink()
            score_videos(shop.home, [PartitionKey.parse(key)], run_id="again", written_at=NEXT_DAY)
            rows.append(scores_ledger(shop.home).latest().set_index("key").loc[key])
    assert rows[0]["problem"].startswith("alignments/")
    assert rows[0]["row_id"] == rows[1]["row_id"]


def test_a_recording_that_became_unreadable_is_a_row_with_a_reason_and_the_others_go_on(
    scored: Scored, tmp_path: Path
) -> None:
    with scored.shop.copy(tmp_path) as shop:
        victim = shop.keys[3]
        entry = Registry.read(shop.home).active()[victim]
        Path(str(shop.home.videos / entry.stored_name)).write_bytes(b"not a video any more")
        for embedding in Path(str(shop.home.root / "embeddings")).rglob(f"{victim[-12:]}.npz"):
            embedding.unlink()
        run = shop.run("score_new_recordings", start=shop.keys[0], end=shop.keys[-1])
        metadata = materializations(run, "scores")
        rows = scores_ledger(shop.home).latest().set_index("key")
        assert run.success
        assert [key for key in shop.keys if "problem" in metadata[key]] == [victim]
        assert str(shop.home.root) not in rows.loc[victim, "problem"]
        assert rows["problem"].isna().sum() == 5
        assert stale_scores(shop.home).empty
