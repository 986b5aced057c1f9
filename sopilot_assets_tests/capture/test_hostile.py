"""Names and sidecars that somebody made to do harm: they stay text, and no file leaves its folder."""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopilot_assets.capture.drain import Drained, drain_capture
from sopilot_assets.capture.intake import IntakeStatus
from sopilot_assets.capture.ledgers import quarantine_ledger, videos_ledger
from sopilot_assets.capture.sidecar import read_sidecar
from sopilot_assets.errors import ConfigError
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import new_task
from sopilot_assets.texts.names import printable, safe_name
from sopilot_assets_tests.cli.running import rows, sopilot
from sopilot_assets_tests.video.tiny import write_tiny_video

PLACES = [
    ("=HYPERLINK(1)", "<img src=x onerror=alert(1)>.mp4"),
    ("\x1b]0;owned\x07", "-rf .mp4"),
    ("a\nb", "\u202egnp.mp4"),
    ("x..", "x..mp4"),
    ("%s{0}", "'; drop table videos; --.mp4"),
    ("C\ud83d", "\udcff\udcfe.mp4"),
]


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Drained]:
    """A home into which files with such names were taken, all of the same few pictures and one other byte."""
    folder = tmp_path_factory.mktemp("hostile")
    home = Home.at(folder / "home")
    new_task(home.root, "tea", name="Tea")
    video = write_tiny_video(folder / "one.mp4", seconds=2.5)
    for number, (site, name) in enumerate(PLACES):
        place = local_path(home.capture) / "tea" / "trainee" / os.fsdecode(site.encode("utf-8", "replace"))
        place.mkdir(parents=True)
        shutil.copy(video, place / name)
        with (place / name).open("ab") as stream:
            stream.write(bytes([number]) * 16)
    (local_path(home.capture) / "tea" / "trainee" / "line1").mkdir()
    bad = local_path(home.capture) / "tea" / "trainee" / "line1" / "=cmd|'x'!A0\x1b[2J.mp4"
    bad.write_text("no video", "utf-8")
    drained = drain_capture(
        home, run_id="test", now=lambda: datetime.now(UTC), wait=lambda _: None, settle_s=0.0
    )
    return home, drained


def test_all_are_taken_in_or_refused_and_nothing_lies_outside(taken: tuple[Home, Drained]) -> None:
    home, drained = taken
    assert drained.count(IntakeStatus.ACCEPTED) == len(PLACES)
    assert drained.count(IntakeStatus.QUARANTINED) == 1
    outside = {path.name for path in local_path(home.root).parent.iterdir()}
    assert outside == {"home", "one.mp4"}


def test_names_in_ledgers_are_plain_text(taken: tuple[Home, Drained]) -> None:
    home, _ = taken
    stored = plain_rows(videos_ledger(home).latest()) + plain_rows(quarantine_ledger(home).latest())
    for value in (str(value) for row in stored for value in row.values()):
        assert not [one for one in value if unicodedata.category(one) in ("Cc", "Cs") or one == "\u202e"]
    for row in stored:
        assert Path(str(row["stored_name"])).name == row["stored_name"]


@pytest.mark.parametrize("alone", [False, True])
def test_a_sidecar_that_cannot_be_used_stops_no_other_file_whatever_it_is_called(
    home: Home, alone: bool
) -> None:
    new_task(home.root, "tea", name="Tea")
    folder = local_path(home.capture) / "tea" / "trainee" / "line1"
    odd, good = folder / "\udcff\x1b\u202e.mp4", folder / "next.mp4"
    write_tiny_video(good, seed=2)
    if not alone:
        write_tiny_video(folder / "odd.mp4").rename(odd)
    Path(f"{odd}.json").write_text("{person", "utf-8")
    outcomes = {str(one["outcome"]) for one in rows(home, "capture", "register")}
    assert outcomes == {"accepted", "left alone" if alone else "quarantined"}
    assert videos_ledger(home).latest()["original_name"].tolist() == ["next.mp4"]
    for reason in local_path(home.quarantine).glob("*.reason.json"):
        assert "expected JSON" in json.loads(reason.read_text("utf-8"))["detail"]


