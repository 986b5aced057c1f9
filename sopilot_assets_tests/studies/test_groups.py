"""Which cases belong together."""

from __future__ import annotations

import pandas as pd
import pytest

from sopilot_assets.errors import StudyError
from sopilot_assets.studies.cases import case_frame
from sopilot_assets.studies.groups import group_names, person_groups


def table(*rows: dict[str, str]) -> pd.DataFrame:
    """Cases c0, c1, ... with these names."""
    return case_frame({"case_id": f"c{place}", "order": place, **row} for place, row in enumerate(rows))


def test_old_strategies_name_groups_as_they_did() -> None:
    cases = table({"video_id": "7", "gold_id": "2", "site": "tokyo"}, {"video_id": "8", "gold_id": "2"})
    assert list(group_names(cases, "group_trainee")) == ["trainee:7", "trainee:8"]
    assert list(group_names(cases, "group_gold")) == ["gold:2", "gold:2"]
    assert list(group_names(cases, "group_site")) == ["site:tokyo", "site:unknown"]
    assert list(group_names(cases, "random_stratified")) == ["c0", "c1"]


def test_an_unknown_strategy_is_refused() -> None:
    with pytest.raises(StudyError, match=r"expected one of random_stratified.*found 'group_shoe'"):
        group_names(table({}), "group_shoe")


def test_a_chain_of_shared_names_makes_one_group() -> None:
    cases = table(
        {"person": "p2", "source_video": "raw"},
        {"person": "p1", "source_video": "raw"},
        {"person": "p1", "near_duplicate": "take"},
        {"near_duplicate": "take", "site": "a", "session": "morning"},
        {"person": "p3", "site": "a", "session": "morning"},
        {"person": "p4", "site": "b", "session": "morning"},
    )
    assert list(person_groups(cases)) == ["person:p1"] * 5 + ["person:p4"]


def test_what_is_unknown_links_nothing() -> None:
    cases = table({"site": "a"}, {"site": "a"}, {"video_id": "v"}, {"video_id": "v"})
    assert list(person_groups(cases)) == ["case:c0", "case:c1", "video:v", "video:v"]


def test_names_of_different_kinds_are_different() -> None:
    cases = table({"person": "x"}, {"source_video": "x"}, {"video_id": "x"})
    assert list(person_groups(cases)) == ["person:x", "source_video:x", "video:x"]


def test_groups_do_not_depend_on_the_order_of_cases() -> None:
    rows = [{"person": f"p{place % 3}", "video_id": f"v{place % 5}"} for place in range(12)]
    cases = table(*rows)
    backwards = cases[::-1].reset_index(drop=True)
    assert list(person_groups(backwards)) == list(person_groups(cases))[::-1]


def test_no_cases_have_no_groups() -> None:
    assert person_groups(case_frame([])).shape == (0,)
