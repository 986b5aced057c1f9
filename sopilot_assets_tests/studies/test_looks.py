"""Every look at held-out cases is entered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sopilot_assets.errors import StudyError
from sopilot_assets.store.home import Home
from sopilot_assets.studies.looks import distinct_looks, look_inputs, looks, record_look

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def look(home: Home, inputs: str, *, minutes: int = 0, split: str = "test", study: str = "spring") -> str:
    """One look at ``inputs``."""
    return record_look(
        home,
        study_id=study,
        split=split,
        station="split_evaluations",
        inputs_sha256=inputs,
        looked_at=NOON + timedelta(minutes=minutes),
        by="sato",
        run_id=f"run-{minutes}",
    )


def test_every_look_is_listed_and_only_other_inputs_count(home: Home) -> None:
    look(home, "a")
    look(home, "a", minutes=5)
    look(home, "b", minutes=9)
    look(home, "b", minutes=9, split="challenge")
    look(home, "c", study="autumn")
    found = looks(home, "spring")
    assert list(found["inputs_sha256"]) == ["a", "a", "b", "b"]
    assert (distinct_looks(found), distinct_looks(found, "challenge")) == (2, 1)


def test_a_retried_run_adds_no_look(home: Home) -> None:
    assert look(home, "a") == look(home, "a")
    assert len(looks(home, "spring")) == 1


def test_nobody_has_looked_at_a_new_study(home: Home) -> None:
    assert distinct_looks(looks(home, "spring")) == 0


def test_inputs_are_known_by_cases_split_and_policy() -> None:
    first = look_inputs(cases_sha256="a", manifest_id="b", policy_id="c")
    assert first == look_inputs(cases_sha256="a", manifest_id="b", policy_id="c")
    assert first != look_inputs(cases_sha256="a", manifest_id="b", policy_id="d")


def test_fitting_is_no_look_and_a_time_needs_its_zone(home: Home) -> None:
    with pytest.raises(StudyError, match="expected one of the splits test, challenge; found 'dev'"):
        look(home, "a", split="dev")
    with pytest.raises(StudyError, match="a time with a zone"):
        record_look(
            home,
            study_id="spring",
            split="test",
            station="x",
            inputs_sha256="a",
            looked_at=NOON.replace(tzinfo=None),
            by="sato",
            run_id="r",
        )
