"""Hashes, safe names, and sidecars."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopilot_assets.capture.facts import facts_of
from sopilot_assets.capture.identity import copy_hashed, file_state
from sopilot_assets.capture.sidecar import read_sidecar
from sopilot_assets.errors import ConfigError
from sopilot_assets.texts.names import printable, safe_name


@given(st.binary(min_size=1, max_size=300).filter(lambda raw: b"/" not in raw and b"\0" not in raw))
def test_any_name_becomes_one_that_is_short_plain_and_stays_in_its_folder(raw: bytes) -> None:
    name = safe_name(os.fsdecode(raw))
    assert name.encode("utf-8")
    assert 0 < len(name.encode()) <= 90
    assert name.isprintable()
    assert Path("folder", name).parent == Path("folder")
    assert not name.startswith(".")
    assert not name.endswith((".", " "))  # which Windows drops
    assert safe_name(name) == name


@pytest.mark.parametrize("name", ["con", "AUX.mp4", "nul .tar.gz", "com1.MOV", "LPT³", "prn."])
def test_no_name_is_one_of_a_device_of_windows(name: str) -> None:
    assert safe_name(name) == f"_{name.rstrip('.')}"
    assert safe_name(f"x{name}") == f"x{name.rstrip('.')}"


@given(st.binary(max_size=100).filter(lambda raw: b"\0" not in raw))
def test_any_name_can_be_stored_and_shown(raw: bytes) -> None:
    shown = printable(os.fsdecode(raw))
    assert shown.encode("utf-8").decode("utf-8") == shown
    assert not any(ord(character) < 32 for character in shown)


def test_a_copy_has_the_hash_of_its_bytes(tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "a").write_bytes(data)
    sha256, state = copy_hashed(tmp_path / "a", tmp_path / "b")
    assert sha256 == hashlib.sha256(data).hexdigest()
    assert (tmp_path / "b").read_bytes() == data
    assert state == file_state(tmp_path / "a")


def test_links_and_pipes_are_not_copied(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"secret")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        assert file_state(tmp_path / name) is None
        with pytest.raises(OSError, match=name):
            copy_hashed(tmp_path / name, tmp_path / "copy")


def test_a_sidecar_tells_what_it_knows(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4.json"
    path.write_text(json.dumps({"person": " aoi ", "session": 3, "lens": "wide"}))
    found = read_sidecar(path)
    assert (found.person, found.session, found.recorded_at, found.source_video) == ("aoi", "3", None, None)


def test_a_time_without_its_zone_is_one_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    path = tmp_path / "a.mp4.json"
    path.write_text('{"recorded_at": "2026-03-02T08:15:00"}')
    try:
        assert facts_of(read_sidecar(path)) == {"recorded_at": "2026-03-02T08:15:00+09:00"}
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "expected JSON"),
        ("{person: aoi}", "expected JSON"),
        ("[]", "a.json"),
        ('{"person": ""}', "person"),
        ('{"recorded_at": "yesterday"}', "recorded_at"),
        ('{"recorded_at": "20260302"}', "recorded_at: .*expected a time such as .*, found 20260302"),
        ('{"recorded_at": 1772406900}', "recorded_at: .*expected a time such as .*, found 1772406900"),
        ('{"person": "p1", "person": "p2"}', "person is told twice"),
        ('{"session": ["x"]}', "session"),
        ("[" * 100_000, "expected JSON"),
        ("\udcff", "expected JSON"),
    ],
)
def test_a_sidecar_that_cannot_be_understood_says_what_is_wrong(
    content: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match=words):
        read_sidecar(path)
