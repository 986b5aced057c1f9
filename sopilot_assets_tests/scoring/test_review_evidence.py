"""The evidence for people on a review page and in its picture: stills, bars of the steps, votes, what can be
verified.
"""

from __future__ import annotations

import base64
import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sopilot_assets.privacy.covering import UNCOVERED
from sopilot_assets.scoring.result import Decision, GoldVote, Score, StepReading, Verifiability
from sopilot_assets.scoring.review import (
    IndexRow,
    StillPair,
    deviation_stills,
    index_page,
    review_page,
    score_picture_png,
    verifiability_rows,
)
from sopilot_assets.scoring.review.readings import evidence_verdict, percent, time_verdict
from sopilot_assets.scoring.review.stills import Still, Unreadable, most_severe, read_stills
from sopilot_assets.scoring.review.verifiability import verifiability_table
from sopilot_assets.segments import Segment
from sopilot_assets.tasks import DeviationType, Severity
from sopilot_assets.texts.languages import Text
from sopilot_assets.video.write import write_h264
from sopilot_assets_tests.scoring.review_pages import (
    FREEZE,
    GOLD,
    GOLD_STEPS,
    HOSTILE,
    MISSING,
    TASK,
    VIDEO,
    Page,
    make_alignment,
    make_score,
)
from sopilot_assets_tests.video.tiny import frame_number, write_tiny_video

NOTHING = Text("", "")
UNSEEN = Text("Found in 1 of 4 staged cases.", "4件中1件しか検出できません。")
MORE = Text("Record golds by one more person.", "別の人のお手本を追加してください。")
NAMES = {GOLD: "gold_a.mp4", "c" * 12: "gold_c.mp4"}
VOTES = (GoldVote(GOLD, 2.31), GoldVote("c" * 12, -0.4), GoldVote("e" * 12, 1.0))
STEPS = (
    StepReading("open", 1.5, 1.0, 0.8, 1.2, -0.2, -0.7),
    StepReading("swap", None, 1.0, 0.8, 1.2, None, -0.7),
    StepReading("close", 0.5, 1.0, 0.8, 1.2, -2.0, -0.7),
)


def verifiable(kind: DeviationType, step: str) -> Verifiability:
    return Verifiability(kind, step, 1.0, 8, 0.0, 0.43, 4, True, NOTHING, NOTHING)


def not_verifiable(kind: DeviationType, step: str, reason: Text = UNSEEN) -> Verifiability:
    return Verifiability(kind, step, 0.25, 4, None, None, 1, False, reason, MORE)


TABLE = (
    verifiable(DeviationType.MISSING_STEP, "open"),
    not_verifiable(DeviationType.MISSING_STEP, "swap"),
    verifiable(DeviationType.MISSING_STEP, "close"),
    not_verifiable(DeviationType.ORDER_SWAP, "open"),
    verifiable(DeviationType.ORDER_SWAP, "swap"),
)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    folder = tmp_path_factory.mktemp("numbered")
    return {
        name: write_tiny_video(folder / f"{name}.mp4", seconds=3.0, fps=20, seed=seed)
        for seed, name in enumerate((VIDEO, GOLD))
    }


@pytest.fixture
def make_page(videos: Mapping[str, Path], tmp_path: Path):
    def make(score: Score | None = None, *, held_out: str = "person", **options: object) -> Page:
        score = score or make_score()
        golds = {GOLD: videos[GOLD]}
        stills = deviation_stills(
            score.deviations, trainee_video=videos[VIDEO], gold_videos=golds, covering=UNCOVERED
        )
        page = review_page(
            task=TASK,
            score=score,
            alignment=dataclasses.replace(make_alignment(), held_out=held_out),
            trainee_video=videos[VIDEO],
            gold_videos=golds,
            gold_steps={GOLD: GOLD_STEPS},
            row={},
            proxy_folder=tmp_path / "proxies",
            covering=UNCOVERED,
            **{"stills": stills, "gold_names": NAMES, **options},  # type: ignore[arg-type]
        )
        parsed = Page(page)
        assert not parsed.unbalanced
        return parsed

    return make


