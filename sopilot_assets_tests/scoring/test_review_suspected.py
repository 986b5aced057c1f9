"""What is suspected stands on a review page, in its strip and in its picture, under every decision."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from sopilot_assets.privacy.covering import UNCOVERED
from sopilot_assets.scoring.result import Cause, Decision, Score
from sopilot_assets.scoring.review import (
    alignment_strip_svg,
    deviation_stills,
    review_page,
    score_picture_png,
)
from sopilot_assets.segments import Segment
from sopilot_assets.tasks import DeviationType
from sopilot_assets.texts.languages import Text
from sopilot_assets_tests.scoring.review_pages import (
    FREEZE,
    GOLD,
    GOLD_STEPS,
    MISSING,
    TASK,
    VIDEO,
    Page,
    make_alignment,
    make_score,
)
from sopilot_assets_tests.video.tiny import write_tiny_video

OMITTED = dataclasses.replace(
    MISSING,
    confidence=0.43,
    text=Text("Perhaps the filter is the old one.", "古いフィルターかもしれません。"),
)
SWAPPED = dataclasses.replace(
    MISSING,
    type=DeviationType.ORDER_SWAP,
    step_ids=("open", "swap"),
    trainee=Segment(0.5, 1.2),
    confidence=0.14,
    text=Text("The order may be wrong.", "順番が逆かもしれません。"),
)
SLOW = dataclasses.replace(FREEZE, text=Text("It took long.", "時間がかかりました。"))


def suspected(decision: Decision = Decision.NEEDS_REVIEW, **changes: object) -> Score:
    defaults: dict[str, object] = {
        "decision": decision,
        "cause": Cause.SUSPECTED,
        "score": 97.0,
        "deviations": (),
        "suspected": (OMITTED, SWAPPED),
    }
    return make_score(**defaults | changes)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    folder = tmp_path_factory.mktemp("videos")
    return {
        name: write_tiny_video(folder / f"{name}.mp4", seconds=3.0, fps=20, seed=seed)
        for seed, name in enumerate((VIDEO, GOLD))
    }


@pytest.fixture
def make_page(videos: Mapping[str, Path], tmp_path: Path):
    def make(score: Score, *, held_out: str = "person") -> Page:
        shown = (*score.deviations, *score.suspected)
        page = review_page(
            task=TASK,
            score=score,
            alignment=dataclasses.replace(make_alignment(), held_out=held_out),
            trainee_video=videos[VIDEO],
            gold_videos={GOLD: videos[GOLD]},
            gold_steps={GOLD: GOLD_STEPS},
            row={},
            proxy_folder=tmp_path / "proxies",
            covering=UNCOVERED,
            stills=deviation_stills(
                shown, trainee_video=videos[VIDEO], gold_videos={GOLD: videos[GOLD]}, covering=UNCOVERED
            ),
        )
        parsed = Page(page)
        assert not parsed.unbalanced
        return parsed

    return make


def section(page: Page, start: str, end: str) -> str:
    return page.text.partition(start)[2].partition(end)[0]


def test_the_first_screen_says_what_to_look_at_and_leads_there(make_page) -> None:
    page = make_page(suspected())
    first = section(page, 'class="sheet result"', "</section>")
    for said in (
        "Perhaps (about 4 in 10)",
        "可能性あり（約4割）",
        OMITTED.text.en,
        OMITTED.text.ja,
        "Look at 0:01.5 in the recording and decide.",
        "録画の 0:01.5 を見て判断してください。",
    ):
        assert said in first
    assert SWAPPED.text.en not in first
    (link,) = [a for a in page.attributes("a") if (a.get("class") or "").startswith("look")]
    assert (link["href"], link["data-deviation"]) == ("#stage", "0")
    assert page.data()["deviations"][0]["trainee"] == [1.5, 1.5]


def test_a_single_gold_does_not_say_how_likely_a_suspicion_is(make_page) -> None:
    single = suspected(Decision.NOT_VERIFIABLE, cause=Cause.ONE_GOLD, score=None)
    listed = section(make_page(single, held_out="nothing"), 'id="suspected"', "</section>")
    assert listed.count("How likely is not known") == 2
    assert "可能性の程度は不明です" in listed
    assert "in 10" not in listed


def test_all_that_is_suspected_is_listed_below_what_was_found(make_page) -> None:
    page = make_page(suspected(deviations=(SLOW,)))
    listed = section(page, 'id="suspected"', "</section>")
    assert "Also possible (2)" in listed
    assert "その他の可能性（2）" in listed
    assert "<details>" not in listed
    assert listed.index(OMITTED.text.en) < listed.index(SWAPPED.text.en)
    for said in (
        "About 4 in 10",
        "About 1 in 10",
        "約4割",
        "critical, if so".capitalize(),
        "事実であれば重大",
    ):
        assert said in listed
    assert page.text.index('id="deviations"') < page.text.index('id="suspected"')
    # numbers go on after those of what was found, on cards, in the data and in the strip
    assert [a["id"] for a in page.attributes("li") if "data-severity" in a] == [
        f"deviation-{number}" for number in range(3)
    ]
    data = page.data()["deviations"]
    assert [one["severity"] for one in data] == ["quality", "suspected", "suspected"]
    assert [one["quiet"] for one in data] == [False, False, False]


def test_without_a_certain_deviation_the_empty_list_points_below(make_page) -> None:
    page = make_page(suspected())
    assert "No deviation is certain; what is possible stands below." in page.words()
    assert "No deviation was found." not in page.words()
    assert "Possible, but not certain (2)" in page.words()


def test_a_pass_lists_suspicions_quietly(make_page) -> None:
    page = make_page(suspected(Decision.PASS, cause=Cause.PASS_POINTS, suspected=(SWAPPED,)))
    listed = section(page, 'id="suspected"', "</section>")
    assert listed.lstrip("> \n").startswith("<details><summary>")
    assert SWAPPED.text.ja in listed
    assert SWAPPED.text.en not in section(page, 'class="sheet result"', "</section>")
    assert not [a for a in page.attributes("a") if (a.get("class") or "").startswith("look")]
    assert [one["quiet"] for one in page.data()["deviations"]] == [True]
    assert "No deviation was found." in page.words()


def test_without_suspicions_there_is_no_section(make_page) -> None:
    assert 'id="suspected"' not in make_page(make_score()).text


def strip(score: Score) -> str:
    return alignment_strip_svg(task=TASK, alignment=make_alignment(), score=score, gold_steps=GOLD_STEPS)


def test_in_the_strip_a_suspicion_has_dashes_and_a_question_mark_and_no_colour_of_a_finding() -> None:
    plain, asked = strip(suspected(suspected=())), strip(suspected())
    assert "stroke-dasharray" not in plain
    assert asked.count("stroke-dasharray") > plain.count("stroke-dasharray") + 2
    assert "? Order swapped" in asked or "? Or" in asked
    assert "#b3261e" not in asked
    assert re.findall(r'data-deviation="(\d)"', asked) == ["0", "1"]
    assert "none found" in asked
    assert "Possible" in asked
    assert "Possible" not in plain


def test_in_the_strip_suspicions_lie_below_all_findings() -> None:
    def top(svg: str, index: int) -> float:
        match = re.search(rf'points="([^"]+)"[^>]*data-deviation="{index}"', svg)
        assert match
        return float(match[1].split()[0].split(",")[1])

    svg = strip(suspected(deviations=(MISSING, FREEZE)))
    assert max(top(svg, 0), top(svg, 1)) < min(top(svg, 2), top(svg, 3))


def test_the_picture_shows_the_moment_of_the_gravest_suspicion(videos: Mapping[str, Path]) -> None:
    def picture(score: Score) -> bytes:
        shown = (*score.deviations, *score.suspected)
        stills = deviation_stills(
            shown, trainee_video=videos[VIDEO], gold_videos={GOLD: videos[GOLD]}, covering=UNCOVERED
        )
        return score_picture_png(
            task=TASK, alignment=make_alignment(), score=score, gold_steps=GOLD_STEPS, stills=stills
        )

    assert len(picture(suspected())) > len(picture(suspected(suspected=())))
