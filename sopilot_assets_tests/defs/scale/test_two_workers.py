"""Two workers share a backfill, one of them is killed, and nothing is lost or doubled."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import dagster as dg
import psutil
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES, BulkActionStatus

from sopilot_assets.capture.registry import active_keys
from sopilot_assets.defs.recordings.alignments import alignments
from sopilot_assets.defs.recordings.captured_videos import captured_videos
from sopilot_assets.defs.recordings.clip_embeddings import clip_embeddings
from sopilot_assets.defs.recordings.scores import scores
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import BOOKKEEPING
from sopilot_assets.store.publish import TEMPORARY_PREFIX
from sopilot_assets.store.shared import FETCHED, PULLED, shared_home
from sopilot_assets_tests.defs.scale.cluster import Cluster, cluster, kill_hard
from sopilot_assets_tests.defs.scale.engines import engines
from sopilot_assets_tests.store.object_store import object_store

pytestmark = pytest.mark.whole

STATIONS = (captured_videos, clip_embeddings, alignments, scores)


def unscored_copy(scored: Home, keys: list[str], folder: Path) -> Home:
    """A copy of a scored home without anything about the trainees of ``keys`` but their videos; golds lack
    their alignments.
    """
    home = Home.at(shutil.copytree(str(scored.root), folder / "main"))
    root = Path(str(home.root))
    shutil.rmtree(root / "alignments")
    (root / "reviews" / "index.html").unlink()
    trainees = [key for key in keys if "-t-" in key]
    for key in trainees:
        (root / "reviews" / f"{key}.html").unlink()
        (embedding,) = (root / "embeddings").rglob(f"{key[-12:]}.npz")
        embedding.unlink()
    (ledger,) = scores_ledger(home).files()
    rows = pq.read_table(ledger)
    pq.write_table(rows.filter(~pc.field("key").isin(trainees)), ledger)
    return home


def results(home: Home, keys: list[str]) -> dict[str, bytes]:
    """Every result of the stations for the recordings, by its path below the home."""
    root = Path(str(home.root))
    folders = ("embeddings", "references", "alignments", "reviews", "videos")
    paths = (path for folder in folders for path in (root / folder).rglob("*") if path.is_file())
    others = {key[-12:] for key in active_keys(home)} - {key[-12:] for key in keys}
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in paths
        if not any(other in path.name for other in others)
    }


def rows(home: Home, keys: list[str]) -> list[dict[str, str]]:
    """Every row of the recordings' scores, without who wrote it when."""
    frame = scores_ledger(home).all_rows().drop(columns=list(BOOKKEEPING)).sort_values("key")
    return frame[frame["key"].isin(keys)].astype(str).to_dict("records")


def test_two_workers_drain_a_backfill_and_one_is_killed(
    original: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a gold and two trainees: enough for a worker to be at its second run while the other one does its first
    keys = sorted(active_keys(original))[2:5]
    home = unscored_copy(original, keys, tmp_path)
    with (
        engines() as servers,
        object_store(monkeypatch) as store,
        cluster(
            home, servers, store, folder=tmp_path, monkeypatch=monkeypatch, SOPILOT_BACKFILL_KEYS="1"
        ) as machines,
        machines.worker("one") as one,
        machines.worker("two") as two,
    ):
        backfill = machines.backfill(keys, STATIONS)
        with machines.daemon():
            busy = machines.wait("a worker at its second run", lambda: at_second_run(machines))
            name, lost = busy[0]
            orphans = kill_hard({"one": one, "two": two}[name])
            machines.wait("the backfill drained", lambda: is_over(machines, backfill))
        assert psutil.wait_procs(orphans, timeout=1)[1] == []
        assert status(machines, backfill) == BulkActionStatus.COMPLETED_SUCCESS, machines.last_words()
        assert_one_run_was_lost_and_made_up_for(machines, lost)
        assert done_by(machines, "one")
        assert done_by(machines, "two")
        assert materialized(machines) == set(keys)
        fetch_everything(home)
    assert rows(home, keys) == rows(original, keys)
    assert len(rows(home, keys)) == len(keys)
    assert results(home, keys) == results(original, keys)
    assert not list(Path(str(home.root)).rglob(f"{TEMPORARY_PREFIX}*"))


def fetch_everything(home: Home) -> None:
    """All that the machines wrote, in the first one's home."""
    shared = shared_home(Path(str(home.ledgers)) / "x")
    assert shared is not None
    shared.pull([*PULLED, *FETCHED])


def at_second_run(machines: Cluster) -> list[tuple[str, str]]:
    """The workers that have done a run and are at work on another, and that run."""
    taken = machines.takers()
    status = {run.run_id: run.status for run in machines.runs()}
    return [
        (worker, run_id)
        for worker, runs in sorted(taken.items())
        for run_id in runs
        if status[run_id] == dg.DagsterRunStatus.STARTED
        and any(status[other] == dg.DagsterRunStatus.SUCCESS for other in runs)
    ]


def done_by(machines: Cluster, worker: str) -> list[str]:
    """The runs that a worker finished."""
    done = {run.run_id for run in machines.runs(dg.DagsterRunStatus.SUCCESS)}
    return sorted(done & set(machines.takers().get(worker, [])))


def status(machines: Cluster, backfill_id: str) -> BulkActionStatus:
    backfill = machines.instance.get_backfill(backfill_id)
    assert backfill is not None
    return backfill.status


def is_over(machines: Cluster, backfill_id: str) -> bool:
    return status(machines, backfill_id) in BULK_ACTION_TERMINAL_STATUSES


def assert_one_run_was_lost_and_made_up_for(machines: Cluster, lost: str) -> None:
    """The killed worker's run failed, and its retry covered the same recording."""
    (failed,) = machines.runs(dg.DagsterRunStatus.FAILURE)
    (retry,) = (run for run in machines.runs() if run.parent_run_id == lost)
    assert failed.run_id == lost
    assert retry.status == dg.DagsterRunStatus.SUCCESS
    assert keys_of(retry) == keys_of(failed)
    done = Counter(keys_of(run) for run in machines.runs(dg.DagsterRunStatus.SUCCESS))
    assert set(done.values()) == {1}


def keys_of(run: dg.DagsterRun) -> str:
    """The recordings of a run: its partition or the range of them."""
    names = ("dagster/partition", "dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
    return " ".join(run.tags.get(name, "") for name in names).strip()


def materialized(machines: Cluster) -> set[str]:
    """The recordings that every station materialized."""
    found = [machines.instance.get_materialized_partitions(station.key) for station in STATIONS]
    return set.intersection(*found)
