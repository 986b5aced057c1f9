"""The capture sensor, tick by tick, on real files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from sopilot_assets.capture.facts import withdraw_recordings
from sopilot_assets.capture.ledgers import quarantine_ledger, videos_ledger
from sopilot_assets.capture.registry import Recording, Registry
from sopilot_assets.capture.simulate.dataset import SimulatedSet
from sopilot_assets.defs.runs import RANGE_END, RANGE_START
from sopilot_assets.scoring.ledger import problem_row, scores_ledger
from sopilot_assets.stations.clip_embeddings import embeddings_ledger
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import TaskSpec, load_task
from sopilot_assets_tests.defs.conftest import Scored, Shop, drop

T0, T1, T2 = (f"2025-06-02T08:00:{second:02d}+00:00" for second in (0, 10, 20))
LATER = "2025-06-02T08:05:00+00:00"
AHEAD = "2025-06-03T08:00:00+00:00"


def batches(result: dg.SensorResult) -> list[tuple[str, str]]:
    """The first and last key of each run that a tick asked for."""
    return [(request.tags[RANGE_START], request.tags[RANGE_END]) for request in result.run_requests or []]


def record_run(shop: Shop, request: dg.RunRequest, status: dg.DagsterRunStatus) -> None:
    """A run as the daemon would have made it of a request."""
    job = shop.defs.resolve_job_def("score_new_recordings")
    shop.instance.create_run_for_job(job, tags=dict(request.tags), status=status)


def test_nothing_happens_in_an_empty_capture_folder(shop: Shop) -> None:
    result = shop.tick(now=T0)
    assert batches(result) == []
    assert shop.keys == []


def test_a_file_is_taken_in_when_two_ticks_see_the_same_and_one_run_is_asked_for(
    shop: Shop, tiny_set: SimulatedSet
) -> None:
    drop(shop.home, tiny_set.trainees[:1], "trainee")
    drop(shop.home, tiny_set.golds[:1], "gold")
    first = shop.tick(now=T0)
    assert (batches(first), shop.keys) == ([], [])
    second = shop.tick(now=T1, cursor=first.cursor)
    assert [key.split("-")[1] for key in shop.keys] == ["g", "t"]
    assert batches(second) == [(shop.keys[0], shop.keys[1])]
    assert list(shop.instance.get_dynamic_partitions("task")) == ["filter_change"]


def test_a_partition_that_somebody_deleted_comes_back(shop: Shop, tiny_set: SimulatedSet) -> None:
    drop(shop.home, tiny_set.trainees[:1], "trainee")
    second = shop.tick(now=T1, cursor=shop.tick(now=T0).cursor)
    shop.instance.delete_dynamic_partition("task", "filter_change")
    shop.tick(now=LATER, cursor=second.cursor)
    assert list(shop.instance.get_dynamic_partitions("task")) == ["filter_change"]


def test_a_run_that_was_made_and_never_handed_to_the_queue_is_asked_for_again(
    shop: Shop, tiny_set: SimulatedSet
) -> None:
    drop(shop.home, tiny_set.trainees[:1], "trainee")
    second = shop.tick(now=T1, cursor=shop.tick(now=T0).cursor)
    (request,) = second.run_requests or []
    record_run(shop, request, dg.DagsterRunStatus.NOT_STARTED)
    (again,) = shop.tick(now=LATER, cursor=second.cursor).run_requests or []
    assert again.run_key == request.run_key


def others_wait_for_one_that_grows(
    shop: Shop, tiny_set: SimulatedSet, *at: str
) -> tuple[Path, dg.SensorResult]:
    """Of two dropped files one grows until the last of these ticks, which asks for the run of the other."""
    growing, _ = drop(shop.home, tiny_set.trainees[:2], "trainee")
    whole = growing.read_bytes()
    found = dg.SensorResult()
    for number, now in enumerate(at):
        assert batches(found) == []
        growing.write_bytes(whole[: 1000 * (number + 1)])
        found = shop.tick(now=now, cursor=found.cursor)
    assert len(shop.keys) == 1
    assert batches(found) == [(shop.keys[0], shop.keys[0])]
    return growing, found


def test_a_file_that_still_grows_stays_and_the_others_wait_for_it_but_not_for_ever(
    shop: Shop, tiny_set: SimulatedSet
) -> None:
    growing, _ = others_wait_for_one_that_grows(shop, tiny_set, T0, T1, LATER)
    assert growing.exists()


def test_nothing_waits_until_a_clock_that_went_back_has_caught_up(shop: Shop, tiny_set: SimulatedSet) -> None:
    growing, third = others_wait_for_one_that_grows(shop, tiny_set, AHEAD, AHEAD, T0)
    growing.unlink()
    fourth = shop.tick(now=AHEAD, cursor=third.cursor)
    shop.instance.delete_dynamic_partition("task", "filter_change")
    shop.tick(now=T1, cursor=fourth.cursor)
    assert list(shop.instance.get_dynamic_partitions("task")) == ["filter_change"]


def test_a_bad_file_is_quarantined_and_the_good_one_of_the_same_drop_goes_on(
    shop: Shop, tiny_set: SimulatedSet
) -> None:
    good, bad = drop(shop.home, tiny_set.trainees[:2], "trainee")
    bad.write_bytes(b"this is text")
    second = shop.tick(now=T1, cursor=shop.tick(now=T0).cursor)
    assert len(batches(second)) == 1
    assert list(videos_ledger(shop.home).latest()["original_name"]) == [good.name]
    assert list(quarantine_ledger(shop.home).latest()["reason"]) == ["not_a_video"]


def test_a_tick_whose_time_is_up_leaves_the_rest_to_the_next_and_one_run_takes_all(
    shop: Shop, tiny_set: SimulatedSet
) -> None:
    drop(shop.home, tiny_set.trainees, "trainee")
    result = shop.tick(now=T0)
    for expected in (1, 2):
        result = shop.tick(now=T1, cursor=result.cursor, tick_s=0.001)
        assert (len(shop.keys), batches(result)) == (expected, [])
    result = shop.tick(now=T2, cursor=result.cursor, tick_s=0.001)
    assert batches(result) == [(shop.keys[0], shop.keys[2])]


def test_a_file_that_cannot_be_taken_in_does_not_use_up_every_tick(
    shop: Shop, tiny_set: SimulatedSet
) -> None:
    held = drop(shop.home, tiny_set.trainees, "trainee")[0]
    os.utime(held, (1e9, 1e9))
    result = shop.tick(now=T0)
    with held.open("ab"):  # its writer has it, so that it is left
        for _ in range(3):
            result = shop.tick(now=T1, cursor=result.cursor, tick_s=0.001)
        assert len(shop.keys) == len(tiny_set.trainees) - 1
    result = shop.tick(now=T1, cursor=result.cursor, tick_s=0.001)
    assert len(shop.keys) == len(tiny_set.trainees)


@pytest.mark.parametrize(("ledger", "launched"), [("labels", True), ("scores", False)])
def test_a_damaged_ledger_keeps_no_file_from_being_taken_in_and_the_tick_names_it(
    shop: Shop, tiny_set: SimulatedSet, ledger: str, launched: bool
) -> None:
    damaged = local_path(shop.home.ledgers) / ledger / "cut.parquet"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"PAR1")
    drop(shop.home, tiny_set.trainees[:1], "trainee")
    second = shop.tick(now=T1, cursor=shop.tick(now=T0).cursor)
    assert len(videos_ledger(shop.home).latest()) == len(shop.keys) == 1
    assert len(batches(second)) == launched
    third = shop.tick(now=T2, cursor=second.cursor)
    assert "cut.parquet: expected a whole Parquet file" in str(third.skip_reason)
    damaged.unlink()
    again = shop.tick(now=LATER, cursor=third.cursor)
    assert len(batches(again)) == 1


@pytest.mark.parametrize("forgotten", ["run", "keys"])
def test_a_crash_between_intake_and_launch_is_healed_by_a_later_tick(
    scored: Scored, tmp_path: Path, forgotten: str
) -> None:
    with scored.shop.copy(tmp_path) as shop:
        if forgotten == "keys":
            for key in shop.keys:
                shop.instance.delete_dynamic_partition("video", key)
        healed = shop.tick(now=T0)
        assert shop.keys == sorted(scored.shop.keys)
        assert batches(healed) == [(shop.keys[0], shop.keys[-1])]
        again = shop.tick(now=LATER)
        assert [r.run_key for r in again.run_requests or []] == [r.run_key for r in healed.run_requests or []]


def test_no_second_run_is_asked_for_while_one_is_in_flight(scored: Scored, tmp_path: Path) -> None:
    with scored.shop.copy(tmp_path) as shop:
        (request,) = shop.tick(now=T0).run_requests or []
        record_run(shop, request, dg.DagsterRunStatus.STARTED)
        assert batches(shop.tick(now=LATER)) == []


def test_a_failed_batch_is_tried_again_later_in_smaller_runs(scored: Scored, tmp_path: Path) -> None:
    with scored.shop.copy(tmp_path) as shop:
        (request,) = shop.tick(now=T0, batch_keys=8).run_requests or []
        record_run(shop, request, dg.DagsterRunStatus.FAILURE)
        soon, later = (datetime.now(UTC) + timedelta(seconds=wait) for wait in (5, 600))
        assert batches(shop.tick(now=soon.isoformat(), batch_keys=8)) == []
        keys = shop.keys
        assert batches(shop.tick(now=later.isoformat(), batch_keys=8)) == list(
            zip(keys[::2], keys[1::2], strict=True)
        )


def test_scored_recordings_are_left_alone(scored: Scored) -> None:
    assert batches(scored.shop.tick(now=LATER)) == []


def test_recordings_judged_before_their_task_had_a_reference_are_judged_again(
    scored: Scored, tmp_path: Path
) -> None:
    with scored.shop.copy(tmp_path) as shop:
        for key in shop.keys:
            shop.instance.report_runless_asset_event(dg.AssetMaterialization("scores", partition=key))
        assert batches(shop.tick(now=T0)) == []
        early = shop.keys[4]
        row = problem_row(
            recordings(shop.home)[PartitionKey.parse(early)], task(shop), None, "no reference yet"
        )
        scores_ledger(shop.home).append([row], run_id="early", written_at="2030-01-01T00:00:00+00:00")
        assert batches(shop.tick(now=T0)) == [(early, early)]


@pytest.mark.whole
@pytest.mark.parametrize("folder", ["embeddings", "references", "alignments"])
def test_what_a_full_disk_kept_from_being_scored_is_tried_again_and_scored(
    shop: Shop, tiny_set: SimulatedSet, folder: str
) -> None:
    blocked = local_path(shop.home.root) / folder
    blocked.write_bytes(b"")  # what nothing can be stored in stands for a disk without space
    drop(shop.home, tiny_set.golds, "gold")
    drop(shop.home, tiny_set.trainees[:1], "trainee")
    (request,) = shop.tick(now=T1, cursor=shop.tick(now=T0).cursor).run_requests or []
    start, end = request.tags[RANGE_START], request.tags[RANGE_END]
    assert not shop.run("score_new_recordings", start=start, end=end).success
    blocked.unlink()
    again = shop.tick(now=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    assert {key for batch in batches(again) for key in batch} >= {shop.keys[0], shop.keys[-1]}
    assert shop.run("score_new_recordings", start=start, end=end).success
    assert scores_ledger(shop.home).latest()["problem"].isna().all()


def test_a_recording_that_cannot_be_read_is_not_judged_again_for_ever(scored: Scored, tmp_path: Path) -> None:
    with scored.shop.copy(tmp_path) as shop:
        for key in shop.keys:
            shop.instance.report_runless_asset_event(dg.AssetMaterialization("scores", partition=key))
        unreadable = shop.keys[4]
        row = problem_row(
            recordings(shop.home)[PartitionKey.parse(unreadable)], task(shop), None, "unreadable"
        )
        scores_ledger(shop.home).append([row], run_id="early", written_at="2030-01-01T00:00:00+00:00")
        broken = {
            "key": unreadable,
            "model_id": "any",
            "clips": None,
            "reader": None,
            "problem": "unreadable",
        }
        embeddings_ledger(shop.home).append([broken], run_id="early", written_at="2030-01-01T00:00:00+00:00")
        assert batches(shop.tick(now=T0)) == []


def recordings(home: Home) -> Mapping[PartitionKey, Recording]:
    """The registered recordings."""
    return Registry.read(home).recordings


def task(shop: Shop) -> TaskSpec:
    """The shop's task."""
    return load_task(shop.home.tasks / "filter_change.yaml")


