"""`sopilot recording`: facts corrected, recordings withdrawn and restored, from the command line."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sopilot_assets.scoring.ledger import COLUMNS, scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, publish_text
from sopilot_assets.upkeep.setting_up import prepare_home
from sopilot_assets_tests.cli.running import rows, sopilot
from sopilot_assets_tests.made_once import MadeOnce
from sopilot_assets_tests.video.tiny import write_tiny_video


@pytest.fixture(scope="session")
def filmed_original(made_once: MadeOnce) -> Home:
    """A home with two golds from a phone, of which nothing is known; to be copied."""

    def make(folder: Path) -> Path:
        home = prepare_home(Home.at(folder / "home")).home
        sopilot(home, "task", "create", "tea", "--name", "Tea")
        for number in (1, 2):
            phone = folder / "phone" / f"IMG_{number}.mp4"
            write_tiny_video(phone, seconds=6.0, size=(320, 240), seed=number)
        place = ("--task", "tea", "--role", "gold", "--site", "line1")
        sopilot(home, "capture", "add", folder / "phone" / "IMG_1.mp4", *place)
        sopilot(home, "capture", "add", folder / "phone", *place)
        sopilot(home, "capture", "register")
        return folder / "home"

    return Home.at(made_once.get("filmed", make))


@pytest.fixture
def filmed(filmed_original: Home, tmp_path: Path) -> Home:
    """The same, of this test's own."""
    return Home.at(shutil.copytree(str(filmed_original.root), tmp_path / "home"))


def persons(home: Home) -> dict[object, object]:
    return {row["original_name"]: row["person"] for row in rows(home, "recording", "list")}


def test_persons_are_given_afterwards_and_the_list_of_changes_says_by_whom(filmed: Home) -> None:
    words = ("recording", "correct", "IMG_1.mp4", "IMG_2.mp4", "--person", "p1", "--who", "ann")
    assert "`sopilot score run --stale`" in sopilot(filmed, *words).stdout
    assert persons(filmed) == {"IMG_1.mp4": "p1", "IMG_2.mp4": "p1"}
    assert "That is known already." in sopilot(filmed, *words).stdout
    sopilot(filmed, "recording", "correct", "IMG_2.mp4", "--unknown", "person")
    told = [(row["file"], row["was"], row["now"]) for row in rows(filmed, "recording", "list", "--changes")]
    assert sorted(told, key=str) == sorted(
        [("IMG_1.mp4", None, "p1"), ("IMG_2.mp4", None, "p1"), ("IMG_2.mp4", "p1", None)], key=str
    )
    assert "ann" in sopilot(filmed, "recording", "show", "IMG_1.mp4").stdout


def test_what_is_suspected_is_shown_with_its_moment_and_is_json_in_json(filmed: Home) -> None:
    (recording, _) = rows(filmed, "recording", "list")
    lid = {"type": "missing_step", "severity": "critical", "steps": ["lid"], "votes": {}, "confidence": 0.43}
    lid |= {
        "trainee_start_s": 3.0,
        "trainee_end_s": 3.0,
        "en": "The lid is open.",
        "ja": "蓋が開いています。",
    }
    said = {
        "decision": "needs_review",
        "cause": "suspected",
        "deviations": "[]",
        "suspected": json.dumps([lid]),
    }
    row = dict.fromkeys(COLUMNS) | {"key": recording["key"], "task_id": "tea", "score": 97.0} | said
    scores_ledger(filmed).append([row], run_id="r", written_at="2026-01-01T00:00:00+00:00")
    shown = sopilot(filmed, "recording", "show", str(recording["key"])).stdout
    assert "Perhaps (about 4 in 10): The lid is open. Look at 0:03.0." in shown
    assert "Look at 0:03.0 in the recording and decide." in shown
    assert "No deviation is certain; what is possible stands below." in shown
    assert "Possible, but not certain" in shown
    assert "43%" in shown
    japanese = sopilot(filmed, "recording", "show", str(recording["key"]), "--lang", "ja").stdout
    assert "録画の 0:03.0 を見て判断してください。" in japanese
    assert "可能性のあるもの" in japanese
    assert "確実な逸脱はありません" in japanese
    for words in (("recording", "show", str(recording["key"]), "--json"), ("score", "list", "--json")):
        told = json.loads(sopilot(filmed, *words).stdout)
        score = told["score"] if isinstance(told, dict) else told[0]
        assert score["suspected"] == [lid]
        assert score["cause"] == "suspected"


