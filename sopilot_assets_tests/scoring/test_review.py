"""Review pages: self-contained, safe, in two languages, the same bytes each time, and true to the result."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sopilot_assets.errors import GoldError
from sopilot_assets.privacy.covering import UNCOVERED
from sopilot_assets.scoring.result import Decision, Objection
from sopilot_assets.scoring.review import (
    review_page,
)
from sopilot_assets.scoring.review.contest import with_contest
from sopilot_assets.scoring.text import clock, sentence
from sopilot_assets.segments import Segment
from sopilot_assets.texts.languages import Text
from sopilot_assets.video.probe import probe
from sopilot_assets_tests.scoring.review_pages import (
    FREEZE,
    GOLD,
    GOLD_STEPS,
    HOSTILE,
    MISSING,
    OTHER_GOLD,
    TASK,
    VIDEO,
    VOID,
    Page,
    make_alignment,
    make_score,
)


def test_a_page_is_one_well_formed_file_that_refers_to_nothing_outside(make_page) -> None:
    text = make_page()
    page = Page(text)
    assert not page.unbalanced
    assert page.open == []
    for tag, attributes in page.tags:
        for name in ("src", "href", "poster", "data", "action", "srcset", "xlink:href"):
            value = attributes.get(name)
            beside = tag == "a" and value is not None and value.startswith(("index.html", "../videos/", "#"))
            assert value is None or value.startswith("data:") or beside, (tag, name, value)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r'src="data:[^"]*"|// .*', "", text))


def test_only_the_page_s_own_style_and_script_may_run(make_page) -> None:
    page = Page(make_page())
    policy = next(
        a["content"] for a in page.attributes("meta") if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    for source in (page.texts["style"][0], page.texts["script"][-1]):
        assert base64.b64encode(hashlib.sha256(source.encode()).digest()).decode() in policy
    assert not [a for _, a in page.tags if "style" in a or any(name.startswith("on") for name in a)]


def test_both_videos_are_inside_and_play_as_long_as_the_originals(make_page, tmp_path: Path) -> None:
    players = Page(make_page()).attributes("video")
    assert len(players) == 2
    for number, player in enumerate(players):
        kind, _, content = str(player["src"]).partition(";base64,")
        assert kind == "data:video/mp4"
        copy = tmp_path / f"{number}.mp4"
        copy.write_bytes(base64.b64decode(content))
        assert probe(copy).codec == "h264"
        assert probe(copy).duration_s == pytest.approx(3.0, abs=0.1)
        assert "controls" in player


def test_a_second_gold_is_embedded_only_where_a_deviation_names_it(make_page) -> None:
    score = make_score(deviations=(MISSING, dataclasses.replace(MISSING, gold_id=OTHER_GOLD)))
    page = Page(make_page(score))
    assert len(page.attributes("video")) == 3
    assert [gold["id"] for gold in page.data()["golds"]] == [GOLD, OTHER_GOLD]
    assert [deviation["gold"] for deviation in page.data()["deviations"]] == [0, 1]


def test_a_gold_without_a_video_is_named_and_nothing_is_written(make_page, tmp_path: Path) -> None:
    score = make_score(deviations=(dataclasses.replace(MISSING, gold_id="e" * 12),))
    with pytest.raises(GoldError, match="eeeeeeeeeeee"):
        make_page(score)
    assert not list(tmp_path.iterdir())


def test_each_deviation_is_a_button_with_its_moments_for_both_players(make_page) -> None:
    page = Page(make_page())
    buttons = [a for a in page.attributes("button") if a.get("class") == "jump"]
    assert [button["data-deviation"] for button in buttons] == ["0", "1"]
    missing, freeze = page.data()["deviations"]
    found = {"quiet": False}
    assert missing == found | {
        "severity": "critical",
        "trainee": [1.5, 1.5],
        "gold": 0,
        "gold_time": [1.0, 2.0],
    }
    assert freeze == found | {
        "severity": "quality",
        "trainee": [2.0, 2.5],
        "gold": None,
        "gold_time": None,
    }
    assert "00:02.0 – 00:02.5" in page.words()
    assert "93 %" in page.words()


def test_a_moment_is_the_same_in_the_sentence_and_beside_it(make_page) -> None:
    where = Segment(1.56, 2.475)
    said = sentence("frozen", start=clock(where.start_s), end=clock(where.end_s))
    words = Page(make_page(make_score(deviations=(dataclasses.replace(FREEZE, trainee=where, text=said),))))
    assert "The picture stands still from 0:01.5 to 0:02.4." in words.words()
    assert "00:01.5 – 00:02.4" in words.words()


def test_every_text_is_there_in_both_languages(make_page) -> None:
    page = Page(make_page())
    spoken = [a["lang"] for tag, a in page.tags if tag in ("span", "text") and "lang" in a]
    assert spoken.count("en") == spoken.count("ja") > 40
    for text in (
        "Missing step",
        "手順の抜け",
        "2 Swap the filter",
        "2 フィルターを替える",
        "Fail",
        "不合格",
        "蓋を開ける",
    ):
        assert text in page.words()
    assert MISSING.text.en in page.words()
    assert MISSING.text.ja in page.words()


def test_origin_limits_and_noise_floor_are_shown(make_page) -> None:
    words = Page(make_page(noise_floor_score=96.24)).words()
    for text in (
        "Partition",
        "filter_change-t-b",
        "Person",
        "Aoki",
        "61.7",
        "Pass from 90, retrain below 80.",
        "96.2",
    ):
        assert text in words


def test_a_field_nobody_knows_is_shown_under_its_own_name(videos: Mapping[str, Path], tmp_path: Path) -> None:
    text = review_page(
        task=TASK,
        score=make_score(deviations=()),
        alignment=make_alignment(),
        trainee_video=videos[VIDEO],
        gold_videos={GOLD: videos[GOLD]},
        gold_steps={},
        covering=UNCOVERED,
        stills=(),
        row={"shift": "late"},
        proxy_folder=tmp_path,
    )
    assert "shift" in Page(text).words()
    assert VIDEO in Page(text).texts["h1"]


def test_hostile_names_stay_text(videos: Mapping[str, Path], make_page) -> None:
    harmless = Page(make_page(make_score(reason=MISSING.text)))
    evil_text = Text(HOSTILE, HOSTILE)
    score = make_score(reason=evil_text, deviations=(dataclasses.replace(MISSING, text=evil_text), FREEZE))
    page = Page(make_page(score, file_name=HOSTILE))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in harmless.tags]
    assert not page.unbalanced
    assert HOSTILE in page.texts["h1"]
    assert page.words().count(HOSTILE) >= 4


def test_hostile_step_names_cannot_leave_the_data_or_the_strip(
    videos: Mapping[str, Path], tmp_path: Path
) -> None:
    step = TASK.steps[0].model_copy(update={"name": "</script><b>&", "name_ja": "<svg onload=x>"})
    task = TASK.model_copy(update={"steps": (step, *TASK.steps[1:])})
    page = Page(
        review_page(
            task=task,
            score=make_score(deviations=()),
            alignment=make_alignment(),
            trainee_video=videos[VIDEO],
            gold_videos={GOLD: videos[GOLD]},
            gold_steps={GOLD: GOLD_STEPS},
            covering=UNCOVERED,
            stills=(),
            row={},
            proxy_folder=tmp_path,
        )
    )
    assert not page.unbalanced
    assert page.data()["spans"][0]["en"] == "1 </script><b>&"
    assert not [a for _, a in page.tags if "onload" in a]


@pytest.mark.parametrize("decision", list(Decision))
def test_every_decision_renders_with_and_without_a_score(decision: Decision, make_page) -> None:
    for value in (None, 100.0):
        score = make_score(decision=decision, score=value, deviations=())
        page = Page(make_page(score))
        assert any(a.get("class") == f"decision {decision.value}" for a in page.attributes("span"))
        assert ("100.0" in page.words()) == (value is not None)


def test_the_decision_leads_and_a_failure_shows_no_mark_in_the_green(make_page) -> None:
    score = make_score(score=94.3, reason=Text(f"Critical: {MISSING.text.en}", "重大"))
    page = Page(make_page(score))
    html = make_page(score)
    assert html.index('class="decision fail"') < html.index("94.3 of 100 points, which do not decide")
    assert not any(a.get("class") == "number" for _, a in page.tags)
    assert "#58a877" not in html  # the green of the zones
    assert "#58a877" in make_page(make_score(score=96.0, decision=Decision.PASS, deviations=()))


def test_every_critical_finding_is_in_the_headline(make_page) -> None:
    other = dataclasses.replace(MISSING, step_ids=("open",), text=Text("Step 1 was not found.", "手順1"))
    score = make_score(deviations=(MISSING, FREEZE, other), reason=Text(f"Critical: {other.text.en}", "重大"))
    result = make_page(score).partition('id="stage"')[0]
    for finding in (MISSING, other):
        assert finding.text.en in result
        assert finding.text.ja in result
    assert FREEZE.text.en not in result


def test_the_first_screen_speaks_without_the_words_of_experts(make_page) -> None:
    for_all = _without_expert(make_page(make_score(interval=(54.3, 68.2)), noise_floor_score=96.24))
    for word in (
        "noise floor",
        "Noise floor",
        "log-odds",
        "nats",
        "Log-odds",
        "DTW",
        "93 %",
        "ノイズフロア",
        "nat",
    ):
        assert word not in for_all, word
    assert MISSING.text.en in for_all
    assert "重大な逸脱" in for_all


def _without_expert(html: str) -> str:
    """The words of a page that are there while the switch is off."""
    shown, depth, hidden = list[str](), 0, 0

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            nonlocal depth, hidden
            if tag in VOID:
                return
            depth += 1
            classes = str(dict(attrs).get("class") or "").split()
            if not hidden and (tag in ("script", "style") or "expert" in classes):
                hidden = depth

        def handle_endtag(self, _tag: str) -> None:
            nonlocal depth, hidden
            hidden = 0 if hidden == depth else hidden
            depth -= 1

        def handle_data(self, data: str) -> None:
            if not hidden:
                shown.append(data)

    Reader(convert_charrefs=True).feed(html)
    return " ".join(shown)


def test_a_page_leads_back_to_the_list_and_says_when_it_was_recorded(
    videos: Mapping[str, Path], tmp_path: Path
) -> None:
    def words_of(**row: str) -> Page:
        return Page(
            review_page(
                task=TASK,
                score=make_score(deviations=()),
                alignment=make_alignment(),
                trainee_video=videos[VIDEO],
                gold_videos={GOLD: videos[GOLD]},
                gold_steps={},
                covering=UNCOVERED,
                stills=(),
                row=row,
                proxy_folder=tmp_path,
                video="../videos/b.mp4",
            )
        )

    taken = "2026-02-24T08:00:00.5+00:00"
    page = words_of(recorded_at="2026-02-23T09:30:00+09:00", taken_in_at=taken)
    assert [a["href"] for a in page.attributes("a")] == ["index.html", "../videos/b.mp4"]
    assert "recorded 2026-02-23 09:30 +09:00" in page.words()
    times = [one["datetime"] for one in page.attributes("time") if "datetime" in one]
    assert times == ["2026-02-23T09:30:00+09:00", taken]  # a server's page shows them in the browser's zone
    assert "2026-02-24 08:00 UTC" in page.words()
    assert taken not in page.words()
    assert (
        "taken in 2026-02-24 08:00 UTC (when it was recorded is not known)"
        in words_of(taken_in_at=taken).words()
    )


def test_an_empty_list_of_deviations_is_no_praise_when_nothing_is_verifiable(make_page) -> None:
    score = make_score(decision=Decision.NOT_VERIFIABLE, score=None, deviations=())
    assert "does not mean that it is correct" in Page(make_page(score)).words()
    assert "No deviation was found." in Page(make_page(make_score(deviations=()))).words()


def test_the_same_input_gives_the_same_bytes(make_page, tmp_path: Path) -> None:
    first = make_page()
    for copy in (tmp_path / "proxies").glob("*"):
        copy.unlink()
    assert make_page() == first


def test_an_objection_is_shown_on_the_page_and_taken_off_again(make_page) -> None:
    objection = Objection("filter_change", "filter_change-t-b", "ann", "2026-02-24T08:00:00+00:00", HOSTILE)
    calm, contested = make_page(), make_page(objections=(objection,))
    page = Page(contested)
    assert not page.unbalanced
    assert "Contested: a person says that this verdict is wrong" in page.words()
    assert "異議あり" in page.words()
    assert f"“{HOSTILE}”" in page.words()
    assert "sopilot label add filter_change filter_change-t-b" in page.words()
    assert with_contest(calm, (objection,)) == contested
    assert with_contest(contested, (objection,)) == contested
    assert with_contest(contested, ()) == calm
