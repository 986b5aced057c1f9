"""The list of all review pages: the gravest first, safe and self-contained."""

from __future__ import annotations

import dataclasses
import re

from sopilot_assets.scoring.result import Decision, Objection
from sopilot_assets.scoring.review import (
    IndexRow,
    index_page,
)
from sopilot_assets.tasks import DeviationType, Severity
from sopilot_assets.texts.languages import Text
from sopilot_assets_tests.scoring.review_pages import (
    GOLD,
    HOSTILE,
    OTHER_GOLD,
    VIDEO,
    Page,
)

ROWS = (
    IndexRow(
        video_id=VIDEO,
        page="a review.html",
        task="filter_change",
        file_name="good.mp4",
        score=97.0,
        decision=Decision.PASS,
        task_name=Text("Filter change", "フィルター交換"),
    ),
    IndexRow(
        video_id=GOLD,
        page=f"{GOLD}.html",
        task="filter_change",
        file_name=HOSTILE,
        score=None,
        decision=Decision.NOT_VERIFIABLE,
        person="<i>",
    ),
    IndexRow(
        video_id=OTHER_GOLD,
        page=f"{OTHER_GOLD}.html",
        task="other",
        file_name="bad.mp4",
        score=12.0,
        decision=Decision.FAIL,
        deviations=((DeviationType.MISSING_STEP, Severity.CRITICAL),) * 2,
        is_gold=True,
    ),
)


def test_the_index_puts_what_is_urgent_first_whatever_the_order_given() -> None:
    text = index_page(ROWS)
    page = Page(text)
    assert [a["href"] for a in page.attributes("a")] == [
        "../reports/",
        f"{OTHER_GOLD}.html",
        f"{GOLD}.html",
        "a%20review.html",
    ]
    assert index_page(ROWS[::-1]) == text
    assert "×2" in page.words()
    assert page.words().count("フィルター交換") == 2


def test_the_index_is_safe_and_self_contained() -> None:
    page = Page(index_page(ROWS))
    assert not page.unbalanced
    assert HOSTILE in page.texts["a"]
    assert not [a for _, a in page.tags if "src" in a or "onerror" in a]
    assert not page.attributes("i")
    assert len(page.attributes("script")) == 1


def test_the_index_shows_dates_and_whether_points_decide() -> None:
    one = dataclasses.replace(
        ROWS[2], points_decide=False, recorded_at=None, taken_in_at="2026-02-24T08:00:00+00:00"
    )
    page = Page(index_page((ROWS[0], one)))
    assert "2026-02-24 08:00 UTC" in page.words()
    assert page.words().count("does not decide") == 1
    assert "No recording matches." in page.words()
    assert [a["value"] for a in page.attributes("option") if a["value"] in ("rank", "when", "person")]


def test_what_is_contested_comes_first_in_the_index_and_says_who_objects() -> None:
    objection = Objection("filter_change", "k", "ann", "2026-02-24T08:00:00+00:00", "seated")
    text = index_page((dataclasses.replace(ROWS[0], objections=(objection,)), *ROWS[1:]))
    assert [a["href"] for a in Page(text).attributes("a")][:2] == ["../reports/", "a%20review.html"]
    assert text.count('data-contested="yes"') == 1
    assert "ann" in Page(text).words()


def test_an_empty_index_says_so() -> None:
    assert "Nothing has been scored yet." in Page(index_page(())).words()


def test_the_order_by_date_is_that_of_the_moments_whatever_zones_they_are_told_in() -> None:
    """The page sorts by these texts (index.js)."""
    told = {"a": "2025-06-01T08:00:00+09:00", "b": "2025-06-01T00:30:00Z", "c": "2025-06-01T10:00:00+09:00"}
    rows = [dataclasses.replace(ROWS[0], file_name=name, recorded_at=at) for name, at in told.items()]
    unset = dataclasses.replace(ROWS[0], file_name="unset", recorded_at="0001-01-01T00:00:00+09:00")
    found = re.findall('data-when="(.*?)" data-file="(.*?)"', index_page([*rows, unset]))
    assert [name for _, name in sorted(found)] == ["unset", "a", "b", "c"]
