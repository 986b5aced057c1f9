"""Promoted recordings are no cases, and people whom golds show are not held out; frozen studies stay."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopilot_assets.capture.ledgers import VIDEO_COLUMNS, videos_ledger
from sopilot_assets.capture.promotions import ConfirmedStep, PromotionChange, PromotionDraft, promotions_chain
from sopilot_assets.errors import StudyError
from sopilot_assets.evidence.results import held_out_cases
from sopilot_assets.evidence.split_manifests import split_study_cases
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.studies.registration import read_registration
from sopilot_assets.studies.splits import split_manifest
from sopilot_assets_tests.evidence.made_up_study import (
    TASK,
    made_up_home,
    published,
    run_chain,
    write_study,
)
from sopilot_assets_tests.studies.test_split_laws import random_cases

NEXT = "2026-03-03T08:00:00+00:00"
BY_PERSON = {"split": {"strategy": "group_person"}}


@pytest.fixture
def made_up(tmp_path: Path) -> Home:
    return made_up_home(tmp_path / "home")


def promote(home: Home, keys: Sequence[str], *, change: str = "promote") -> None:
    steps = (ConfirmedStep(step="open_cover", start_s=0.0, end_s=1.0),)
    drafts = [
        PromotionDraft(
            task_id=TASK,
            key=key,
            who="tess",
            at=NEXT,
            change=PromotionChange(change),
            why="right",
            steps=steps if change == "promote" else (),
        )
        for key in keys
    ]
    promotions_chain(home).append(drafts, run_id="gold", written_at=NEXT)


def split(home: Home, study_id: str) -> dict[str, list[str]]:
    split_study_cases(home, study_id, run_id="run", written_at=NEXT)
    document = (Path(str(home.study(study_id))) / "split_manifest.json").read_bytes()
    found: dict[str, list[str]] = json.loads(document)["case_ids"]
    return found


def persons(home: Home) -> dict[str, str]:
    rows = plain_rows(videos_ledger(home).latest())
    return {str(row["key"]): str(row["person"]) for row in rows}


def test_a_promoted_recording_is_no_case_and_its_person_is_in_dev(made_up: Home) -> None:
    write_study(made_up, "before", **BY_PERSON)
    held_out = split(made_up, "before")["test"]
    promoted = held_out[0]
    promote(made_up, [promoted])
    write_study(made_up, "after", **BY_PERSON)
    by_split, shows = split(made_up, "after"), persons(made_up)
    assert promoted not in [key for keys in by_split.values() for key in keys]
    other = next(key for key, who in shows.items() if who == shows[promoted] and key != promoted)
    assert other in by_split["dev"]
    registration = read_registration(made_up, "after")
    assert registration is not None
    assert registration.golds.promoted == (promoted,)
    assert registration.golds.persons == (shows[promoted],)


def take_in_gold(home: Home, person: str) -> None:
    """One more recording, which is a gold and shows this person."""
    row = plain_rows(videos_ledger(home).latest())[0]
    gold = {name: row[name] for name in VIDEO_COLUMNS} | {
        "key": f"{TASK}-g-{'0' * 12}",
        "video_id": "0" * 12,
        "role": "gold",
        "person": person,
    }
    videos_ledger(home).append([gold], run_id="intake", written_at=NEXT)


def splits_of(home: Home, study: str, person: str) -> set[str]:
    """In which splits somebody's recordings are."""
    shows = persons(home)
    return {name for name, keys in split(home, study).items() for key in keys if shows[key] == person}


def test_people_in_golds_that_were_taken_in_are_in_dev_like_those_of_promoted_ones(made_up: Home) -> None:
    write_study(made_up, "before", **BY_PERSON)
    seen = persons(made_up)[split(made_up, "before")["test"][0]]
    take_in_gold(made_up, seen)
    write_study(made_up, "after", **BY_PERSON)
    assert splits_of(made_up, "after", seen) == {"dev"}


