"""The audit of passes: what chance picks, and what it says about the rest."""

from __future__ import annotations

import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopilot_assets.intervals import clustered
from sopilot_assets.labels.audit import drawn
from sopilot_assets.scoring.ledger import COLUMNS as SCORE_COLUMNS
from sopilot_assets.scoring.ledger import first_passes, first_scores, scores_ledger
from sopilot_assets.settings import AuditSettings
from sopilot_assets.store.home import Home
from sopilot_assets.studies.audit import audit_rows, decided_share, plan_with_audit
from sopilot_assets.studies.planning import COLUMNS, LABEL, RELABEL_BLIND
from sopilot_assets_tests.studies.simulated_cases import simulated_cases

KEYS = [f"filter_change-t-{number:012x}" for number in range(2000)]
HALF = AuditSettings(share=0.5)


def blind(expected: dict[str, float]) -> pd.DataFrame:
    return pd.DataFrame({"key": list(expected), "expected": list(expected.values())})


@given(st.lists(st.sampled_from(KEYS), unique=True), st.integers(0, 5), st.randoms())
def test_the_same_recordings_are_drawn_in_whatever_order_and_however_many_others_there_are(
    keys: list[str], seed: int, chance: random.Random
) -> None:
    audit = AuditSettings(share=0.2, seed=seed)
    shuffled = chance.sample(keys, len(keys))
    assert drawn(shuffled, audit) == drawn(keys, audit) == drawn(KEYS, audit) & set(keys)


@given(st.sampled_from(KEYS), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_draws_all_that_a_smaller_one_does(key: str, one: float, other: float) -> None:
    small, large = sorted((one, other))
    assert drawn([key], AuditSettings(share=small)) <= drawn([key], AuditSettings(share=large))


def test_about_the_share_is_drawn_and_another_seed_draws_others() -> None:
    first, second = (drawn(KEYS, AuditSettings(seed=seed)) for seed in (0, 1))
    assert 60 <= len(first) <= 140
    assert first != second
    assert drawn(KEYS, AuditSettings(share=0.0)) == set()
    assert drawn(KEYS, AuditSettings(share=1.0)) == set(KEYS)


def test_only_drawn_recordings_with_a_blind_label_count() -> None:
    picked = sorted(drawn(KEYS[:100], HALF))
    others = sorted(set(KEYS[:100]) - set(picked))
    passed = dict.fromkeys(KEYS[:100], "2026-03-02T08:00:00+00:00")
    persons = {key: f"p{number // 2}" for number, key in enumerate(sorted(passed))}
    said = {**dict.fromkeys(picked[:30], 0.0), **dict.fromkeys(picked[:3], 1.0), picked[30]: np.nan}
    # people doubted these, looked, and were right: that says nothing of the share among all that passed
    said |= dict.fromkeys(others, 1.0)
    ever, week = audit_rows(passed, persons, blind(said), HALF)
    assert ever == {**week, "week": "all"}
    assert week["week"] == "2026-W10"
    assert (ever["passes"], ever["picked"], ever["audited"], ever["missed"]) == (100, len(picked), 30, 3)
    hits = pd.Series([said[key] == 1 for key in picked[:30]])
    found = clustered(hits, [persons[key] for key in picked[:30]])
    assert (ever["miss_rate"], ever["low"], ever["high"]) == pytest.approx(
        (found.point, found.low, found.high), abs=1e-4
    )
    assert ever["people"] == found.clusters


def test_a_recording_counts_in_the_iso_week_in_which_it_passed_first() -> None:
    passed = {KEYS[0]: "2025-12-29T08:00:00+00:00", KEYS[1]: "2026-01-04T23:00:00+00:00"}
    passed |= {KEYS[2]: "2026-01-05T00:00:00+00:00"}
    rows = audit_rows(passed, {}, blind({}), AuditSettings(share=1.0))
    assert [(row["week"], row["passes"]) for row in rows] == [("all", 3), ("2026-W02", 1), ("2026-W01", 2)]
    assert rows[0]["miss_rate"] is None
    assert audit_rows({}, {}, blind({}), HALF) == []


def test_what_passed_once_counts_whatever_it_was_decided_later(home: Home) -> None:
    def scored(at: str, **decisions: str) -> None:
        rows = [
            {**dict.fromkeys(SCORE_COLUMNS), "key": key, "role": "trainee", "decision": decision}
            for key, decision in decisions.items()
        ]
        scores_ledger(home).append(rows, run_id=at, written_at=at)

    scored("2026-03-01T00:00:00+00:00", a="pass", b="needs_review", c="fail")
    scored("2026-03-02T00:00:00+00:00", a="fail", b="pass", c="fail")
    assert first_passes(home, "2026-03-03") == {
        "a": "2026-03-01T00:00:00+00:00",
        "b": "2026-03-02T00:00:00+00:00",
    }
    assert first_passes(home, "2026-03-02T00:00:00+00:00") == {"a": "2026-03-01T00:00:00+00:00"}
    assert set(first_scores(home, "2026-03-03")) == {"a", "b", "c"}


def test_the_decided_share_leaves_out_other_work_and_what_could_not_be_scored() -> None:
    rows = [
        ("pass", None, True),
        ("fail", None, None),  # a row from before it was kept
        ("retrain", None, True),
        ("needs_review", None, True),
        ("not_verifiable", None, False),
        ("not_verifiable", "no reference", None),
    ]
    frame = pd.DataFrame(rows, columns=["decision", "problem", "shows_task"])
    assert decided_share(frame) == 0.75
    assert decided_share(frame.iloc[4:]) is None


def test_a_labeling_plan_holds_every_drawn_recording_without_a_blind_label() -> None:
    cases = simulated_cases(20)
    cases.loc[:9, ["expected", "label_source"]] = [np.nan, ""]
    cases.loc[10:19, "label_source"] = "human"
    plan = pd.DataFrame(
        [[1, LABEL, "case-00000", *[""] * 5, 1.0, "x", "no label yet"]], columns=list(COLUMNS)
    )
    audit = AuditSettings(share=1.0)
    found = plan_with_audit(plan, cases, audit)
    assert list(found["rank"]) == list(range(1, 21))
    assert found["reason"].str.contains("picked by chance").all()
    assert list(found["action"]) == [LABEL] * 10 + [RELABEL_BLIND] * 10
    assert set(found["case_id"]) == set(cases["case_id"][:20])
    nothing = plan_with_audit(plan, cases, AuditSettings(share=0.0))
    pd.testing.assert_frame_equal(nothing, plan)
