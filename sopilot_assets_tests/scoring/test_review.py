"""Review pages: self-contained, safe, in two languages, the same bytes each time, and true to the result."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from sopilot_assets.alignment.spans import Alignment, Span, SpanKind, Warp
from sopilot_assets.errors import GoldError, StoreError
from sopilot_assets.scoring.result import Decision, Deviation, Objection, Score
from sopilot_assets.scoring.review import (
    IndexRow,
    alignment_strip_png,
    alignment_strip_svg,
    deviation_stills,
    index_page,
    playable,
    plays_as_it_is,
    proxy,
    review_page,
)
from sopilot_assets.scoring.review.contest import with_contest
from sopilot_assets.scoring.review.drawing import PNG_SCALE
from sopilot_assets.scoring.review.sync import sync_table
from sopilot_assets.segments import Segment
from sopilot_assets.tasks import DeviationType, Severity, Step, TaskSpec
from sopilot_assets.texts.languages import Text
from sopilot_assets.video.frames import iter_frames
from sopilot_assets.video.probe import probe
from sopilot_assets.video.write import write_h264
from sopilot_assets_tests.video.made import remuxed
from sopilot_assets_tests.video.tiny import frame_number, write_tiny_video

GOLD, OTHER_GOLD, VIDEO = "a" * 12, "c" * 12, "b" * 12
HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;\u2028.mp4"
VOID = {"meta", "input", "br", "img", "link"}

TASK = TaskSpec(
    task_id="filter_change",
    name="Filter change",
    name_ja="フィルター交換",
    version=3,
    steps=(
        Step(id="open", name="Open the lid", name_ja="蓋を開ける"),
        Step(id="swap", name="Swap the filter", name_ja="フィルターを替える"),
        Step(id="close", name="Close the lid"),
    ),
)
GOLD_STEPS = ((0, Segment(0.0, 1.0)), (1, Segment(1.0, 2.0)), (2, Segment(2.0, 3.0)))
MISSING = Deviation(
    type=DeviationType.MISSING_STEP,
    severity=Severity.CRITICAL,
    step_ids=("swap",),
    trainee=Segment(1.5, 1.5),
    gold_id=GOLD,
    gold=Segment(1.0, 2.0),
    confidence=0.934,
    text=Text("Step 2 was not found.", "手順2が見つかりません。"),
)
FREEZE = Deviation(
    type=DeviationType.FREEZE,
    severity=Severity.QUALITY,
    step_ids=(),
    trainee=Segment(2.0, 2.5),
    gold_id=GOLD,
    gold=None,
    confidence=1.0,
    text=Text("The picture stands still.", "映像が停止しています。"),
)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    folder = tmp_path_factory.mktemp("videos")
    paths = {name: folder / f"{name}.mp4" for name in (VIDEO, GOLD, OTHER_GOLD)}
    for shift, path in enumerate(paths.values()):
        write_h264(path, _pictures(60, shift * 40), fps=20)
    return paths


def _pictures(count: int, shift: int) -> Iterator[np.ndarray]:
    """Even grey pictures that brighten with time, so that a picture tells its own number."""
    for number in range(count):
        yield np.full((64, 96, 3), 40 + 3 * number - shift // 4, np.uint8)


def make_alignment() -> Alignment:
    middles = np.array([0.5, 1.0, 1.5, 2.0, 2.5])
    posterior = np.full((5, 4), 0.1, np.float32)
    posterior[[0, 1, 2, 3, 4], [0, 0, 2, 3, 2]] = 0.7
    return Alignment(
        video_id=VIDEO,
        reference_id="d" * 12,
        spans=(
            Span(SpanKind.STEP, Segment(0.0, 1.5), 0, 1.2),
            Span(SpanKind.UNKNOWN, Segment(1.5, 2.0), None, 0.1),
            Span(SpanKind.FROZEN, Segment(2.0, 2.5), None, 0.0),
            Span(SpanKind.STEP, Segment(2.5, 3.0), 2, 0.8),
        ),
        edits=(),
        log_odds=4.2,
        fit=-0.5,
        warp=Warp(GOLD, np.array([0.5, 1.0, 1.0, 2.0, 2.5]), middles, 0.12),
        clip_middle_s=middles,
        posterior=posterior,
        duration_s=3.0,
        held_out="person",
    )


def make_score(**changes: object) -> Score:
    score = Score(
        video_id=VIDEO,
        score=61.66,
        decision=Decision.FAIL,
        reason=Text("A critical step is missing.", "重大な手順が抜けています。"),
        deviations=(MISSING, FREEZE),
        critical_probability=0.9,
        dtw_normalized_cost=0.12,
        over_time_ratio=0.0,
        fit=-0.5,
    )
    return dataclasses.replace(score, **changes)  # type: ignore[arg-type]


@pytest.fixture
def make_page(videos: Mapping[str, Path], tmp_path: Path):
    def make(score: Score | None = None, file_name: str = "visit_01.mp4", **options: object) -> str:
        score, golds = score or make_score(), {GOLD: videos[GOLD], OTHER_GOLD: videos[OTHER_GOLD]}
        stills = deviation_stills(score.deviations, trainee_video=videos[VIDEO], gold_videos=golds)
        return review_page(
            task=TASK,
            score=score,
            alignment=make_alignment(),
            trainee_video=videos[VIDEO],
            gold_videos=golds,
            gold_steps={GOLD: GOLD_STEPS, OTHER_GOLD: GOLD_STEPS},
            stills=stills,
            row={"key": "filter_change-t-b", "person": "Aoki", "camera": None, "file_name": file_name},
            proxy_folder=tmp_path / "proxies",
            **options,  # type: ignore[arg-type]
        )

    return make


@dataclass
class Page(HTMLParser):
    """The elements of a page as (tag, attributes) and the text of each kind of element."""

    text: str
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.feed(self.text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def words(self) -> str:
        return " ".join(
            text for tag, texts in self.texts.items() if tag not in ("script", "style") for text in texts
        )

    def data(self) -> dict[str, object]:
        return json.loads(next(text for text in self.texts["script"] if text.startswith("{")))


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


def test_a_small_copy_keeps_the_time_of_a_recording_with_an_uneven_rate(tmp_path: Path) -> None:
    source = tmp_path / "uneven.mp4"
    starts_ms = [0, 100, 200, 300, 1300, 1400, 2600, 2700]
    _write_uneven(source, starts_ms)
    copy = proxy(source, tmp_path, "uneven")
    for chunk in iter_frames(copy, rate_hz=12.5, short_side=16):
        for time_s, image in zip(chunk.times_s, chunk.images, strict=True):
            due = sum(start <= time_s * 1000 + 1e-6 for start in starts_ms) - 1
            assert image.mean() == pytest.approx(30 + 25 * due, abs=6), time_s


def test_a_small_copy_keeps_a_players_clock_where_pictures_begin_after_the_sound(tmp_path: Path) -> None:
    source = write_tiny_video(tmp_path / "a.mp4", seconds=4, options={"bf": "0", "crf": "10"})
    late = remuxed(source, tmp_path / "late.mkv", first_s=2, sound_s=6)
    copy = proxy(late, tmp_path, "late")
    assert probe(copy).duration_s == pytest.approx(6, abs=0.2)
    begin_s = probe(late).begin_s
    for chunk in iter_frames(copy, rate_hz=2, short_side=120):
        for time_s, image in zip(chunk.times_s, chunk.images, strict=True):
            due = max(int((time_s - begin_s) * 30 + 0.05), 0)
            assert frame_number(image) == pytest.approx(due, abs=2), time_s


def _write_uneven(path: Path, starts_ms: list[int]) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=1000, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, start in enumerate(starts_ms):
            frame = av.VideoFrame.from_ndarray(
                np.full((48, 64, 3), 30 + 25 * number, np.uint8), format="rgb24"
            )
            frame.pts, frame.time_base = start, Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def test_a_small_recording_that_browsers_play_is_embedded_as_it_is(
    videos: Mapping[str, Path], tmp_path: Path
) -> None:
    assert playable(videos[GOLD], tmp_path / "proxies", GOLD) == videos[GOLD]
    assert not (tmp_path / "proxies").exists()


def test_a_recording_that_browsers_may_not_play_is_copied(videos: Mapping[str, Path], tmp_path: Path) -> None:
    packed = tmp_path / "packed.mkv"
    with av.open(str(videos[GOLD])) as source, av.open(str(packed), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    assert not plays_as_it_is(packed)
    assert playable(packed, tmp_path / "proxies", GOLD).parent == tmp_path / "proxies"


def test_a_small_copy_is_made_once(videos: Mapping[str, Path], tmp_path: Path) -> None:
    copy = proxy(videos[GOLD], tmp_path, GOLD)
    before = copy.stat().st_mtime_ns
    assert proxy(videos[GOLD], tmp_path, GOLD) == copy
    assert copy.stat().st_mtime_ns == before
    assert [path.name for path in tmp_path.iterdir()] == [copy.name]


def test_a_small_copy_never_enlarges(videos: Mapping[str, Path], tmp_path: Path) -> None:
    copy = probe(proxy(videos[GOLD], tmp_path, GOLD))
    assert (copy.width, copy.height) == (96, 64)


@pytest.mark.parametrize("name", ["../gold", "", "a/b", "a b", "gold.mp4"])
def test_a_name_that_is_no_file_name_is_refused(
    name: str, videos: Mapping[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="expected letters"):
        proxy(videos[GOLD], tmp_path / "proxies", name)
    assert not list(tmp_path.iterdir())


def _strip_options(**changes: object) -> dict[str, object]:
    return {
        "task": TASK,
        "alignment": make_alignment(),
        "score": make_score(),
        "gold_steps": GOLD_STEPS,
        **changes,
    }


def test_the_strip_is_a_small_picture_and_the_same_each_time() -> None:
    first = alignment_strip_png(**_strip_options())  # type: ignore[arg-type]
    assert first == alignment_strip_png(**_strip_options())  # type: ignore[arg-type]
    assert len(first) < 40_000
    with Image.open(io.BytesIO(first)) as picture:
        assert picture.width == 1000 * PNG_SCALE


def test_the_strip_of_a_long_recording_stays_small() -> None:
    chance = np.random.default_rng(1)
    middles = np.arange(1, 3600, 0.5)
    posterior = chance.dirichlet(np.full(4, 0.3), len(middles)).astype(np.float32)
    alignment = dataclasses.replace(
        make_alignment(),
        duration_s=3600.0,
        held_out="person",
        clip_middle_s=middles,
        posterior=posterior,
        warp=Warp(GOLD, np.linspace(0, 3, len(middles)), middles, 0.3),
    )
    png = alignment_strip_png(**_strip_options(alignment=alignment))  # type: ignore[arg-type]
    svg = alignment_strip_svg(**_strip_options(alignment=alignment))  # type: ignore[arg-type]
    assert len(png) < 40_000
    assert len(svg) < 80_000


def test_the_strip_shows_a_deviation_s_colour_where_it_is() -> None:
    png = alignment_strip_png(**_strip_options(score=make_score(deviations=(MISSING,))))  # type: ignore[arg-type]
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    red = (abs(pixels - np.array([0xB3, 0x26, 0x1E])).sum(axis=2) < 30).any(axis=0).nonzero()[0]
    middle = PNG_SCALE * (84 + (990 - 84) * 1.5 / 3.0)
    assert red.size
    assert (abs(red - middle) < PNG_SCALE * 20).any()
    calm = alignment_strip_png(**_strip_options(score=make_score(deviations=())))  # type: ignore[arg-type]
    pixels = np.asarray(Image.open(io.BytesIO(calm)).convert("RGB")).astype(int)
    assert not (abs(pixels - np.array([0xB3, 0x26, 0x1E])).sum(axis=2) < 30).any()


def test_the_strip_names_bands_by_deviation_and_puts_overlapping_ones_on_their_own_lane() -> None:
    twice = make_score(deviations=(FREEZE, FREEZE, MISSING))
    page = Page(alignment_strip_svg(**_strip_options(score=twice)))  # type: ignore[arg-type]
    bands = [a for a in page.attributes("polygon") if "data-deviation" in a]
    tops = [float(str(band["points"]).split()[0].split(",")[1]) for band in bands]
    assert [band["data-deviation"] for band in bands] == ["0", "1", "2"]
    assert tops[0] < tops[1]
    assert tops[2] == tops[0]


@pytest.mark.parametrize("spans", [(), make_alignment().spans])
def test_the_strip_does_without_clips_steps_or_a_path(spans: tuple[Span, ...]) -> None:
    nothing = np.zeros(0)
    bare = dataclasses.replace(
        make_alignment(),
        spans=spans,
        clip_middle_s=nothing,
        posterior=np.zeros((0, 4), np.float32),
        warp=Warp(GOLD, nothing, nothing, 0.0),
    )
    page = Page(alignment_strip_svg(**_strip_options(alignment=bare, gold_steps=())))  # type: ignore[arg-type]
    assert not page.unbalanced


def test_the_gold_s_time_follows_the_path_to_within_half_a_picture() -> None:
    chance = random.Random(3)
    gold_s = np.cumsum([chance.choice([0.0, 0.5, 0.5, 1.0]) for _ in range(60)])
    trainee_s = np.arange(60) * 0.5 + 1.0
    alignment = dataclasses.replace(
        make_alignment(), duration_s=31.0, warp=Warp(GOLD, gold_s, trainee_s, 0.1)
    )
    table = np.array(sync_table(alignment, gold_id=GOLD, gold_steps=()))
    assert (np.diff(table, axis=0) >= 0).all()
    for time_s, expected in zip(trainee_s, gold_s, strict=True):
        found = np.interp(time_s, table[:, 0], table[:, 1])
        assert abs(found - expected) < 0.1
    assert len(table) < 62


def test_a_gold_without_a_path_is_followed_step_by_step() -> None:
    table = sync_table(make_alignment(), gold_id=OTHER_GOLD, gold_steps=GOLD_STEPS)
    assert table == [(0.0, 0.0), (1.5, 1.0), (2.5, 2.0), (3.0, 3.0)]


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
    assert next(a["href"] for a in Page(text).attributes("a")) == "a%20review.html"
    assert text.count('data-contested="yes"') == 1
    assert "ann" in Page(text).words()


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


def test_an_empty_index_says_so() -> None:
    assert "Nothing has been scored yet." in Page(index_page(())).words()
