"""Sheets: what people filled in is kept and taken in as it is; a bad sheet is refused with every fault."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sopilot_assets.errors import LabelError
from sopilot_assets.labels.events import Agreement, Draft, LabelEvent, Seen, Source, place
from sopilot_assets.labels.recordings import RecordingToLabel, by_key, recordings_to_label
from sopilot_assets.labels.sheet_files import SUFFIXES, read_sheet, write_sheet
from sopilot_assets.labels.sheets import (
    BLIND_COLUMNS,
    FINDINGS_COLUMNS,
    PEOPLE_FILL,
    sheet_drafts,
    write_template,
)
from sopilot_assets.store.home import Home
from sopilot_assets.tasks import DeviationType
from sopilot_assets_tests.labels.made_up import AT, STEPS, TASK, draft, key_of, register

FINDINGS = (
    Seen(type=DeviationType.MISSING_STEP, steps=("pour",)),
    Seen(type=DeviationType.ORDER_SWAP, steps=("pour", "stir")),
)
NAMES = ("a_bad_freeze.mp4", "b.mp4", "c.mp4")
KEYS = tuple(key_of(name) for name in NAMES)
RECORDINGS = [
    RecordingToLabel(key, name, f"videos/{key}.mp4", f"reviews/{key}.html", "fail", 61.25, FINDINGS)
    for key, name in zip(KEYS, NAMES, strict=True)
]


def take(path: Path, **more: Any) -> list[Draft]:
    return sheet_drafts(
        read_sheet(path), task_id=TASK, steps=STEPS, recordings=by_key(RECORDINGS, ["job-1"]), at=AT, **more
    )


def refusal(path: Path, **more: Any) -> str:
    with pytest.raises(LabelError) as refused:
        take(path, **more)
    return str(refused.value)


def rows_of(path: Path) -> list[dict[str, str]]:
    return [dict(row.cells) for row in read_sheet(path).rows]


def fill(path: Path, answers: Mapping[int, Mapping[str, str]]) -> None:
    """Fill in cells of the rows with these numbers, as a person would."""
    sheet = read_sheet(path)
    rows = [{**row.cells, **answers.get(number, {})} for number, row in enumerate(sheet.rows)]
    write_sheet(path, sheet.columns, rows)


def blind(path: Path, **more: Any) -> Path:
    write_template(path, RECORDINGS, source=Source.BLIND_HUMAN, who="ann", **more)
    return path


def with_findings(path: Path) -> Path:
    write_template(path, RECORDINGS, source=Source.HUMAN, who="ann")
    return path


@pytest.mark.parametrize("answers", [{"verdict": "disagree"}, {"deviations": "missing_step:pour=no"}])
def test_what_is_said_of_a_decision_that_is_another_by_now_is_refused(
    tmp_path: Path, answers: dict[str, str]
) -> None:
    sheet = with_findings(tmp_path / "s.csv")
    fill(sheet, {0: {"critical_expected": "no", **answers}, 1: {"critical_expected": "yes"}})
    now = [replace(one, decision="pass", score=93.0) for one in RECORDINGS]
    known = by_key(now)
    with pytest.raises(LabelError, match="column decision: expected pass, as it is by now, found fail"):
        sheet_drafts(read_sheet(sheet), task_id=TASK, steps=STEPS, recordings=known, at=AT)
    write_template(sheet, now, source=Source.HUMAN, who="ann")
    again = rows_of(sheet)
    assert [row["decision"] for row in again] == ["fail", "pass", "pass"], "beside what was said of it"
    fill(sheet, {0: dict.fromkeys(answers, "")})
    drafts = sheet_drafts(read_sheet(sheet), task_id=TASK, steps=STEPS, recordings=known, at=AT)
    assert [one.critical_expected for one in drafts] == [False, True]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_blind_sheet_gives_nothing_away(tmp_path: Path, suffix: str) -> None:
    text = blind(tmp_path / f"s{suffix}").read_text("utf-8-sig")
    assert all(key in text for key in KEYS)
    for secret in ("freeze", "fail", "61", "missing_step", "reviews/"):
        assert secret not in text


def test_a_sheet_with_findings_asks_for_agreement_with_each(tmp_path: Path) -> None:
    row = rows_of(with_findings(tmp_path / "s.csv"))[0]
    assert (row["name"], row["decision"], row["score"]) == ("a_bad_freeze.mp4", "fail", "61.2")
    assert row["deviations"] == "missing_step:pour=? order_swap:pour+stir=?"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_sheet_that_nobody_filled_in_holds_no_labels(tmp_path: Path, suffix: str) -> None:
    assert take(blind(tmp_path / f"s{suffix}")) == []
    assert take(with_findings(tmp_path / f"t{suffix}")) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_was_filled_in_becomes_labels(tmp_path: Path, suffix: str) -> None:
    path = blind(tmp_path / f"s{suffix}")
    note = '雨, "two"\nlines; all'
    fill(path, {0: {"critical_expected": "Yes", "seen": "freeze; missing_step:pour", "note": note}})
    fill(path, {2: {"critical_expected": "unsure"}})
    first, second = take(path)
    assert (first.key, first.who, first.source) == (KEYS[0], "ann", Source.BLIND_HUMAN)
    assert (first.critical_expected, second.critical_expected) == (True, None)
    assert list(map(str, first.seen)) == ["freeze", "missing_step:pour"]
    assert first.note == note


def test_agreement_is_taken_where_it_was_answered(tmp_path: Path) -> None:
    path = with_findings(tmp_path / "s.csv")
    said = {"deviations": "missing_step:pour=no order_swap:pour+stir=?", "verdict": "Disagree"}
    fill(path, {1: {"critical_expected": "no", **said}})
    (label,) = take(path)
    assert (label.source, label.verdict) == (Source.HUMAN, "disagree")
    assert [(str(one.type), one.agree) for one in label.deviations] == [("missing_step", False)]


def as_excel(path: Path, *, separator: str, encoding: str, ends: str) -> None:
    """Save the sheet as Excel does, with empty columns and rows at its end."""
    sheet = read_sheet(path)
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator=ends)
    writer.writerow([*sheet.columns, ""])
    writer.writerows([[row.cells[name] for name in sheet.columns] + [""] for row in sheet.rows])
    writer.writerow([""] * len(sheet.columns))
    path.write_bytes(out.getvalue().encode(encoding))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_sheet_that_excel_saved_says_the_same(
    tmp_path: Path, separator: str, encoding: str, ends: str
) -> None:
    path = with_findings(tmp_path / "s.csv")
    fill(path, {0: {"critical_expected": "TRUE", "note": "a, b; c"}, 1: {"critical_expected": "いいえ"}})
    before = take(path)
    as_excel(path, separator=separator, encoding=encoding, ends=ends)
    assert take(path) == before
    assert [one.critical_expected for one in before] == [True, False]


def test_every_fault_of_a_sheet_is_named_with_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    lines = [
        "key,who,source,critical_expected,verdict,deviations,seen,note",
        f'{KEYS[0]},ann,human,maybe,,,,"two',
        'lines"',
        "tea-t-000000000000,ann,human,yes,,,,",
        f"{KEYS[1]},ann lee,human,,great,,jump:pour,",
        f"{KEYS[2]},ann,prefill,yes,,missing_step:fly=yes,,",
        f"{KEYS[2]},ann,human,yes,,,,,more,text",
        "job-1,ann,human,yes,,,,",
        "job-1,ann,human,no,,,,",
    ]
    path.write_text("\n".join(lines), "utf-8")
    told = refusal(path)
    for place_, found in {
        "line 2, column critical_expected": "'maybe'",
        "line 4, column key": "tea-t-000000000000: expected the partition key",
        "line 5, column critical_expected": "''",
        "line 5, column who": "'ann lee'",
        "line 5, column verdict": "'great'",
        "line 5, column seen": "'jump:pour'",
        "line 6, column source": "prefill",
        "line 6, column deviations": "fly",
        "line 7": "['more', 'text']",
        "line 9, column key": "line 8 already",
    }.items():
        (line,) = [one for one in told.splitlines() if one.strip().startswith(f"{place_}:")]
        assert found in line
    assert "10 faults, and nothing was taken" in told


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("s.csv", b"", "among them key"),
        ("s.csv", b"video,critical\na,b\n", "found video, critical"),
        ("s.csv", b"key,key\na,b\n", "different names"),
        ("s.csv", b"key,critical_expected,colour\njob-1,yes,red\n", "column colour"),
        ("s.csv", b"key,note\njob-1,hello\n", "column critical_expected: expected such a column"),
        ("s.csv", b'key,critical_expected\njob-1,"yes\n', "line 2: expected CSV"),
        ("s.csv", b"key,critical_expected\njob-1,\x81 \n", "line 2: expected text in UTF-8"),
        (
            "s.csv",
            b"key,who,source,critical_expected,score\njob-1,a,blind_human,yes,3\n",
            "without the columns score",
        ),
        ("s.csv", b"key,source,critical_expected\njob-1,human,yes\n", "column who: expected the id"),
        (
            "s.csv",
            b"key,who,critical_expected\njob-1,ann,yes\n",
            "column source: expected blind_human or human",
        ),
        ("s.json", b"{", "expected JSON"),
        ("s.json", b'{"jobs": []}', "found no list of rows"),
        ("s.json", b'[{"key": "job-1", "critical_expected": 1}]', "row 1: expected an object"),
        ("s.xlsx", b"PK", "ends in .csv or .json"),
    ],
)
def test_what_is_no_sheet_of_labels_is_refused(tmp_path: Path, name: str, data: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert says in refusal(path)


def test_a_missing_sheet_is_named(tmp_path: Path) -> None:
    assert "none.csv" in refusal(tmp_path / "none.csv")


def test_a_sheet_made_by_hand_may_use_file_names_and_leave_out_who(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("key,critical_expected\nb.mp4,no\n", "utf-8")
    (label,) = take(path, who="bob", source=Source.BLIND_HUMAN, adjudicates=True)
    assert (label.key, label.who, label.adjudicates) == (KEYS[1], "bob", True)


def test_json_rows_may_hold_yes_or_no_values_and_lists(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    row = {"key": "job-1", "critical_expected": False, "seen": ["freeze", "over_time:stir"], "note": None}
    path.write_text(json.dumps([row]), "utf-8")
    (label,) = take(path, who="bob", source=Source.BLIND_HUMAN)
    assert (label.critical_expected, len(label.seen), label.note) == (False, 2, "")


FILLED = {
    "critical_expected": st.sampled_from(["", "yes", "maybe", "NO "]),
    "verdict": st.sampled_from(["", "agree", "??"]),
    "deviations": st.sampled_from(["", "missing_step:pour=yes order_swap:pour+stir=?", "nonsense"]),
    "seen": st.sampled_from(["", "freeze", "a, b; c"]),
    "note": st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=8),
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(st.dictionaries(st.integers(0, 1), st.fixed_dictionaries(FILLED)), st.sampled_from(SUFFIXES))
def test_a_template_written_again_keeps_what_people_filled_in(
    tmp_path: Path, answers: dict[int, dict[str, str]], suffix: str
) -> None:
    path = tmp_path / f"s{suffix}"
    path.unlink(missing_ok=True)
    write_template(path, RECORDINGS[:2], source=Source.HUMAN, who="ann")
    fill(path, answers)
    before = rows_of(path)
    written = write_template(path, RECORDINGS[1:], source=Source.HUMAN, who="ann")
    after = rows_of(path)
    assert (written.rows, written.added) == (3, 1)
    assert [row["key"] for row in after] == list(KEYS)
    for old, new in zip(before, after, strict=False):
        assert {name: old[name] for name in PEOPLE_FILL if old[name]} == {
            name: new[name] for name in PEOPLE_FILL if old[name]
        }
    again = path.read_bytes()
    write_template(path, RECORDINGS[1:], source=Source.HUMAN, who="ann")
    assert path.read_bytes() == again


def test_the_sheet_of_somebody_else_is_left_as_it_is(tmp_path: Path) -> None:
    path = with_findings(tmp_path / "s.csv")
    before = path.read_bytes()
    with pytest.raises(LabelError, match=r"sheet of bob, found that of ann.*name another file"):
        write_template(path, RECORDINGS, source=Source.HUMAN, who="bob")
    assert path.read_bytes() == before


def test_a_row_whose_video_is_that_of_another_key_is_refused(tmp_path: Path) -> None:
    path = blind(tmp_path / "s.csv")
    fill(path, {0: {"critical_expected": "yes", "video": rows_of(path)[1]["video"]}})
    assert "line 2, column video: expected videos/" in refusal(path)
    fill(path, {0: {"video": f"D:\\copied/{KEYS[0]}.mp4"}})
    assert [one.key for one in take(path)] == [KEYS[0]]


def test_of_a_fault_in_every_row_the_first_are_named(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("key,critical_expected\n" + f"{KEYS[0]},yes\n" * 30, "utf-8")
    told = refusal(path)
    assert "s.csv: 60 faults" in told
    assert told.endswith("and 40 more")


def test_another_kind_of_sheet_is_left_as_it_is(tmp_path: Path) -> None:
    path = with_findings(tmp_path / "s.csv")
    before = path.read_bytes()
    with pytest.raises(LabelError, match="left as it is"):
        blind(path)
    path.write_text("key,my_column\nx,y\n", "utf-8")
    with pytest.raises(LabelError, match="my_column"):
        blind(path)
    assert path.read_text("utf-8") == "key,my_column\nx,y\n"
    assert before


STEP = st.sampled_from(STEPS)
SEEN = st.builds(Seen, type=st.sampled_from(DeviationType), steps=st.lists(STEP, max_size=2).map(tuple))
ANSWERS = st.lists(
    st.builds(
        Agreement,
        type=st.sampled_from(DeviationType),
        steps=st.lists(STEP, max_size=2, unique=True).map(tuple),
        agree=st.sampled_from([True, False, None]),
    ),
    max_size=3,
    unique_by=lambda one: (one.type, one.steps),
).map(tuple)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    critical=st.sampled_from([True, False, None]),
    seen=st.lists(SEEN, max_size=3).map(tuple),
    deviations=ANSWERS,
    verdict=st.sampled_from(["", "agree", "disagree", "unsure"]),
    note=st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=12),
    suffix=st.sampled_from(SUFFIXES),
)
def test_what_was_said_and_written_into_a_sheet_is_read_back(
    tmp_path: Path, critical: bool | None, suffix: str, **said: Any
) -> None:
    label = draft(KEYS[0], critical=critical, source="human", **said)
    event: LabelEvent = place(label, seq=1, previous_hash="0" * 64)
    path = tmp_path / f"s{suffix}"
    path.unlink(missing_ok=True)
    write_template(path, RECORDINGS, source=Source.HUMAN, who="ann", said={event.key: event})
    assert [one.says() for one in take(path)] == [label.says()]


def test_recordings_come_from_intake_and_scoring(home: Home) -> None:
    keys = register(home, *NAMES)
    found = recordings_to_label(home, TASK)
    assert [one.key for one in found] == sorted(keys)
    one = next(one for one in found if one.name == NAMES[0])
    assert one.page == f"reviews/{one.key}.html"
    assert (one.decision, one.score, one.findings) == ("fail", 61.25, FINDINGS)
    assert recordings_to_label(home, "coffee") == []


def test_a_file_name_cannot_become_a_formula(tmp_path: Path) -> None:
    write_template(
        tmp_path / "s.csv", [RecordingToLabel(KEYS[0], "=1+1.mp4", "v")], source=Source.HUMAN, who="ann"
    )
    assert rows_of(tmp_path / "s.csv")[0]["name"] == "'=1+1.mp4"


def test_the_two_kinds_of_sheets_differ_in_what_gives_away() -> None:
    assert set(FINDINGS_COLUMNS) - set(BLIND_COLUMNS) == {
        "name",
        "page",
        "decision",
        "score",
        "verdict",
        "deviations",
    }


def test_a_moment_is_said_after_the_deviation_and_comes_back_the_same(tmp_path: Path) -> None:
    path = blind(tmp_path / "s.csv")
    fill(path, {0: {"critical_expected": "yes", "seen": "missing_step:pour@12.40 freeze@0 freeze@71.0005"}})
    (label,) = take(path)
    assert [str(one) for one in label.seen] == ["freeze@0", "freeze@71.001", "missing_step:pour@12.4"]
    event = place(label, seq=1, previous_hash="0" * 64)
    assert event.as_dict()["seen"] == [
        {"type": "freeze", "steps": [], "at_s": 0.0},
        {"type": "freeze", "steps": [], "at_s": 71.001},
        {"type": "missing_step", "steps": ["pour"], "at_s": 12.4},
    ]
    again = tmp_path / "again.csv"
    write_template(again, RECORDINGS, source=Source.BLIND_HUMAN, who="ann", said={KEYS[0]: event})
    assert take(again)[0].says() == label.says()


@pytest.mark.parametrize("word", ["freeze@", "freeze@soon", "freeze@-1", "freeze@1e3", "@3", "freeze@1@2"])
def test_a_moment_is_in_seconds(tmp_path: Path, word: str) -> None:
    path = blind(tmp_path / "s.csv")
    fill(path, {0: {"critical_expected": "yes", "seen": word}})
    assert "column seen" in refusal(path)


def test_a_deviation_without_a_moment_is_stored_as_it_always_was() -> None:
    assert Seen(type=DeviationType.FREEZE).model_dump(mode="json") == {"type": "freeze", "steps": []}
    finding = Agreement(type=DeviationType.FREEZE, agree=True)
    assert finding.model_dump(mode="json") == {"type": "freeze", "steps": [], "agree": True}