def test_while_there_is_too_little_disk_space_nothing_is_taken_in_or_launched_and_the_tick_says_so(
    shop: Shop, tiny_set: SimulatedSet
) -> None:
    settings = Path(str(shop.home.root)) / "settings.yaml"
    settings.write_text("disk: {warn_gib: 1000000, pause_gib: 1000000, resume_gib: 1000000}\n", "utf-8")
    (dropped,) = drop(shop.home, tiny_set.golds[:1], "gold")
    first = shop.tick(now=T0)
    second = shop.tick(now=T1, cursor=first.cursor)
    assert (batches(second), shop.keys, dropped.exists()) == ([], [], True)
    assert "intake is paused" in str(second.skip_reason)
    settings.unlink()
    third = shop.tick(now=T1, cursor=shop.tick(now=T0, cursor=second.cursor).cursor)
    assert (len(batches(third)), len(shop.keys), dropped.exists()) == (1, 1, False)


def test_a_sidecar_that_comes_after_its_recording_corrects_it_in_the_next_tick(
    scored: Scored, tmp_path: Path
) -> None:
    with scored.shop.copy(tmp_path) as shop:
        key = PartitionKey.parse(shop.keys[0])
        one = recordings(shop.home)[key]
        sidecar = local_path(shop.home.capture) / f"{one.capture_path}.json"
        sidecar.parent.mkdir(parents=True, exist_ok=True)
        sidecar.write_text('{"person": "p99"}')
        shop.tick(now=datetime.now(UTC).isoformat())
        assert (sidecar.exists(), recordings(shop.home)[key].person) == (True, one.person)
        shop.tick(now=(datetime.now(UTC) + timedelta(minutes=2)).isoformat())
        assert (sidecar.exists(), recordings(shop.home)[key].person) == (False, "p99")


def test_a_withdrawn_recording_gets_no_run(scored: Scored, tmp_path: Path) -> None:
    with scored.shop.copy(tmp_path) as shop:
        key, now = shop.keys[-1], datetime.now(UTC)
        withdraw_recordings(shop.home, [key], who="ann", why="not mine", at=now, run_id="test")
        assert batches(shop.tick(now=T0)) == [(shop.keys[0], shop.keys[-2])]
