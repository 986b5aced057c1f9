"""What is known of a recording can be corrected afterwards, and a recording can be withdrawn and restored."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sopilot_assets.capture.facts import (
    Correction,
    correct_recordings,
    corrections,
    restore_recordings,
    withdraw_recordings,
)
from sopilot_assets.capture.intake import IntakeStatus
from sopilot_assets.capture.late_sidecars import LateSidecars, read_late_sidecars
from sopilot_assets.capture.ledgers import duplicates_ledger, videos_ledger
from sopilot_assets.capture.reasons import Reason
from sopilot_assets.capture.registry import Registry, active_recordings, retired_keys, withdrawn_recordings
from sopilot_assets.capture.scan import scan_capture
from sopilot_assets.errors import ConfigError
from sopilot_assets.store.home import Home
from sopilot_assets_tests.capture.bad_files import PLAIN
from sopilot_assets_tests.capture.test_intake import TASKS, capture_path, intake
from sopilot_assets_tests.video.tiny import write_tiny_video

GOLDS = f"{PLAIN}/gold/plant_a"
T0 = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def key(home: Home) -> str:
    """A gold from a phone, of which nothing is known."""
    write_tiny_video(capture_path(home, f"{GOLDS}/IMG_0001.mp4"))
    (found,) = intake(home).new_keys
    return found


def correct(home: Home, key: str, at: datetime = T0, **facts: str | None) -> list[Correction]:
    return correct_recordings(home, [key], facts, who="ann", why="asked", at=at, run_id="test")


def withdraw(home: Home, key: str, at: datetime = T0) -> list[Correction]:
    return withdraw_recordings(home, [key], who="ann", why="spilt oil", at=at, run_id="test")


def restore(home: Home, key: str, at: datetime) -> list[Correction]:
    return restore_recordings(home, [key], who="bob", why="it was not", at=at, run_id="test")


def late(home: Home, settle_s: float = 0.0) -> LateSidecars:
    scan = scan_capture(home, task_ids=TASKS)
    return read_late_sidecars(home, scan, clock=lambda: T0, run_id="late", settle_s=settle_s)


def test_a_correction_says_who_when_and_from_what_to_what(home: Home, key: str) -> None:
    (one,) = correct(home, key, person="p1")
    assert (one.fact, one.was, one.now, one.who, one.at, one.why) == (
        "person", None, "p1", "ann", T0.isoformat(), "asked",
    )  # fmt: skip
    assert active_recordings(home)[key].person == "p1"
    assert corrections(home) == [one]


def test_what_is_so_already_is_no_correction(home: Home, key: str) -> None:
    correct(home, key, person="p1")
    assert correct(home, key, T0 + timedelta(seconds=1), person="p1") == []
    assert len(corrections(home, key)) == 1


def test_the_history_keeps_every_value_also_one_that_comes_back(home: Home, key: str) -> None:
    for second, person in enumerate(("p1", "p2", None, "p1")):
        correct(home, key, T0 + timedelta(seconds=second), person=person)
    assert [(one.was, one.now) for one in corrections(home, key)] == [
        (None, "p1"), ("p1", "p2"), ("p2", None), (None, "p1"),
    ]  # fmt: skip
    assert active_recordings(home)[key].person == "p1"


@pytest.mark.parametrize("facts", [{}, {"task_id": "tea"}, {"site": None}])
def test_what_cannot_be_corrected_is_refused_and_nothing_changes(
    home: Home, key: str, facts: dict[str, str | None]
) -> None:
    with pytest.raises(ConfigError, match="expected"):
        correct(home, key, **facts)
    assert len(videos_ledger(home).all_rows()) == 1


def test_a_withdrawn_gold_counts_no_more_until_it_is_restored(home: Home, key: str) -> None:
    withdraw(home, key)
    registry = Registry.read(home)
    assert (registry.golds(PLAIN), registry.active(), retired_keys(home)) == ([], {}, {key})
    assert withdrawn_recordings(home)[key].retired == "withdrawn by ann: spilt oil"
    with pytest.raises(ConfigError, match="withdrawn by ann: spilt oil; `sopilot recording withdraw --undo`"):
        correct(home, key, person="p1")
    restore(home, key, T0 + timedelta(seconds=1))
    assert [one.original_name for one in Registry.read(home).golds(PLAIN)] == ["IMG_0001.mp4"]
    with pytest.raises(ConfigError, match="expected a withdrawn recording"):
        restore(home, key, T0 + timedelta(seconds=2))
    assert [(one.now, one.who) for one in corrections(home)] == [("withdrawn", "ann"), ("active", "bob")]


def test_what_is_said_after_the_clock_went_back_counts(home: Home, key: str) -> None:
    correct(home, key, T0, person="p1")
    correct(home, key, T0 - timedelta(hours=1), person="p2")
    assert active_recordings(home)[key].person == "p2"
    withdraw(home, key, T0 - timedelta(hours=1))
    assert active_recordings(home) == {}
    assert {(one.was, one.now) for one in corrections(home)} == {
        (None, "p1"), ("p1", "p2"), ("active", "withdrawn"),
    }  # fmt: skip


def test_a_withdrawn_recording_that_is_dropped_again_stays_withdrawn_and_says_so(
    home: Home, key: str, tmp_path: Path
) -> None:
    withdraw(home, key, datetime.now(UTC))
    write_tiny_video(capture_path(home, f"{GOLDS}/again.mp4"))
    (outcome,) = intake(home, run_id="again").outcomes
    assert outcome.status is IntakeStatus.DUPLICATE
    assert f"`sopilot recording withdraw --undo {key}`" in outcome.detail
    assert active_recordings(home) == {}


def test_a_withdrawn_gold_can_become_a_trainee_and_then_not_be_restored(home: Home, key: str) -> None:
    withdraw(home, key, datetime.now(UTC))
    write_tiny_video(capture_path(home, f"{PLAIN}/trainee/plant_a/a.mp4"))
    (trainee,) = intake(home, run_id="again").new_keys
    with pytest.raises(ConfigError, match=f"the same bytes count as {trainee}"):
        restore(home, key, T0)


def test_a_recording_dropped_again_with_a_sidecar_is_corrected_by_it(home: Home, key: str) -> None:
    path = write_tiny_video(capture_path(home, f"{GOLDS}/IMG_0001.mp4"))
    path.with_name("IMG_0001.json").write_text(json.dumps({"person": "p1", "session": "early"}))
    (outcome,) = intake(home, run_id="again").outcomes
    assert (outcome.status, "corrected: person p1" in outcome.detail) == (IntakeStatus.DUPLICATE, True)
    assert active_recordings(home)[key].person == "p1"
    assert {one.who for one in corrections(home)} == {"sidecar"}
    assert duplicates_ledger(home).files() == []
    assert list(path.parent.iterdir()) == []


def test_a_recording_that_is_dropped_again_with_a_sidecar_that_cannot_be_used_is_refused_once(
    home: Home, key: str
) -> None:
    path = capture_path(home, f"{GOLDS}/IMG_0001.mp4")
    write_tiny_video(path)
    path.with_name("IMG_0001.mp4.json").write_text('{"person": "p1"')
    (outcome,) = intake(home, run_id="again").outcomes
    assert outcome.reason is Reason.UNREADABLE_SIDECAR
    assert list(path.parent.iterdir()) == []
    assert active_recordings(home)[key].person is None


def test_a_sidecar_that_comes_after_its_recording_corrects_it(home: Home, key: str) -> None:
    sidecar = capture_path(home, f"{GOLDS}/img_0001.MP4.json")
    sidecar.write_text('{"person": "p1"}')
    assert late(home, settle_s=1e10) == LateSidecars((), ())
    found = late(home)
    assert [(one.key, one.fact, one.now) for one in found.corrections] == [(key, "person", "p1")]
    assert not sidecar.exists()


def test_a_sidecar_whose_time_is_ahead_corrects_its_recording_too(home: Home, key: str) -> None:
    sidecar = capture_path(home, f"{GOLDS}/IMG_0001.json")
    sidecar.write_text('{"person": "p1"}')
    ahead_s = (T0 + timedelta(hours=9)).timestamp()
    os.utime(sidecar, (ahead_s, ahead_s))
    assert [one.now for one in late(home, settle_s=60.0).corrections] == ["p1"]


def test_a_sidecar_of_nothing_or_of_several_is_left_and_named(home: Home, key: str) -> None:
    write_tiny_video(capture_path(home, f"{GOLDS}/IMG_0001.mp4"), seed=5)
    intake(home, run_id="other phone")
    for name, content in (("IMG_0001.mp4.json", "{}"), ("other.json", "{}"), ("IMG_0001.txt.json", "{")):
        capture_path(home, f"{GOLDS}/{name}").write_text(content)
    found = late(home)
    why = {one.relative.rpartition("/")[2]: one.why for one in found.left}
    assert "a sidecar of 2 recordings called so" in why["IMG_0001.mp4.json"]
    assert "a sidecar without its recording" in why["other.json"]
    assert found.corrections == ()
    assert len(list(capture_path(home, GOLDS).iterdir())) == 3


def test_a_home_from_before_corrections_is_read(home: Home, key: str) -> None:
    for name in videos_ledger(home).files():
        table = pq.read_table(name)
        pq.write_table(table.drop_columns(["changed_by", "changed_at", "why"]), name)
    assert active_recordings(home)[key].row["why"] is None
    correct(home, key, person="p1")
    assert active_recordings(home)[key].person == "p1"
