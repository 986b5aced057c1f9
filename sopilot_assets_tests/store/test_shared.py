"""Homes that share an object store: what one publishes all get, whole, and what they write adds up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from upath import UPath

from sopilot_assets.errors import StoreError
from sopilot_assets.store.arrays import load_arrays, save_arrays
from sopilot_assets.store.compaction import compact_ledgers
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Ledger
from sopilot_assets.store.publish import TEMPORARY_PREFIX, publish_text
from sopilot_assets.store.shared import MARKER, at_hand, names_in_store, pull, shared_home, through
from sopilot_assets.store.shared_lock import held_everywhere
from sopilot_assets.upkeep.setting_up import join_store
from sopilot_assets_tests.store.object_store import ObjectStore, object_store

pytestmark = pytest.mark.whole

COLUMNS = {"key": pa.string(), "value": pa.int64()}


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with pytest.MonkeyPatch.context() as monkeypatch, object_store(monkeypatch) as store:
        yield store


@pytest.fixture
def url(store: ObjectStore, request: pytest.FixtureRequest) -> str:
    """A home of this test's own in the store."""
    return f"{store.url}/{request.node.name}"


@pytest.fixture
def homes(url: str, tmp_path: Path) -> tuple[Path, Path]:
    """The homes of two machines that share a store."""
    roots = tmp_path / "one", tmp_path / "two"
    for root in roots:
        root.mkdir()
        join_store(Home.at(root), url)
    return roots


def ledger(root: Path) -> Ledger:
    return Ledger(UPath(root / "ledgers"), "things", COLUMNS, "key")


def append(root: Path, key: str, value: int, *, run: str) -> None:
    ledger(root).append([{"key": key, "value": value}], run_id=run, written_at=f"2026-01-01T00:00:0{value}")


def test_what_one_machine_publishes_the_other_pulls(homes: tuple[Path, Path]) -> None:
    one, two = homes
    publish_text(one / "tasks" / "wash.yaml", "first")
    assert pull(two) == 1
    publish_text(one / "tasks" / "wash.yaml", "again")
    assert (two / "tasks" / "wash.yaml").read_text() == "first"
    assert pull(two) == 1
    assert (two / "tasks" / "wash.yaml").read_text() == "again"
    assert pull(two) == pull(one) == 0


def test_what_belongs_to_one_machine_stays_there(homes: tuple[Path, Path]) -> None:
    one, two = homes
    for folder in ("capture/wash/gold", "keys", "alerts", "dagster", "models", "proxies", "campaigns"):
        publish_text(one / folder / "file", folder)
    assert pull(two) == 0
    assert not list(two.rglob("file"))
    shared = through(one, through_url(one))
    assert shared.push() == 0
    assert shared.store.fs.find(shared.store.path) == []


EDITED = ("tasks/wash.yaml", "studies/pilot.yaml", "capture/wash/gold/steps.csv")


@pytest.mark.parametrize("name", EDITED)
def test_what_people_edit_reaches_the_other_machines(homes: tuple[Path, Path], name: str) -> None:
    one, two = homes
    for author, reader, text in ((one, two, "first"), (two, one, "second"), (two, one, "third")):
        (author / name).parent.mkdir(parents=True, exist_ok=True)
        (author / name).write_text(text)
        assert pull(author) == 0
        assert pull(reader) == 1
        assert (reader / name).read_text() == (author / name).read_text() == text


def test_what_is_half_written_stays_where_it_is(homes: tuple[Path, Path]) -> None:
    one, two = homes
    half = one / "tasks" / ".publishing-wash.yaml"
    half.parent.mkdir(parents=True, exist_ok=True)
    half.write_text("task_")
    assert pull(one) == pull(two) == 0
    assert not (two / "tasks" / half.name).exists()


@pytest.mark.parametrize("name", EDITED)
def test_a_file_that_two_people_edited_is_not_overwritten(homes: tuple[Path, Path], name: str) -> None:
    one, two = homes
    for root in homes:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(root.name)
    pull(one)
    with pytest.raises(StoreError, match="changed here, and on another machine too"):
        pull(two)
    assert [(root / name).read_text() for root in homes] == ["one", "two"]
    (two / name).unlink()
    assert pull(two) == 1
    assert (two / name).read_text() == "one"


def test_a_machine_that_lost_track_compares_content(homes: tuple[Path, Path]) -> None:
    one, two = homes
    publish_text(one / "ledgers" / "labels.wash.head", "1 a")
    publish_text(one / "tasks" / "wash.yaml", "steps")
    assert pull(two) == 2
    (two / ".shared_versions.sqlite").unlink()
    assert pull(two) == 0
    assert (two / "tasks" / "wash.yaml").read_text() == "steps"


def through_url(root: Path) -> str:
    return (root / MARKER).read_text("utf-8").strip()