@pytest.mark.parametrize("mark", ["@", "-", "="])
def test_people_in_golds_are_in_dev_whatever_their_codes_begin_with(made_up: Home, mark: str) -> None:
    called = [
        {name: row[name] for name in VIDEO_COLUMNS} | {"person": f"{mark}{row['person']}"}
        for row in plain_rows(videos_ledger(made_up).latest())
    ]
    videos_ledger(made_up).append(called, run_id="corrected", written_at=NEXT)
    write_study(made_up, "before", **BY_PERSON)
    seen = persons(made_up)[split(made_up, "before")["test"][0]]
    take_in_gold(made_up, seen)
    write_study(made_up, "after", **BY_PERSON)
    assert splits_of(made_up, "after", seen) == {"dev"}
    write_study(made_up, "mixed", split={"strategy": "random_stratified"})
    outcome = split_study_cases(made_up, "mixed", run_id="run", written_at=NEXT)
    held_out = {key for key, studies in held_out_cases(made_up).items() if "mixed" in studies}
    told = any(f"Held-out cases show {seen}," in one for one in outcome.warnings)
    assert told is (seen in {persons(made_up)[key] for key in held_out})


def test_where_people_are_not_kept_apart_it_is_said_that_golds_show_them(made_up: Home) -> None:
    write_study(made_up, "before", split={"strategy": "random_stratified"})
    promoted, other = split(made_up, "before")["test"][:2]
    same = persons(made_up)[other]
    twin = next(key for key, who in persons(made_up).items() if who == same and key != other)
    promote(made_up, [twin])
    write_study(made_up, "after", split={"strategy": "random_stratified"})
    outcome = split_study_cases(made_up, "after", run_id="run", written_at=NEXT)
    held_out = {key for key in (promoted, other) if "after" in held_out_cases(made_up).get(key, ())}
    said = [one for one in outcome.warnings if f"Held-out cases show {same}" in one]
    assert bool(said) is (other in held_out)


def test_a_frozen_study_stays_byte_for_byte_when_its_recordings_are_promoted(made_up: Home) -> None:
    stations = ("split_manifests", "critical_policies", "split_evaluations", "gate_reports")
    run_chain(made_up, only=stations)
    before = published(made_up)
    promote(made_up, list(held_out_cases(made_up))[:3])
    assert published(made_up) == before
    run_chain(made_up, only=stations)
    assert published(made_up) == before


def test_a_demoted_recording_is_a_case_again(made_up: Home) -> None:
    write_study(made_up, "before", **BY_PERSON)
    was = split(made_up, "before")
    promote(made_up, was["test"][:2])
    promote(made_up, was["test"][:2], change="demote")
    write_study(made_up, "after", **BY_PERSON)
    assert split(made_up, "after") == was


def test_a_split_that_lacks_a_class_since_golds_show_the_people_says_so(made_up: Home) -> None:
    shows = persons(made_up)
    first: dict[str, str] = {}
    for key, who in shows.items():
        first.setdefault(who, key)
    promote(made_up, list(first.values()))
    write_study(made_up, "after", **BY_PERSON)
    with pytest.raises(StudyError, match=r"What belongs to p0000, .* is in dev, since the golds show them"):
        split(made_up, "after")
    registration = read_registration(made_up, "after")
    assert registration is not None
    assert not registration.frozen


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.sets(st.integers(0, 12), max_size=5))
def test_whoever_was_seen_is_never_held_out_and_nobody_seen_changes_nothing(
    seed: int, numbers: set[int]
) -> None:
    cases = random_cases(np.random.default_rng(seed))
    seen = {f"n{number}" for number in numbers}
    plan = {"study_id": "s", "task": TASK}
    with_seen = split_manifest(cases, **plan, seen=seen)  # type: ignore[arg-type]
    shows = dict(zip(cases["case_id"], cases["person"], strict=True))
    for name in ("test", "challenge"):
        assert not {shows[case] for case in with_seen.case_ids[name]} & seen
    strangers = {"nobody"} if seen else set()
    assert split_manifest(cases, **plan, seen=strangers) == split_manifest(cases, **plan)  # type: ignore[arg-type]