def test_of_what_cannot_be_judged_an_empty_list_says_nothing_and_no_chance_is_told(filmed: Home) -> None:
    (recording, _) = rows(filmed, "recording", "list")
    lid = {"type": "missing_step", "severity": "critical", "steps": ["lid"], "votes": {}, "confidence": 0.96}
    lid |= {"trainee_start_s": 3.0, "trainee_end_s": 3.0, "en": "The lid is open.", "ja": "蓋が開いている。"}
    said = {"decision": "not_verifiable", "cause": "one_gold", "reason_en": "One gold.", "reason_ja": "1 本"}
    said |= {"deviations": "[]", "suspected": json.dumps([lid])}
    row = dict.fromkeys(COLUMNS) | {"key": recording["key"], "task_id": "tea"} | said
    scores_ledger(filmed).append([row], run_id="r", written_at="2026-01-01T00:00:00+00:00")
    shown = sopilot(filmed, "recording", "show", str(recording["key"])).stdout
    assert "an empty list does not mean that it is correct" in shown
    assert "The lid is open." in shown
    assert "96%" not in shown
    japanese = sopilot(filmed, "recording", "show", str(recording["key"]), "--lang", "ja").stdout
    assert "手順が正しいことを意味しません" in japanese


def test_a_gold_is_withdrawn_listed_with_the_reason_and_restored(filmed: Home) -> None:
    sopilot(filmed, "recording", "withdraw", "IMG_2.mp4", "--why", "spilt", "--who", "ann")
    assert list(persons(filmed)) == ["IMG_1.mp4"]
    (out,) = rows(filmed, "recording", "list", "--withdrawn")
    assert (out["original_name"], out["why"], out["changed_by"]) == ("IMG_2.mp4", "spilt", "ann")
    assert "withdrawn" in sopilot(filmed, "recording", "show", "IMG_2.mp4").stdout
    refused = sopilot(filmed, "recording", "withdraw", "IMG_2.mp4", "--why", "again", exit_code=1)
    assert "expected a recording that counts; withdrawn by ann: spilt" in refused.stderr
    sopilot(filmed, "recording", "withdraw", "--undo", "IMG_2.mp4")
    reason = sopilot(filmed, "recording", "withdraw", "IMG_1.mp4", exit_code=1).stderr
    assert "--why: expected the reason" in reason
    assert set(persons(filmed)) == {"IMG_1.mp4", "IMG_2.mp4"}


def test_a_time_that_is_none_is_refused_with_an_example(filmed: Home) -> None:
    words = ("recording", "correct", "IMG_1.mp4", "--recorded-at", "monday")
    told = sopilot(filmed, *words, exit_code=1).stderr
    assert "--recorded-at monday: expected a time such as 2026-03-02T08:15:00+09:00" in told
    told = sopilot(filmed, *words[:-1], "0001-01-01T00:00:00+09:00", exit_code=1).stderr
    assert "--recorded-at: Value error, expected when it was recorded" in told
    told = sopilot(filmed, "recording", "correct", "IMG_1.mp4", "--person", "p" * 201, exit_code=1).stderr
    assert "--person: String should have at most 200 characters." in told


def test_a_corrected_time_makes_no_score_stale_and_sorts_the_list_at_once(filmed: Home) -> None:
    (key,) = (row["key"] for row in rows(filmed, "recording", "list") if row["original_name"] == "IMG_1.mp4")
    blank = dict.fromkeys(COLUMNS)
    row = {**blank, "key": key, "video_id": str(key)[-12:], "task_id": "tea", "role": "gold", "score": 100.0}
    row |= {"original_name": "IMG_1.mp4", "decision": "pass", "deviations": "[]"}
    scores_ledger(filmed).append([row], run_id="r", written_at="2026-01-01T00:00:00+00:00")
    publish_text(filmed.review(str(key)), "<!doctype html>")
    moment = ("--recorded-at", "2026-03-02T08:15:00+09:00")
    told = sopilot(filmed, "recording", "correct", "IMG_1.mp4", *moment).stdout
    assert "No score rests on it." in told
    assert "stale" not in told
    listed = local_path(filmed.reviews / "index.html").read_text("utf-8")
    assert 'data-when="2026-03-01T23:15:00.000000Z"' in listed
    assert "is stale" in sopilot(filmed, "recording", "correct", "IMG_1.mp4", "--site", "line2").stdout


def test_doctor_tells_unknown_persons_from_too_few(filmed: Home) -> None:
    def told() -> str:
        (row,) = (row for row in rows(filmed, "home", "doctor") if row["check"] == "golds")
        return f"{row['what']}: {row['action']}"

    (local_path(filmed.root) / "settings.yaml").write_text("limits: {golds: 2, gold_persons: 2}\n")
    assert "2 golds by unknown persons" in told()
    assert "recording correct IMG_" in told()
    sopilot(filmed, "recording", "correct", "IMG_1.mp4", "--person", "p1")
    assert "2 golds by 1 persons and by unknown ones" in told()
    sopilot(filmed, "recording", "correct", "IMG_2.mp4", "--person", "p2")
    assert "2 by 2 persons" in told()