def number_in(jpeg: bytes) -> int:
    return frame_number(np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")))


def test_a_still_shows_the_middle_of_the_stretch_in_both_videos(videos: Mapping[str, Path]) -> None:
    deviations = [
        dataclasses.replace(MISSING, trainee=Segment(0.5, 1.5), gold=Segment(2.0, 2.6)),
        MISSING,
        FREEZE,
    ]
    first, missing, freeze = deviation_stills(
        deviations, trainee_video=videos[VIDEO], gold_videos={GOLD: videos[GOLD]}, covering=UNCOVERED
    )
    assert isinstance(first.trainee, Still)
    assert isinstance(first.gold, Still)
    assert (first.trainee.time_s, number_in(first.trainee.jpeg)) == (1.0, 20)
    assert (round(first.gold.time_s, 6), number_in(first.gold.jpeg)) == (2.3, 46)
    assert isinstance(missing.trainee, Still)
    assert number_in(missing.trainee.jpeg) == 30
    assert freeze.gold is None


@given(st.lists(st.floats(-1, 9), max_size=4))
def test_every_moment_asked_for_is_answered_and_within_the_video(
    videos: Mapping[str, Path], times_s: list[float]
) -> None:
    found = read_stills(videos[VIDEO], times_s, UNCOVERED)
    assert set(found) == set(times_s)
    for time_s, still in found.items():
        assert isinstance(still, Still)
        assert still.time_s == pytest.approx(min(max(time_s, 0.0), 2.95))


def test_a_still_of_a_busy_picture_stays_small(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    busy = (chance.integers(0, 255, (540, 960, 3), dtype=np.uint8) for _ in range(2))
    write_h264(tmp_path / "busy.mp4", busy, fps=2, crf=5)
    (still,) = read_stills(tmp_path / "busy.mp4", [0.0], UNCOVERED).values()
    assert isinstance(still, Still)
    assert still.size == (284, 160)
    assert len(still.jpeg) * 4 / 3 < 30_000


def test_a_video_that_cannot_be_read_is_said_on_the_page(tmp_path: Path, make_page) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    (pair,) = deviation_stills(
        [MISSING], trainee_video=broken, gold_videos={GOLD: broken}, covering=UNCOVERED
    )
    assert isinstance(pair.trainee, Unreadable)
    assert isinstance(pair.gold, Unreadable)
    page = make_page(make_score(deviations=(MISSING,)), stills=(pair,))
    assert page.words().count("The picture at this moment cannot be read.") == 2
    assert not page.attributes("img")


def test_the_page_shows_the_stills_with_their_times(make_page) -> None:
    page = make_page()
    pictures = page.attributes("img")
    assert len(pictures) == 3
    for picture in pictures:
        kind, _, content = str(picture["src"]).partition(";base64,")
        assert kind == "data:image/jpeg"
        with Image.open(io.BytesIO(base64.b64decode(content))) as image:
            assert image.size == (int(str(picture["width"])), int(str(picture["height"])))
    assert str(pictures[0]["alt"]).startswith("Trainee, 00:01.5 / 受講者")
    assert page.words().count("where it should have been") == 1
    assert "no step of a gold is concerned" in page.words()


def test_each_deviation_needs_its_stills(make_page) -> None:
    with pytest.raises(ValueError, match="2 deviations, found or suspected, need as many pairs"):
        make_page(stills=())


def test_the_votes_say_which_golds_support_a_finding(make_page) -> None:
    words = make_page(make_score(deviations=(dataclasses.replace(MISSING, votes=VOTES),))).words()
    assert "Supported by 2 of 3 golds" in words
    assert "gold_a.mp4 (+2.3), eeeeeeeeeeee (+1.0); not by gold_c.mp4 (-0.4)." in words
    assert "お手本 3 本中 2 本" in words


@pytest.mark.parametrize(
    ("backs", "confidence", "said"),
    [
        ((2.0, -1.0, -2.0, -0.5), 0.999, "Look at it yourself: all golds together say so, but only 1 of 4"),
        ((-2.0, -1.0), 0.999, "but none of 2 shows it alone"),
        ((2.0, 1.0, 3.0, -0.5), 0.999, "Clear: 3 of 4 golds show it"),
        ((2.0, 1.0, 3.0, 4.0), 0.7, "Likely: 4 of 4 golds show it"),
    ],
)
def test_how_sure_a_finding_is_stands_in_words(
    make_page, backs: tuple[float, ...], confidence: float, said: str
) -> None:
    votes = tuple(GoldVote(f"{place}" * 12, odds) for place, odds in enumerate(backs))
    words = make_page(
        make_score(deviations=(dataclasses.replace(MISSING, votes=votes, confidence=confidence),))
    ).words()
    assert said in words
    assert f"お手本 {len(backs)} 本" in words or f"{len(backs)} 本中" in words


@pytest.mark.parametrize("votes", [(), (GoldVote("0" * 12, 2.0), GoldVote("1" * 12, 1.0))])
def test_a_finding_that_is_less_likely_than_not_says_so_and_asks_to_look(
    make_page, votes: tuple[GoldVote, ...]
) -> None:
    unsure = dataclasses.replace(MISSING, votes=votes, confidence=0.34)
    words = make_page(make_score(deviations=(unsure,))).words()
    assert "About 3 in 10, which is enough to look at it yourself." in words
    assert "約3割" in words
    assert "Which golds support it was not stored" not in words
    assert "Likely:" not in words


@pytest.mark.parametrize(
    ("held_out", "said"),
    [("person", "score the recording again"), ("nothing", "There is one gold only")],
)
def test_without_votes_the_page_says_why(make_page, held_out: str, said: str) -> None:
    words = make_page(held_out=held_out).words()
    assert said in words
    assert "no gold is needed" in words


def test_the_score_stands_with_its_interval_and_the_noise_floor(make_page) -> None:
    page = make_page(make_score(interval=(54.3, 68.2)), noise_floor_score=96.24)
    assert "61.7" in page.words()
    assert "(54–69)" in page.words()
    assert "reach at least 96.2." in page.words()
    alone = make_page(held_out="nothing").words()
    assert "Noise floor unknown" in alone
    assert "No interval: with a single gold" in alone


def test_the_bars_say_how_each_step_stands_to_the_golds(make_page) -> None:
    page = make_page(make_score(steps=STEPS))
    bars = [a for a in page.attributes("svg") if a.get("class") == "reading-bar"]
    assert len(bars) == 2 * len(STEPS)
    for said in ("longer than the golds", "shorter than the golds", "below floor", "above floor", "82 %"):
        assert said in page.words()


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (Decision.NOT_VERIFIABLE, "cannot be judged, so its steps"),
        (Decision.PASS, "No readings of the steps"),
    ],
)
def test_without_readings_the_page_says_why_and_shows_no_empty_table(
    make_page, decision: Decision, said: str
) -> None:
    page = make_page(make_score(decision=decision))
    assert said in page.words()
    assert not [a for a in page.attributes("table") if a.get("class") in ("readings", "matrix")]