@pytest.mark.parametrize("words", [("recording", "list"), ("recording", "list", "--refused")])
def test_a_spreadsheet_and_a_terminal_take_no_name_for_a_command(
    taken: tuple[Home, Drained], words: tuple[str, ...]
) -> None:
    import csv

    printed = sopilot(taken[0], *words, "--csv").stdout
    cells = [cell for row in csv.reader(printed.splitlines()) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "-rf"))]
    assert "\x1b" not in printed + sopilot(taken[0], *words).stdout


@pytest.mark.parametrize(
    ("content", "person"),
    [
        ({"person": "\x1b[31mred\x07"}, "\ufffd[31mred\ufffd"),
        ({"person": "a\r\nb\x00c"}, "a\ufffd\ufffdb\ufffdc"),
        ({"person": "\u202eabc\u2028"}, "\ufffdabc"),
        ({"person": "../../etc/passwd"}, "../../etc/passwd"),
        ({"person": "  佐藤 "}, "佐藤"),
    ],
)
def test_labels_of_a_sidecar_are_text_on_one_line(
    tmp_path: Path, content: dict[str, str], person: str
) -> None:
    path = tmp_path / "take.mp4.json"
    path.write_text(json.dumps(content), "utf-8")
    assert read_sidecar(path).person == person


@pytest.mark.parametrize(
    "data",
    [
        b'{"person": "\\ud800"}',
        b"[" * 100_000,
        b'{"person": ' + b"9" * 5000 + b"}",
        b'{"recorded_at": -1e308}',
        b'{"session": NaN}',
        b'{"person": {"$gt": ""}}',
        b"\xff\xfe{",
        b'"' + b"a" * (2 << 20) + b'"',
    ],
)
def test_a_sidecar_that_cannot_be_used_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "take.mp4.json"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"take\.mp4\.json"):
        read_sidecar(path)


@given(st.text(alphabet=st.characters(codec=None, categories=None), max_size=60))
def test_no_name_is_more_than_text(name: str) -> None:
    shown = printable(name)
    shown.encode()
    assert printable(shown) == shown
    assert len(shown.splitlines()) <= 1
    safe = safe_name(name)
    assert safe not in ("", ".", "..")
    assert Path(safe).name == safe
    assert len(safe.encode()) <= 90


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "", "x\n", "A", "a" * 49, "\u202ex"])
@pytest.mark.parametrize(
    "command", [("study", "run"), ("study", "register"), ("dossier", "build"), ("task", "show")]
)
def test_no_id_leads_out_of_its_folder(home: Home, command: tuple[str, str], name: str) -> None:
    outside = local_path(home.root).parent / "x.yaml"
    outside.write_text("task_id: x\n", "utf-8")
    printed = sopilot(home, *command, name, exit_code=1)
    assert "Traceback" not in printed.output
    assert outside.read_text("utf-8") == "task_id: x\n"
    assert sorted(path.name for path in outside.parent.iterdir() if path.is_file()) == ["x.yaml"]


def test_what_a_link_points_to_is_neither_read_nor_removed(
    home: Home, tmp_path: Path, tiny_video: Callable[..., Path]
) -> None:
    new_task(home.root, "tea", name="Tea")
    place = local_path(home.capture) / "tea" / "trainee" / "line1"
    place.mkdir(parents=True)
    secret = tiny_video(tmp_path / "secret.mp4", seconds=2.5)
    (place / "link.mp4").symlink_to(secret)
    (place.parent / "elsewhere").symlink_to(tmp_path)
    drained = drain_capture(home, run_id="x", now=lambda: datetime.now(UTC), wait=lambda _: None)
    assert drained.outcomes == ()
    assert {one.why for one in drained.skipped} == {"a link; links are not followed"}
    assert secret.exists()
