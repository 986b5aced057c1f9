"""The registry of recordings: one look-up by key, video id and file name."""

from __future__ import annotations

import pytest

from sopilot_assets.capture.ledgers import ACTIVE, RETIRED, VIDEO_COLUMNS, videos_ledger
from sopilot_assets.capture.registry import (
    Registry,
    active_keys,
    active_recordings,
    find_key,
    find_recordings,
)
from sopilot_assets.errors import ConfigError, LedgerError
from sopilot_assets.store.home import Home, PartitionKey

FIRST, SECOND, OTHER, GOLD, WAS = (
    "tea-t-000000000001",
    "tea-t-000000000002",
    "coffee-t-000000000003",
    "tea-g-000000000004",
    "tea-t-000000000004",
)
NAMES = {FIRST: "take.mp4", SECOND: "other.mp4", OTHER: "take.mp4", GOLD: "gold.mp4", WAS: "gold.mp4"}


@pytest.fixture
def registered(home: Home) -> Home:
    """A home with recordings of two tasks; two have the same file name, and one was made a gold."""
    rows = [
        dict.fromkeys(VIDEO_COLUMNS)
        | {"key": key, "video_id": key[-12:], "sha256": key[-12:] * 5, "task_id": key.split("-")[0]}
        | {"role": "gold" if "-g-" in key else "trainee", "site": "a", "original_name": name}
        | {"stored_name": name, "status": RETIRED if key == WAS else ACTIVE}
        for key, name in NAMES.items()
    ]
    videos_ledger(home).append(rows, run_id="test", written_at="2026-01-01T00:00:00+00:00")
    return home


def test_recordings_are_found_by_key_id_and_file_name(registered: Home) -> None:
    names = [FIRST, "000000000002", "other.mp4"]
    assert find_recordings(active_recordings(registered), names) == [FIRST, SECOND, SECOND]


def test_a_name_that_several_have_is_refused_with_their_keys(registered: Home) -> None:
    with pytest.raises(ConfigError, match=f"2 recordings are called so: {OTHER}, {FIRST}"):
        find_recordings(active_recordings(registered), ["take.mp4"])


def test_an_unknown_name_is_refused_with_the_nearest_ones(registered: Home) -> None:
    with pytest.raises(ConfigError, match=r"othr\.mp4: expected .* similar ones: other\.mp4"):
        find_recordings(active_recordings(registered), ["othr.mp4"])


def test_a_task_without_recordings_is_refused_with_those_that_have_some(registered: Home) -> None:
    with pytest.raises(ConfigError, match="tasks that have some: coffee, tea"):
        active_recordings(registered, "milk")


def test_what_was_made_a_gold_is_known_but_not_active(registered: Home) -> None:
    registry = Registry.read(registered)
    assert registry[PartitionKey.parse(WAS)].retired
    assert list(active_keys(registered)) == list(active_recordings(registered)) == sorted([*NAMES][:4])
    found = registry.of("tea", "000000000004" * 5)
    assert found is not None
    assert str(found.key) == GOLD
    assert registry.of("tea", "000000000004") is None
    assert [str(one.key) for one in registry.elsewhere("coffee", "000000000004" * 5)] == [GOLD]
    assert [str(one.key) for one in registry.golds("tea")] == [GOLD]


def test_a_partition_that_was_never_registered_is_named(registered: Home) -> None:
    with pytest.raises(LedgerError, match="coffee-g-000000000009: no such recording"):
        Registry.read(registered)[PartitionKey("coffee", "gold", "000000000009")]


def test_a_name_is_found_in_either_form_of_unicode() -> None:
    composed, decomposed = "ガイド.mp4", "カ\u3099イト\u3099.mp4"
    assert find_key(composed, {FIRST: decomposed}) == find_key(decomposed, {FIRST: composed}) == FIRST
