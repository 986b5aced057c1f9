"""Dagster's databases lose pictures and names of erased recordings, and nothing else."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from sopilot_assets.upkeep.erasing.databases import ShownInEvents, clean_database
from sopilot_assets.upkeep.erasing.texts import NamesInText

MINE, PAGE, OTHER = (f"wash-t-{digit * 12}" for digit in "123")
PICTURE = "data:image/png;base64," + "QUJD" * 400


def event(key: str) -> str:
    entries = [
        {"label": "picture", "entry_data": {"md_str": f"![x]({PICTURE})"}},
        {"label": "score", "entry_data": {"text": "93.0"}},
        {"label": "file", "entry_data": {"text": "tanaka.mp4"}},
        {"label": "person", "entry_data": {"text": "p7"}},
    ]
    return json.dumps({"materialization": {"partition": key, "metadata_entries": entries}})


def events_in(path: Path) -> dict[str, set[str]]:
    """The labels that the event of each partition has."""
    with closing(sqlite3.connect(path)) as database:
        told = [
            json.loads(text)["materialization"]
            for (text,) in database.execute("select event from event_logs")
        ]
    return {one["partition"]: {entry["label"] for entry in one["metadata_entries"]} for one in told}


def test_what_shows_or_names_erased_recordings_goes_from_file_and_log(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("pragma journal_mode = wal")
        database.execute("create table event_logs (id integer primary key, event text, number integer)")
        rows = [
            (event(key).replace("tanaka", "tanaka" if key == MINE else "sato"), 1)
            for key in (MINE, PAGE, OTHER)
        ]
        database.executemany("insert into event_logs (event, number) values (?, ?)", rows)
        database.execute(
            'insert into event_logs (event, number) values (\'{"message": "took in tanaka.mp4"}\', 2)'
        )
        database.commit()
        database.execute("delete from event_logs where number = 9")
    shown = ShownInEvents(frozenset({MINE}), frozenset({PAGE}), NamesInText(["tanaka.mp4"], ["p7"]))
    with closing(sqlite3.connect(path)) as database:
        database.execute("delete from event_logs where number = 2")
        database.commit()
    assert clean_database(path, shown.cleaned) > 0
    assert events_in(path) == {
        MINE: {"score"},
        PAGE: {"score", "file", "person"},
        OTHER: {"picture", "score", "file", "person"},
    }
    left = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert b"tanaka" not in left
    assert left.count(PICTURE.encode()) == 1
    assert clean_database(path, shown.cleaned) == 0


def test_names_are_whole_words_and_codes_are_values_of_metadata() -> None:
    names = NamesInText(["a.mp4", "作業.mp4"], ["text"])
    assert names.removed("ba.mp4 a.mp4, x/a.mp4.json") == "ba.mp4 (erased), x/(erased).json"
    assert names.removed(json.dumps({"file": "作業.mp4"})) == '{"file": "(erased)"}'
    told = {"what": "a.mp4を隔離。a.mp4、山作業.mp4\n作業.mp4が"}
    for spelled in (json.dumps(told), json.dumps(told, ensure_ascii=False)):
        left = json.loads(names.removed(spelled))["what"]
        assert left == "(erased)を隔離。(erased)、山作業.mp4\n(erased)が"
    codes = NamesInText([], ["山田 太郎"])
    assert codes.removed(json.dumps({"text": "山田 太郎"})) == '{"text": "(erased)"}'
    odd = NamesInText(['Tom\'s <1> & "2".mp4'])
    for page in ("Tom&#39;s &lt;1&gt; &amp; &#34;2&#34;.mp4", "Tom&#x27;s &lt;1&gt; &amp; &quot;2&quot;.mp4"):
        assert odd.removed(f"<td>{page}</td>") == "<td>(erased)</td>"
    assert names.removed('{"text": "text", "label": "text"}') == '{"text": "(erased)", "label": "text"}'
