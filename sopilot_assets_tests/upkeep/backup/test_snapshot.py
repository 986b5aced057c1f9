"""What a snapshot says can be read back, and cannot be changed unnoticed."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopilot_assets.errors import BackupError
from sopilot_assets.upkeep.backup.snapshot import (
    is_snapshot_name,
    path_of,
    path_text,
    sealed,
    snapshot_name,
    unsealed,
)
from sopilot_assets_tests.upkeep.backup.made_up import START

NAMES = st.binary(min_size=1, max_size=12).filter(
    lambda name: not {0, 47} & set(name) and name not in (b".", b"..")
)


@given(st.lists(NAMES, min_size=1, max_size=3))
def test_any_path_comes_back(parts: list[bytes]) -> None:
    path = os.fsdecode(b"/".join(parts))
    text = path_text(path)
    assert path_of(text) == path
    assert text.encode("utf-8").decode("utf-8") == text


def test_a_usual_path_stays_readable() -> None:
    assert path_text("capture/tea/お茶 1.mp4") == "capture/tea/お茶 1.mp4"


@pytest.mark.parametrize(
    "text", ["", "/etc/passwd", "../a", "a/../../b", "a//b", "a/.", "a%2F..%2Fb", "%2e%2e/a", "a%00"]
)
def test_a_path_that_leads_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(BackupError, match="leads elsewhere"):
        path_of(text)


@given(st.dictionaries(st.text(max_size=5), st.integers(-5, 5), max_size=3), st.data())
def test_every_change_of_a_sealed_file_is_noticed(content: dict[str, int], data: st.DataObject) -> None:
    whole = sealed(content)
    assert unsealed(whole, name="it") == content
    place = data.draw(st.integers(0, len(whole) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = bytearray(whole)
    changed[place] ^= 1 << bit
    for damaged in (bytes(changed), whole[:place], whole + b" ", b""):
        with pytest.raises(BackupError, match=r"^it: its content is not the one that was sealed"):
            unsealed(damaged, name="it")


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=8))
def test_names_ascend_whatever_the_clock_does(seconds: list[int]) -> None:
    names: list[str] = []
    for one in seconds:
        at: datetime = START + timedelta(seconds=one)
        names.append(snapshot_name(sealed({"at": one}), created_at=at, after=names[-1] if names else None))
    assert names == sorted(names)
    assert len({name.partition("-")[0] for name in names}) == len(names)
    assert all(map(is_snapshot_name, names))