def test_a_reading_without_a_noise_floor_says_what_it_takes(make_page) -> None:
    steps = [dataclasses.replace(step, evidence_floor=None) for step in STEPS]
    assert "it takes two golds" in make_page(make_score(steps=tuple(steps))).words()


readings = st.builds(
    lambda seconds, low, wide, evidence, floor: StepReading(
        "open", seconds, low + wide / 2, low, low + wide, evidence, floor
    ),
    st.none() | st.floats(0, 1e4),
    st.floats(0, 1e3),
    st.floats(0.1, 1e3),
    st.none() | st.floats(-700, 0),
    st.none() | st.floats(-700, 0),
)


@given(readings)
def test_a_sign_stands_for_one_side_of_the_range(reading: StepReading) -> None:
    if reading.seconds is not None:
        sides = {"▲": reading.seconds > reading.high_s, "▼": reading.seconds < reading.low_s}
        sign = time_verdict(reading).sign
        assert [side for side, holds in sides.items() if holds] == [sign] * (sign != "✓")
    if reading.evidence is not None and reading.evidence_floor is not None:
        assert (evidence_verdict(reading).sign == "✓") == (reading.evidence >= reading.evidence_floor)


@given(st.floats(-700, 0), st.floats(-700, 0))
def test_more_evidence_is_never_a_smaller_share(one: float, other: float) -> None:
    low, high = (int(percent(value).split()[0]) for value in sorted((one, other)))
    assert 0 <= low <= high <= 100


def test_a_range_of_a_single_gold_blames_nothing() -> None:
    alone = StepReading("open", 3.0, 1.0, 1.0, 1.0, -0.5, None)
    assert time_verdict(alone).sign == ""
    assert evidence_verdict(alone).sign == ""


def test_the_table_has_a_row_a_step_and_numbers_each_reason_once() -> None:
    other = Text("A right gold was blamed.", "正しいお手本を誤って指摘しました。")
    here = not_verifiable(DeviationType.MISSING_STEP, "close", other)
    table = verifiability_table(TASK, TABLE, unverifiable=(here,))
    assert table.types == (DeviationType.MISSING_STEP, DeviationType.ORDER_SWAP)
    assert [name.en for name, _ in table.rows] == ["1 Open the lid", "2 Swap the filter", "3 Close the lid"]
    assert [[None if c is None else c.note for c in cells] for _, cells in table.rows] == [
        [None, 1],
        [1, None],
        [2, None],
    ]
    assert table.rows[2][1][1] is None
    assert [(note.concerns.en, note.here and note.here.en) for note in table.notes] == [
        ("Missing step (step 2), Order swapped (step 1)", None),
        ("Missing step (step 3)", "Missing step (step 3)"),
    ]


