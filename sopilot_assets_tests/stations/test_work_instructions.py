"""A work instruction shows each step at a moment of that step, and says what the task's file says."""

from __future__ import annotations

import io
import re
import shutil
import time
from base64 import b64decode
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import pytest
from PIL import Image

from sopilot_assets.errors import GoldError
from sopilot_assets.stations.work_instructions import (
    WorkInstruction,
    instruction_file,
    make_instruction_pictures,
    work_instruction,
)
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import MaskedRegion, TaskPrivacy
from sopilot_assets.tasks.saving import lock_as_seen, open_task, save_task
from sopilot_assets.texts.languages import Language
from sopilot_assets_tests.stations.test_staleness import TASK, steps_csv

NOW = datetime(2026, 2, 23, 9, 30, tzinfo=UTC)
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def home(original: Home, tmp_path: Path) -> Home:
    home = Home.at(shutil.copytree(str(original.root), tmp_path / "home"))
    opened = open_task(home, TASK)
    first, second, *rest = opened.task.steps
    steps = (
        first.model_copy(update={"instruction": f"Both hands. {SCRIPT}", "instruction_ja": "両手で。"}),
        second.model_copy(update={"critical": False, "after": ()}),
        *rest,
    )
    wanted = opened.task.model_copy(update={"steps": steps, "takt_s": 45.0})
    save_task(home, TASK, wanted, base=opened.base, who="ada", why="a test", at=NOW)
    return home


def made(home: Home, *, gold: str = "") -> WorkInstruction:
    assert make_instruction_pictures(home, work_instruction(home, TASK, gold=gold))
    return work_instruction(home, TASK, gold=gold)


def visible(document: bytes) -> str:
    text = re.sub(r"(?s)<(style|script)>.*?</\1>", "", document.decode("utf-8"))
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def test_each_step_has_a_picture_of_a_moment_of_it(home: Home) -> None:
    told = made(home)
    assert told.pictures is not None
    assert set(told.pictures.moments) == set(told.task.step_ids)
    stretches = {told.task.step_ids[one.step]: one.segment for one in told.shown}
    for one in told.steps:
        assert one.at_s is not None
        stretch = stretches[one.step.id]
        assert stretch.start_s - 0.2 <= one.at_s <= stretch.end_s
        Image.open(told.pictures.file(one.step.id)).verify()
    assert [one.number for one in told.steps] == list(range(1, 8))
    assert (told.steps[0].after, told.steps[1].after) == (None, ())
    assert told.total_s == pytest.approx(sum(one.usual_s or 0 for one in told.steps))


def test_the_same_gives_the_same_file_and_the_file_needs_nothing_else(home: Home) -> None:
    told = made(home)
    first = instruction_file(told, Language.EN)
    for path in local_path(home.proxies).glob("*-instruction-*"):
        path.unlink()
    assert instruction_file(made(home), Language.EN) == first
    assert not re.search(rb'(src|href)="(?!data:)', first)
    pictures = re.findall(rb'src="data:image/jpeg;base64,([^"]+)"', first)
    assert len(pictures) == 7
    assert min(Image.open(io.BytesIO(b64decode(one))).size for one in pictures) > (100, 100)


def test_it_says_what_the_file_says_in_both_languages(home: Home) -> None:
    told = made(home)
    english, japanese = (visible(instruction_file(told, language)) for language in Language)
    assert "DRAFT, not locked" in english
    assert "Takt time 45 s" in english
    assert "Both hands. <script>alert(1)</script>" in english
    assert b"<script>alert(1)" not in instruction_file(told, Language.EN)
    assert english.count("CRITICAL") == 1 + 6
    assert "at any time" in english
    assert "草案（未確定）" in japanese
    assert "両手で。" in japanese
    assert japanese.count("必須") == 1 + 6
    before = told.content_id
    lock_as_seen(home, TASK, base=open_task(home, TASK).base, who="ada", at=NOW)
    told = work_instruction(home, TASK)
    assert "State locked 2026-02-23" in visible(instruction_file(told, Language.EN))
    assert told.content_id == before
    opened = open_task(home, TASK)
    wanted = opened.task.model_copy(update={"name": "Another name"})
    save_task(home, TASK, wanted, base=opened.base, who="ada", why="a test", at=NOW)
    assert work_instruction(home, TASK).content_id != before


def test_other_pictures_are_another_content(home: Home) -> None:
    before, opened = made(home), open_task(home, TASK)
    hidden = TaskPrivacy(masked_regions=(MaskedRegion(left=0.0, top=0.0, width=0.5, height=0.5),))
    wanted = opened.task.model_copy(update={"privacy": hidden})
    save_task(home, TASK, wanted, base=opened.base, who="ada", why="a test", at=NOW)
    after = made(home)
    assert before.pictures is not None
    assert after.pictures is not None
    step = opened.task.step_ids[0]
    assert before.pictures.file(step).read_bytes() != after.pictures.file(step).read_bytes()
    assert before.content_id != after.content_id


def test_it_was_locked_on_the_day_that_it_was_here(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    evening = datetime(2026, 2, 23, 22, 30, tzinfo=UTC)
    lock_as_seen(home, TASK, base=open_task(home, TASK).base, who="ada", at=evening)
    with monkeypatch.context() as there:
        there.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        assert work_instruction(home, TASK).locked_on == "2026-02-24"
    time.tzset()


def test_a_sentence_makes_no_score_stale_and_no_new_version(home: Home) -> None:
    lock_as_seen(home, TASK, base=open_task(home, TASK).base, who="ada", at=NOW)
    opened = open_task(home, TASK)
    steps = tuple(step.model_copy(update={"instruction": "Slowly."}) for step in opened.task.steps)
    wanted = opened.task.model_copy(update={"steps": steps, "takt_s": 50.0})
    saved = save_task(home, TASK, wanted, base=opened.base, who="ada", why="a test", at=NOW)
    assert (saved.version, saved.fingerprint()) == (opened.task.version, opened.task.fingerprint())


def test_the_gold_can_be_chosen_and_the_most_usual_one_is_chosen_unless_told(home: Home) -> None:
    told = work_instruction(home, TASK)
    assert told.gold == told.golds[0]
    assert len(told.golds) == 3
    other = str(told.golds[2].key)
    assert str(made(home, gold=other).gold.key) == other  # type: ignore[union-attr]
    with pytest.raises(GoldError, match="expected a gold of filter_change with marked steps"):
        work_instruction(home, TASK, gold="filter_change-t-1f3a9c2b7d04")


def test_without_marked_golds_there_are_sentences_only(home: Home) -> None:
    steps_csv(home).unlink()
    told = made(home)
    assert (told.gold, told.golds, told.pictures, told.total_s) == (None, (), None, None)
    assert visible(instruction_file(told, Language.EN)).count("no picture") == 7


def test_a_gold_that_cannot_be_read_says_why_and_is_not_tried_again(home: Home) -> None:
    told = work_instruction(home, TASK)
    assert told.gold is not None
    local_path(home.videos / told.gold.stored_name).write_bytes(b"no video")
    told = made(home)
    assert told.pictures is not None
    assert told.pictures.why
    assert str(home.root) not in told.pictures.why
    assert told.pictures.moments == {}
