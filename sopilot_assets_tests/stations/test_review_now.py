"""A result judged once more to be shown: the same as in the ledger, or not shown."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sopilot_assets.capture.registry import Registry
from sopilot_assets.scoring.ledger import COLUMNS, scores_ledger
from sopilot_assets.scoring.review.values import review_values
from sopilot_assets.stations.review_now import Addresses, result_now, score_row_of, served_review
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.publish import local_path

AT = "2026-02-01T00:00:00+00:00"
SERVED = Addresses(lambda one: f"/media/{one.key}", lambda one, at_s: f"/stills/{one.key}/{at_s:.1f}")


@pytest.fixture
def home(original: Home, tmp_path: Path) -> Home:
    return Home.at(shutil.copytree(str(original.root), tmp_path / "own"))


def keys(home: Home) -> list[PartitionKey]:
    return list(Registry.read(home).recordings)


def test_every_result_of_the_ledger_can_be_shown_with_addresses_in_place_of_files(home: Home) -> None:
    registry = Registry.read(home)
    for key in keys(home):
        told = result_now(home, key)
        assert told is not None
        assert told.work is not None
        assert not told.outdated
        values = review_values(served_review(told, registry[key], SERVED))
        assert values["trainee_source"] == f"/media/{key}"
        assert "data:" not in str(values)
        assert values["decision"] == str(told.row["decision"])


def test_nothing_is_published_and_the_page_of_before_is_not_needed(home: Home) -> None:
    shutil.rmtree(local_path(home.reviews))
    before = sorted(str(path) for path in local_path(home.root).rglob("*"))
    assert result_now(home, keys(home)[0]) is not None
    assert sorted(str(path) for path in local_path(home.root).rglob("*")) == before


def test_what_was_not_judged_has_no_result(home: Home) -> None:
    shutil.rmtree(local_path(home.ledgers) / "scores")
    assert result_now(home, keys(home)[0]) is None


def test_a_result_that_comes_out_otherwise_now_is_told_in_its_own_words_only(home: Home) -> None:
    key = keys(home)[-1]
    row = score_row_of(home, key)
    assert row is not None
    other = {name: row[name] for name in COLUMNS} | {"score": 12.5, "decision": "retrain"}
    scores_ledger(home).append([other], run_id="before", written_at=AT)
    told = result_now(home, key)
    assert told is not None
    assert told.work is None
    assert told.waits is not None
    assert told.outdated
    assert told.verdict.decision.value == "retrain"
    with pytest.raises(ValueError, match="earlier version"):
        served_review(told, Registry.read(home)[key], SERVED)


def test_a_result_whose_alignment_is_gone_is_told_in_words(home: Home) -> None:
    key = keys(home)[-1]
    shutil.rmtree(local_path(home.root) / "alignments")
    told = result_now(home, key)
    assert told is not None
    assert told.work is None
    assert told.verdict is not None