def test_large_files_are_fetched_when_they_are_wanted(homes: tuple[Path, Path]) -> None:
    one, two = homes
    file = Path("embeddings") / "model" / "0123456789ab.npz"
    save_arrays(one / file, {"clips": np.arange(6.0)})
    assert pull(two) == 0
    assert not (two / file).exists()
    loaded = load_arrays(two / file, what="an embedding", remedy="embed again.")
    assert loaded["clips"].tolist() == [0, 1, 2, 3, 4, 5]
    assert (two / file).read_bytes() == (one / file).read_bytes()
    assert names_in_store(two / "embeddings") == {"model/0123456789ab.npz"}


def test_a_file_that_nobody_has_is_missing_as_in_a_home_of_one_machine(homes: tuple[Path, Path]) -> None:
    _, two = homes
    assert not at_hand(two / "videos" / "nowhere.mp4").exists()
    with pytest.raises(StoreError, match="expected an embedding, found no file"):
        load_arrays(two / "embeddings" / "m" / "x.npz", what="an embedding", remedy="embed again.")


def test_rows_that_two_machines_append_add_up_and_none_is_doubled(homes: tuple[Path, Path]) -> None:
    one, two = homes
    append(one, "a", 1, run="run1")
    append(two, "b", 2, run="run2")
    append(two, "a", 1, run="run3")  # the same result, by a machine that does not know of it
    for root in homes:
        pull(root)
        assert ledger(root).all_rows()[["key", "value"]].to_numpy().tolist() == [["a", 1], ["b", 2]]
    append(two, "a", 3, run="run4")
    pull(one)
    assert ledger(one).latest()[["key", "value"]].to_numpy().tolist() == [["a", 3], ["b", 2]]


def test_a_compacted_ledger_has_the_same_rows_on_every_machine(homes: tuple[Path, Path]) -> None:
    one, two = homes
    for value in range(1, 6):
        append(homes[value % 2], f"k{value}", value, run=f"run{value}")
    pull(one)
    before = ledger(one).all_rows()
    with_files = len(ledger(one).files())
    compact_here(one)
    assert len(ledger(one).files()) == 1 < with_files
    for root in homes:
        pull(root)
        assert ledger(root).all_rows().equals(before)
    newcomer = one.with_name("three")
    newcomer.mkdir()
    join_store(Home.at(newcomer), through_url(one))
    assert ledger(newcomer).all_rows().equals(before)
    assert len(ledger(newcomer).files()) == 1
    assert len(ledger(one).files()) == 1
    assert two != newcomer


def compact_here(root: Path) -> None:
    """Compact without the lock of all machines, which needs PostgreSQL and is tested with it."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("sopilot_assets.store.compaction.only_writer", lambda _: nullcontext())
        monkeypatch.setattr("sopilot_assets.store.listing.only_writer", lambda _: nullcontext())
        compact_ledgers(UPath(root / "ledgers"), at_least=2)


def test_a_home_with_recordings_gives_them_to_its_store_and_the_store_s_are_kept(
    url: str, tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    publish_text(old / "videos" / "film.mp4", "pictures")
    publish_text(old / "tasks" / "wash.yaml", "steps")
    assert join_store(Home.at(old), url).stored == 2
    new.mkdir()
    assert join_store(Home.at(new), url).fetched == 1
    assert at_hand(new / "videos" / "film.mp4").read_text() == "pictures"
    other = tmp_path / "other"
    publish_text(other / "tasks" / "wash.yaml", "other steps")
    with pytest.raises(StoreError, match=r"wash\.yaml: differs"):
        join_store(Home.at(other), url)
    with pytest.raises(StoreError, match="A home stays with its store"):
        join_store(Home.at(new), f"{url}-elsewhere")


def test_a_store_that_cannot_be_reached_leaves_the_home_as_it_was(
    homes: tuple[Path, Path],
) -> None:
    one, _ = homes
    publish_text(one / "tasks" / "wash.yaml", "first")
    (one / MARKER).write_text("s3://no-such-bucket/home\n")
    with pytest.raises(StoreError, match="could not be"):
        publish_text(one / "tasks" / "wash.yaml", "second")
    assert (one / "tasks" / "wash.yaml").read_text() == "first"
    assert not list(one.rglob(f"{TEMPORARY_PREFIX}*"))


def test_names_that_lead_out_of_the_home_are_refused(homes: tuple[Path, Path], tmp_path: Path) -> None:
    one, _ = homes
    shared = shared_home(one / "tasks" / "x")
    assert shared is not None
    shared.store.fs.pipe_file(f"{shared.store.path}/tasks/../../escaped.yaml", b"out")
    with pytest.raises(StoreError, match="leads out of the home"):
        pull(one)
    assert not list(tmp_path.rglob("escaped.yaml"))


def test_a_home_of_one_machine_asks_nobody(tmp_path: Path) -> None:
    publish_text(tmp_path / "tasks" / "wash.yaml", "steps")
    assert pull(tmp_path) == 0
    assert shared_home(tmp_path / "tasks" / "wash.yaml") is None
    assert names_in_store(tmp_path / "videos") == set()


def test_a_lock_of_all_machines_needs_the_database_s_address() -> None:
    with pytest.raises(StoreError, match="SOPILOT_POSTGRES_URL is not set"), held_everywhere("x", {}):
        pass