def facts(home: Home) -> dict[object, tuple[object, ...]]:
    columns = ("person", "session", "site", "recorded_at")
    return {
        row["original_name"]: tuple(row[name] for name in columns) for row in rows(home, "recording", "list")
    }


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine is in Japan."""
    with monkeypatch.context() as there:
        there.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


SAVED = {
    "by Excel": lambda text: text.replace(",", ";").replace("\n", "\r\n").encode("utf-8-sig"),
    "as Unicode text": lambda text: text.replace(",", "\t").encode("utf-16"),
    "by others": str.encode,
}


@pytest.mark.parametrize("saved", SAVED.values(), ids=SAVED)
def test_a_sheet_gives_many_recordings_their_persons_in_one_go(
    filmed: Home, tmp_path: Path, saved: Callable[[str], bytes], tokyo: None
) -> None:
    sheet = tmp_path / "persons.csv"
    head, first = "file,person,session,site,recorded_at,remark", "IMG_1.mp4,p1,早番,line2,2026/3/2 8:15,x"
    sheet.write_bytes(saved(f"{head}\n{first}\nIMG_2.mp4,p2,,,,\n,,,,,\n"))
    told = sopilot(filmed, "recording", "correct", "--from", sheet, "--who", "ann").stdout
    assert "Not read: the columns remark." in told
    assert facts(filmed) == {
        "IMG_1.mp4": ("p1", "早番", "line2", "2026-03-02T08:15:00+09:00"),
        "IMG_2.mp4": ("p2", None, "line1", None),
    }
    assert {row["who"] for row in rows(filmed, "recording", "list", "--changes")} == {"ann"}
    again = sopilot(filmed, "recording", "correct", "--from", sheet, "--who", "ann").stdout
    assert "That is known already." in again


def test_the_list_of_recordings_is_a_sheet_to_fill_in(filmed: Home, tmp_path: Path) -> None:
    sheet = tmp_path / "list.csv"
    listed = sopilot(filmed, "recording", "list", "--csv").stdout
    lines = [line.split(",") for line in listed.splitlines()]
    place = lines[0].index("person")
    for number, cells in enumerate(lines[1:]):
        cells[place] = f"p{number}"
    sheet.write_text("\n".join(",".join(cells) for cells in lines), "utf-8")
    sopilot(filmed, "recording", "correct", "--from", sheet)
    assert set(persons(filmed).values()) == {"p0", "p1"}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("IMG_9.mp4,p2,", "line 3, column file: IMG_9.mp4: expected the partition key"),
        ("IMG_1.mp4,p2,", "line 3, column file: tea-g-"),
        ("IMG_2.mp4,p2,monday", "line 3, column recorded_at: expected a time such as"),
        ("IMG_2.mp4,p2,3/2/2026 8:15", "line 3, column recorded_at: expected a time such as"),
        ("IMG_2.mp4,p2,2026-13-02 8:15", "line 3, column recorded_at: expected a time such as"),
        ("IMG_2.mp4,p2,0001-01-01T00:00+09:00", "line 3, column recorded_at: expected a time such as"),
        (f"IMG_2.mp4,{'p' * 201},", "line 3, column person: String should have at most 200"),
        ("IMG_2.mp4,p2,,Ann, tall", "line 3: expected text below named columns only"),
    ],
)
def test_of_a_sheet_with_a_fault_nothing_is_taken_and_the_line_is_named(
    filmed: Home, tmp_path: Path, line: str, fault: str
) -> None:
    sheet = tmp_path / "persons.csv"
    sheet.write_text(f"file,person,recorded_at\nIMG_1.mp4,p1,\n{line}\n", "utf-8")
    told = sopilot(filmed, "recording", "correct", "--from", sheet, exit_code=1).stderr
    assert "1 fault, and nothing was taken" in told
    assert fault in " ".join(told.split())
    assert persons(filmed) == {"IMG_1.mp4": None, "IMG_2.mp4": None}


def test_a_sheet_without_names_or_facts_says_which_columns_there_may_be(filmed: Home, tmp_path: Path) -> None:
    sheet = tmp_path / "persons.csv"
    for text, expected in (
        ("file,remark\nIMG_1.mp4,x\n", "expected columns of names and of facts"),
        ("person\np1\n", "expected columns of names and of facts"),
        ("file,person\nIMG_1.mp4,\n", "expected rows that say something"),
    ):
        sheet.write_text(text, "utf-8")
        assert expected in sopilot(filmed, "recording", "correct", "--from", sheet, exit_code=1).stderr
    both = sopilot(filmed, "recording", "correct", "IMG_1.mp4", "--from", sheet, exit_code=1).stderr
    assert "or --from SHEET.csv without either" in both
    sopilot(filmed, "recording", "correct", exit_code=1)
    assert persons(filmed) == {"IMG_1.mp4": None, "IMG_2.mp4": None}
