"""Damaged golds are judged like trainees, and nothing of them enters the registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from sopilot_assets.capture.damaged_copies import Damage
from sopilot_assets.capture.registry import Registry
from sopilot_assets.errors import ConfigError
from sopilot_assets.stations.damaged_copies import damage_ledger, golds_to_damage, measure_damage
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets_tests.stations.test_score_repeats import files

AT = "2026-03-02T08:00:00+00:00"


def test_each_damage_has_a_row_and_the_home_is_as_before(scored: Home) -> None:
    everything = ("embeddings", "references", "alignments", "reviews", "videos", "capture")
    before = files(scored, *everything, "ledgers/scores", "ledgers/videos")
    first, *others = golds_to_damage(scored)
    kinds = [Damage.FREEZE, Damage.CUT_TAIL]
    outcomes = measure_damage(scored, [first], kinds=kinds, processes=1, run_id="c", written_at=AT)
    assert [outcome.problem for outcome in outcomes] == [None, None]
    assert before == files(scored, *everything, "ledgers/scores", "ledgers/videos")
    assert [path.name for path in Path(str(scored.campaigns)).iterdir()] == []
    rows = damage_ledger(scored).latest()
    assert sorted(rows["damage"]) == ["cut_tail", "freeze"]
    assert set(rows["key"]) == {str(first)}
    assert all(row["found"] == (row["decision"] != "pass") for row in rows.to_dict("records"))
    # the gold that was controlled waits until all others were
    assert golds_to_damage(scored) == [*others, first]


def test_a_control_that_is_measured_again_has_one_row_that_counts(scored: Home) -> None:
    gold = golds_to_damage(scored)[0]
    for time in ("2026-03-02T08:00:00+00:00", "2026-03-02T09:00:00+00:00"):
        measure_damage(scored, [gold], kinds=[Damage.CUT_TAIL], processes=1, run_id=time, written_at=time)
    rows = damage_ledger(scored).latest()
    assert list(rows["measured_at"]) == ["2026-03-02T09:00:00+00:00"]
    assert len(damage_ledger(scored).all_rows()) == 2


def test_a_gold_whose_file_is_gone_is_a_problem_and_no_row(scored: Home) -> None:
    gold = golds_to_damage(scored)[0]
    for path in Path(str(scored.videos)).iterdir():
        path.unlink()
    (outcome,) = measure_damage(scored, [gold], processes=1, run_id="c", written_at=AT)
    assert outcome.problem is not None
    assert "no damaged copy could be made" in outcome.problem
    assert damage_ledger(scored).latest().empty


def test_only_golds_are_damaged(scored: Home) -> None:
    trainee = [key for key in Registry.read(scored).recordings if key.role == "trainee"][:1]
    with pytest.raises(ConfigError, match="expected a gold"):
        measure_damage(scored, trainee, processes=1, run_id="c", written_at=AT)


def test_without_a_reference_there_is_nothing_to_control(home: Home) -> None:
    found: list[PartitionKey] = golds_to_damage(home)
    assert found == []
