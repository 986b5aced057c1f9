"""Who is on two sides of a split."""

from __future__ import annotations

from sopilot_assets.studies.cases import case_frame
from sopilot_assets.studies.leakage import leakage_table, leaking_groups, unknown_links
from sopilot_assets.studies.spec import SplitPlan, SplitStrategy
from sopilot_assets.studies.splits import split_manifest

CASES = case_frame(
    {
        "case_id": f"c{place:02d}",
        "order": place,
        "video_id": f"v{place:02d}",
        "person": f"p{place % 6}",
        "session": "" if place % 2 else f"s{place % 6}",
        "expected": float(place % 4 == 0),
    }
    for place in range(36)
)


def test_an_old_split_shows_its_leaks_person_by_person() -> None:
    plan = SplitPlan(strategy=SplitStrategy.RANDOM_STRATIFIED)
    table = leakage_table(CASES, split_manifest(CASES, study_id="s", task="t", plan=plan))
    persons = table[table["kind"] == "person"].set_index("name")
    assert list(persons.index) == [f"p{place}" for place in range(6)]
    assert list(persons["cases"]) == [6] * 6
    assert leaking_groups(table) == int(table["leaks"].sum()) > 0
    leaking = persons[persons["leaks"]].iloc[0]
    assert "," in leaking["splits"]
    assert leaking[["dev", "test", "challenge"]].sum() == leaking["cases"]
    assert not table[table["kind"] == "video"]["leaks"].any()


def test_a_person_split_has_none() -> None:
    table = leakage_table(CASES, split_manifest(CASES, study_id="s", task="t"))
    assert leaking_groups(table) == 0
    assert set(table["kind"]) == {"person", "session", "video"}


def test_cases_without_a_name_are_counted_since_nothing_is_proved_of_them() -> None:
    unknown = unknown_links(CASES, split_manifest(CASES, study_id="s", task="t"))
    assert unknown == {"person": 0, "source_video": 36, "near_duplicate": 36, "session": 18, "video": 0}


def test_cases_in_no_split_do_not_leak() -> None:
    cases = CASES.assign(problem=["unreadable" if place >= 30 else "" for place in range(36)])
    table = leakage_table(cases, split_manifest(cases, study_id="s", task="t"))
    assert table[table["kind"] == "video"]["cases"].sum() == 30


def test_no_cases_have_an_empty_table() -> None:
    empty = case_frame([])
    table = leakage_table(empty, split_manifest(empty, study_id="s", task="t"))
    assert len(table) == leaking_groups(table) == 0
