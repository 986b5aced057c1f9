"""What the checks find in a home, and that they find nothing in a sound one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sopilot_assets.capture.ledgers import quarantine_ledger
from sopilot_assets.capture.registry import active_recordings
from sopilot_assets.defs.recordings import findings
from sopilot_assets.reference.ledger import references_ledger
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.clip_embeddings import embeddings_ledger
from sopilot_assets.store.home import Home
from sopilot_assets_tests.defs.conftest import Scored, Shop

LATE = "2030-01-01T00:00:00+00:00"


@pytest.fixture
def shop(scored: Scored, tmp_path: Path) -> Iterator[Shop]:
    """A scored shop that a test may damage."""
    with scored.shop.copy(tmp_path) as copied:
        yield copied


def row_of(frame_home: Home, key: str) -> dict[str, object]:
    """The newest score row of a key, as it was written."""
    ledger = scores_ledger(frame_home)
    row = ledger.latest().set_index("key", drop=False).loc[key].to_dict()
    return {name: None if row[name] != row[name] else row[name] for name in ledger.columns}


def test_a_sound_home_has_no_problems(shop: Shop) -> None:
    home = shop.home
    for found in (
        findings.damaged_files(home, seed="s"),
        findings.quarantined_lately(home, most=0.2),
        findings.mixed_models(home),
        findings.unusable_embeddings(home, seed="s"),
        findings.thin_references(home),
        findings.unconfirmed_references(home),
        findings.recordings_without_row(home),
        findings.outdated_scores(home, shop.keys),
    ):
        assert list(found.problems) == []


def test_an_edited_task_makes_exactly_its_scores_stale_and_names_them_as_one_range(shop: Shop) -> None:
    path = Path(str(shop.home.tasks)) / "filter_change.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("pass_score: 90", "pass_score: 91"), encoding="utf-8"
    )
    found = findings.outdated_scores(shop.home, shop.keys)
    assert [row["key"] for row in found.problems] == sorted(shop.keys)
    assert {row["why"] for row in found.problems} == {"task"}
    assert found.facts == {
        "stale": 6,
        "stale_task": 6,
        "stale_ranges": f"[{shop.keys[0]}...{shop.keys[-1]}]",
    }


def test_scores_of_an_older_algorithm_are_stale_and_no_others(shop: Shop) -> None:
    old = [shop.keys[1], shop.keys[4]]
    rows = [{**row_of(shop.home, key), "algorithm": "older"} for key in old]
    scores_ledger(shop.home).append(rows, run_id="older", written_at=LATE)  # type: ignore[arg-type]
    found = findings.outdated_scores(shop.home, shop.keys)
    assert [(row["key"], row["why"]) for row in found.problems] == [(key, "algorithm") for key in old]
    assert found.facts["stale_ranges"] == ", ".join(old)


def test_a_lost_file_and_a_changed_file_are_found(shop: Shop) -> None:
    entries = list(active_recordings(shop.home).values())
    stored = [Path(str(shop.home.videos / entry.stored_name)) for entry in entries]
    stored[0].unlink()
    stored[1].write_bytes(b"changed")
    found = findings.damaged_files(shop.home, seed="s")
    assert [(row["key"], row["problem"]) for row in found.problems] == [
        (str(entries[0].key), "the file is gone"),
        (str(entries[1].key), "the bytes changed"),
    ]


@pytest.mark.parametrize(("most", "problems"), [(0.2, 0), (0.1, 1)])
def test_refused_files_count_when_they_are_more_than_the_share(
    shop: Shop, most: float, problems: int
) -> None:
    refused = dict.fromkeys(quarantine_ledger(shop.home).columns) | {
        "quarantine_id": "q",
        "capture_path": "filter_change/gold/site_a/dark.mp4",
        "reason": "too_dark",
    }
    quarantine_ledger(shop.home).append([refused], run_id="q", written_at=LATE)
    found = findings.quarantined_lately(shop.home, most=most)
    assert len(found.problems) == problems
    assert found.facts["quarantined_share"] == round(1 / 7, 4)


def test_two_models_in_one_task_are_found(shop: Shop) -> None:
    other = {"key": shop.keys[0], "model_id": "another", "clips": 3, "reader": "decord", "problem": None}
    embeddings_ledger(shop.home).append([other], run_id="other", written_at=LATE)
    found = findings.mixed_models(shop.home)
    assert [
        (row["model_id"], row["recordings"]) for row in found.problems if row["model_id"] == "another"
    ] == [("another", 1)]
    assert len(found.problems) == 2


def test_a_damaged_embedding_is_found(shop: Shop) -> None:
    damaged = sorted(Path(str(shop.home.root / "embeddings")).rglob("*.npz"))
    for path in damaged:
        path.write_bytes(b"damaged")
    assert len(findings.unusable_embeddings(shop.home, seed="s").problems) == findings.SAMPLE


@pytest.mark.parametrize("persons", [0, 1])
def test_a_reference_of_too_few_persons_and_without_annotations_is_found(shop: Shop, persons: int) -> None:
    ledger = references_ledger(shop.home)
    (row,) = ledger.latest().to_dict("records")
    thin = {name: row[name] for name in ledger.columns} | {"persons": persons, "confirmed": False}
    ledger.append([thin], run_id="thin", written_at=LATE)  # type: ignore[arg-type]
    (problem,) = findings.thin_references(shop.home).problems
    assert (problem["task_id"], problem["golds"], problem["persons"]) == ("filter_change", 3, persons)
    assert len(findings.unconfirmed_references(shop.home).problems) == 1


def test_a_recording_without_a_row_is_found(shop: Shop) -> None:
    for path in Path(str(shop.home.ledgers / "scores")).glob("*.parquet"):
        path.unlink()
    found = findings.recordings_without_row(shop.home)
    assert [row["key"] for row in found.problems] == sorted(shop.keys)


def test_a_gold_below_the_pass_score_is_found_with_the_noise_floor(shop: Shop) -> None:
    gold = shop.keys[0]
    rows = [{**row_of(shop.home, key), "score": 99.0} for key in shop.keys[1:3]]
    rows.append({**row_of(shop.home, gold), "score": 42.0})
    scores_ledger(shop.home).append(rows, run_id="low", written_at=LATE)  # type: ignore[arg-type]
    found = findings.failing_golds(shop.home)
    assert [row["key"] for row in found.problems] == [gold]
    assert found.facts == {"golds": 3, "noise_floor": 42.0}
