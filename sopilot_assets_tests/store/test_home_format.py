"""A home says which versions may write into it; whoever may not changes nothing, and reads as ever."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sopilot_assets.defs.instance import local_instance
from sopilot_assets.defs.resources import HomeResource
from sopilot_assets.desk.database import reading, transaction
from sopilot_assets.errors import FormatError
from sopilot_assets.store.home import Home
from sopilot_assets.store.home_format import (
    FORMAT_FILE,
    HOME_FORMAT,
    HomeFormat,
    changing_format,
    read_format,
)
from sopilot_assets.store.journal import append_journal, read_journal
from sopilot_assets.store.publish import (
    local_path,
    only_writer,
    publish_bytes,
    publish_moved,
    publish_text,
    scratch_folder,
)
from sopilot_assets.upkeep.conditions.condition import Condition, Fine
from sopilot_assets.upkeep.doctor import examine_home
from sopilot_assets.upkeep.setting_up import prepare_home

NEWER = HomeFormat(HOME_FORMAT + 1, "sopilot 9.9.9")
ON_ITS_WAY = HomeFormat(1, "sopilot 0.2.0", "20260302T080000Z", HOME_FORMAT)
NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def say(home: Home, said: HomeFormat) -> Home:
    root = local_path(home.root)
    root.mkdir(exist_ok=True)
    (root / FORMAT_FILE).write_bytes(said.as_json())
    return home


def content(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def move(root: Path) -> None:
    dropped = root.parent / "dropped"
    dropped.write_bytes(b"x")
    publish_moved(dropped, root / "videos" / "x.mp4")


def hold(root: Path) -> None:
    with only_writer(root / "ledgers" / "x.lock"):
        pass


def scratch(root: Path) -> None:
    with scratch_folder(root):
        pass


def instance(root: Path) -> None:
    with local_instance(Home.at(root)):
        pass


def desk(root: Path) -> None:
    with reading(Home.at(root)):
        pass


WAYS_IN: dict[str, Callable[[Path], object]] = {
    "a file": lambda root: publish_text(root / "reviews" / "x.html", "x"),
    "a file that is moved": move,
    "a journal": lambda root: append_journal(root / "alerts" / "alerts.jsonl", [{"a": 1}]),
    "a lock": hold,
    "unfinished work": scratch,
    "setting up": lambda root: prepare_home(Home.at(root)),
    "Dagster's instance": instance,
    "a run or a tick": lambda root: HomeResource(root=str(root)).setup_for_execution(None),  # type: ignore[arg-type]
    "the desk's database": desk,
}


@pytest.mark.parametrize("way", WAYS_IN)
@pytest.mark.parametrize("said", [NEWER, ON_ITS_WAY], ids=["newer", "on its way"])
def test_who_may_not_write_changes_nothing(home: Home, said: HomeFormat, way: str) -> None:
    root = local_path(say(home, said).root)
    before = content(root)
    with pytest.raises(FormatError, match="Nothing was written"):
        WAYS_IN[way](root)
    assert content(root) == before


def test_a_newer_home_names_the_version_that_can_write_it(home: Home) -> None:
    root = local_path(say(home, NEWER).root)
    with pytest.raises(FormatError) as refused:
        publish_text(root / "tasks" / "x.yaml", "x")
    for named in (
        str(root / FORMAT_FILE),
        f"expected format {HOME_FORMAT} or older",
        f"found {HOME_FORMAT + 1}",
        "Activate sopilot 9.9.9",
        "sopilot upgrade revert",
    ):
        assert named in str(refused.value)


def test_the_desk_of_a_newer_home_is_read_and_not_changed(home: Home) -> None:
    enter = "insert into turns values ('ada', 'filter_change-t-1f3a9c2b7d04', '2026-03-02')"
    prepare_home(home)
    with transaction(home) as database:
        database.execute(enter)
    say(home, NEWER)
    with pytest.raises(FormatError), transaction(home) as database:
        database.execute("delete from turns")
    with reading(home) as database:
        assert [str(row["who"]) for row in database.execute("select who from turns")] == ["ada"]


def test_reading_is_never_refused(home: Home) -> None:
    root = local_path(home.root)
    append_journal(root / "alerts" / "alerts.jsonl", [{"a": 1}])
    say(home, NEWER)
    assert read_journal(root / "alerts" / "alerts.jsonl") == [{"a": 1}]
    assert read_format(root) == NEWER


def test_a_home_that_says_nothing_is_of_format_1_and_may_be_written(home: Home) -> None:
    root = local_path(home.root)
    assert read_format(root) == HomeFormat(1, "sopilot 0.1.0")
    publish_text(root / "reviews" / "x.html", "x")
    assert not (root / FORMAT_FILE).exists()


def test_a_new_home_gets_this_format_and_an_older_one_keeps_its_own(home: Home, tmp_path: Path) -> None:
    prepare_home(home)
    assert read_format(local_path(home.root)).number == HOME_FORMAT
    older = Home.at(tmp_path / "older")
    publish_text(local_path(older.root) / "dagster" / "dagster.yaml", "telemetry: {enabled: false}\n")
    assert FORMAT_FILE not in prepare_home(older).created
    assert read_format(local_path(older.root)).number == 1
    with_rows = Home.at(tmp_path / "with_rows")
    publish_bytes(local_path(with_rows.ledgers) / "videos" / "x.parquet", b"rows")
    prepare_home(with_rows)
    assert read_format(local_path(with_rows.root)).number == 1


def test_the_change_of_the_format_itself_is_written(home: Home) -> None:
    root = local_path(say(home, ON_ITS_WAY).root)
    with changing_format():
        publish_text(root / "x", "x")
    with pytest.raises(FormatError):
        publish_text(root / "y", "y")


def test_what_lies_in_no_home_is_written(tmp_path: Path) -> None:
    publish_text(tmp_path / "sheet.csv", "x")
    assert (tmp_path / "sheet.csv").read_text("utf-8") == "x"


@pytest.mark.parametrize("data", [b"", b"[]", b'{"format": "2"}', b'{"made_by": "x"}', b"\xff"])
def test_a_damaged_file_is_named_and_nothing_is_written(home: Home, data: bytes) -> None:
    root = local_path(home.root)
    root.mkdir(exist_ok=True)
    (root / FORMAT_FILE).write_bytes(data)
    with pytest.raises(FormatError, match=r"sopilot-home.json: expected .*Restore the file"):
        publish_text(root / "x", "x")
    assert not (root / "x").exists()


def test_a_later_version_may_say_more(home: Home) -> None:
    root = local_path(home.root)
    root.mkdir(exist_ok=True)
    (root / FORMAT_FILE).write_text(json.dumps({"format": HOME_FORMAT, "more": [1]}), encoding="utf-8")
    publish_text(root / "x", "x")


@pytest.mark.parametrize(
    ("said", "state"), [(NEWER, "problem"), (ON_ITS_WAY, "problem"), (HomeFormat(), "warning"), (None, "ok")]
)
def test_doctor_says_it(home: Home, said: HomeFormat | None, state: str) -> None:
    prepare_home(home)
    if said is not None:
        say(home, said)
    (told,) = [one for one in examine_home(home, now=NOW, environment={}) if one.kind == "format"]
    assert (told.severity.value if isinstance(told, Condition) else "ok") == state
    assert isinstance(told, Fine) or told.action == "sopilot upgrade check"
