"""A home that an earlier version made opens in this one, and what it decided is read as it was written."""

from __future__ import annotations

import html
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest

from sopilot_assets.defs.instance import local_instance
from sopilot_assets.defs.recordings.scores import scores
from sopilot_assets.labels.chain import labels_chain
from sopilot_assets.store.home import Home
from sopilot_assets.store.home_format import FORMAT_FILE
from sopilot_assets.store.publish import local_path
from sopilot_assets_tests.cli.running import rows, sopilot
from sopilot_assets_tests.desk.conftest import signed_in
from sopilot_assets_tests.soak.same import torn_databases
from sopilot_assets_tests.upkeep.upgrade.tree import content

KEPT = sorted((Path(__file__).parent / "data").glob("home_*.tar.xz"))
"""One for each version that wrote a format; how they were made is said beside them."""
DECISIONS = {"not_verifiable": 6, "fail": 3}


@pytest.fixture(scope="module", params=KEPT, ids=lambda path: path.name.split(".")[0])
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    with tarfile.open(request.param) as archive:
        archive.extractall(folder, filter="data")
    return folder / "home"


@pytest.fixture
def home(kept: Path, tmp_path: Path) -> Home:
    return Home.at(shutil.copytree(kept, tmp_path / "home"))


def written(root: Path) -> dict[str, tuple[object, ...]]:
    """Decision, score and reason of each recording, as the earlier version wrote them."""
    files = sorted((root / "ledgers" / "scores").glob("*.parquet"))
    found = [row for path in files for row in pq.ParquetFile(path).read().to_pylist()]
    return {
        str(row["key"]): (row["decision"], row["score"], row["reason_en"], row["reason_ja"]) for row in found
    }


def listed(home: Home) -> dict[str, tuple[object, ...]]:
    return {
        str(row["key"]): (row["decision"], row["score"], row["reason_en"], row["reason_ja"])
        for row in rows(home, "score", "list")
    }


def reads_all(home: Home) -> None:
    """Everything that people look at of what was decided."""
    root = local_path(home.root)
    assert listed(home) == written(root)
    counts = [decision for decision, *_ in listed(home).values()]
    assert {one: counts.count(one) for one in counts} == DECISIONS
    key = next(key for key, (decision, *_) in listed(home).items() if decision == "fail")
    assert "“Wipe the seat” is missing" in sopilot(home, "recording", "show", key).stdout
    dossier = next((root / "dossiers" / "spring").glob("spring-*"))
    sopilot(home, "dossier", "verify", dossier)
    alone = subprocess.run(
        [sys.executable, "-I", "verify.py"], cwd=dossier, capture_output=True, text=True, check=False
    )
    assert alone.returncode == 0, alone.stdout
    assert len(labels_chain(home).read("filter_change")) == 12
    assert torn_databases(root) == []


def test_what_it_decided_is_read_without_any_upgrade_and_nothing_is_written(home: Home) -> None:
    before = content(local_path(home.root))
    reads_all(home)
    assert content(local_path(home.root)) == before


def test_it_is_upgraded_and_taken_back(home: Home) -> None:
    root = local_path(home.root)
    before = content(root)
    checked = sopilot(home, "upgrade", "check", exit_code=3).stdout
    assert "9 of 9 are stale under this version (9 algorithm)" in " ".join(checked.split())
    assert content(root) == before
    assert "is of format 2 now, before 1" in sopilot(home, "upgrade", "run").stdout
    after = content(root)
    assert {name for name in before | after if before.get(name) != after.get(name)} == {FORMAT_FILE}
    sopilot(home, "upgrade", "check")
    assert "Nothing to do" in sopilot(home, "upgrade", "run").stdout
    reads_all(home)
    assert "is of format 1 again" in sopilot(home, "upgrade", "revert").stdout
    assert content(root) == before


def test_its_history_in_dagster_is_shown(home: Home) -> None:
    sopilot(home, "upgrade", "run")
    with local_instance(home) as instance:
        runs = {run.job_name: run.status for run in instance.get_runs()}
        assert runs == dict.fromkeys(("score_new_recordings", "evidence_chain"), dg.DagsterRunStatus.SUCCESS)
        assert instance.get_materialized_partitions(scores.key) == set(written(local_path(home.root)))
        newest = instance.get_latest_materialization_event(scores.key)
        assert newest is not None
        assert newest.asset_materialization is not None
        assert "decision" in newest.asset_materialization.metadata


def test_the_desk_shows_its_recordings(home: Home) -> None:
    (alignment,) = local_path(home.root).glob("alignments/*/*.npz")  # the one that was kept
    key = next(key for key in written(local_path(home.root)) if key.endswith(alignment.stem))
    desk = signed_in(home)
    assert key in desk.get("/recordings").text
    assert str(written(local_path(home.root))[key][2]) in html.unescape(desk.get(f"/recordings/{key}").text)