def test_the_page_shows_the_table_with_reasons_and_remedies(make_page) -> None:
    score = make_score(unverifiable=TABLE[1:2])
    page = make_page(score, verifiability=TABLE)
    for said in ("100 % / 0 %", "25 % / –", "8 / 4, ≤ 43 %", UNSEEN.en, MORE.ja):
        assert said in page.words()
    assert (
        "The golds show this too poorly to be sure of it, found or not: Missing step (step 2). "
        f"{MORE.en}" in page.words()
    )


@pytest.mark.parametrize(("held_out", "said"), [("nothing", "With a single gold"), ("gold", "rebuild it")])
def test_without_a_table_the_page_says_why(make_page, held_out: str, said: str) -> None:
    page = make_page(held_out=held_out)
    assert said in page.words()
    assert not [a for a in page.attributes("table") if a.get("class") == "matrix"]


def test_hostile_names_and_reasons_stay_text(make_page) -> None:
    evil = Text(HOSTILE, HOSTILE)
    score = make_score(deviations=(dataclasses.replace(MISSING, votes=VOTES),))
    hostile = make_page(
        score,
        gold_names={GOLD: HOSTILE},
        verifiability=(not_verifiable(DeviationType.MISSING_STEP, "open", evil),),
    )
    harmless = make_page(score, verifiability=(not_verifiable(DeviationType.MISSING_STEP, "open"),))
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in harmless.tags]
    assert hostile.words().count(HOSTILE) >= 4


def test_the_plain_rows_hold_the_same_table() -> None:
    rows = verifiability_rows(TABLE)
    assert [row["step"] for row in rows] == ["open", "swap", "close"]
    assert [row["missing_step"] for row in rows] == ["100 % / 0 %", "✕ 25 % / –", "100 % / 0 %"]
    assert [row["order_swap"] for row in rows] == ["✕ 25 % / –", "100 % / 0 %", "–"]
    assert rows[1]["not_verifiable_en"] == f"Missing step: {UNSEEN.en} {MORE.en}"
    assert rows[1]["not_verifiable_ja"] == f"手順の抜け: {UNSEEN.ja}{MORE.ja}"
    assert {tuple(row) for row in rows} == {tuple(rows[0])}
    assert verifiability_rows(()) == []


def test_the_picture_joins_strip_bars_and_stills_and_stays_small(videos: Mapping[str, Path]) -> None:
    score = make_score(steps=STEPS)
    stills = deviation_stills(
        score.deviations, trainee_video=videos[VIDEO], gold_videos={GOLD: videos[GOLD]}, covering=UNCOVERED
    )
    options = {"task": TASK, "alignment": make_alignment(), "gold_steps": GOLD_STEPS}
    sizes = []
    for one, pairs in ((make_score(), ()), (score, ()), (score, stills)):
        png = score_picture_png(score=one, stills=pairs, **options)  # type: ignore[arg-type]
        assert png == score_picture_png(score=one, stills=pairs, **options)  # type: ignore[arg-type]
        assert len(png) < 100_000
        with Image.open(io.BytesIO(png)) as picture:
            assert picture.width == 1100
            sizes.append(picture.height)
    assert sizes == sorted(set(sizes))


def test_the_picture_of_noise_stays_small_too(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    busy = (chance.integers(0, 255, (540, 960, 3), dtype=np.uint8) for _ in range(2))
    write_h264(tmp_path / "busy.mp4", busy, fps=2, crf=5)
    still = read_stills(tmp_path / "busy.mp4", [0.0], UNCOVERED)[0.0]
    png = score_picture_png(
        task=TASK,
        alignment=make_alignment(),
        score=make_score(deviations=(MISSING,), steps=STEPS),
        gold_steps=GOLD_STEPS,
        stills=(StillPair(still, still),),
    )
    assert len(png) < 100_000


def test_the_gravest_deviation_is_the_surest_of_the_highest_severity() -> None:
    mild = dataclasses.replace(MISSING, severity=Severity.EFFICIENCY, confidence=1.0)
    unsure = dataclasses.replace(MISSING, confidence=0.5)
    assert most_severe([mild, unsure, FREEZE, MISSING]) == 3
    assert most_severe([]) is None


def test_the_index_shows_interval_and_noise_floor_beside_the_score() -> None:
    row = IndexRow(
        VIDEO, "a.html", "t", "a.mp4", 61.66, Decision.FAIL, interval=(54.3, 68.2), noise_floor=96.2
    )
    words = Page(index_page([row])).words()
    assert "(54–69)" in words
    assert "noise floor 96.2" in words
    assert "noise floor" not in Page(index_page([dataclasses.replace(row, noise_floor=None)])).words()
