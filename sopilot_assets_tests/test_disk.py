"""Intake stops before the disk is full, and goes on when there is room again."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sopilot_assets.capture.add import capture_add
from sopilot_assets.capture.drain import Drained, drain_capture
from sopilot_assets.capture.intake import IntakeStatus
from sopilot_assets.capture.scan import scan_capture
from sopilot_assets.disk import GIB, Pressure, disk_state, guard_disk, room_for_files
from sopilot_assets.errors import ConfigError, StoreError
from sopilot_assets.settings import DiskLimits, load_settings
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import new_task
from sopilot_assets.upkeep.alerts import open_alerts, read_events
from sopilot_assets.upkeep.alerts.lasting import settle_lasting
from sopilot_assets.upkeep.conditions.machine import DISK
from sopilot_assets.upkeep.conditions.situation import Situation

LIMITS = DiskLimits(warn_gib=10, pause_gib=2, resume_gib=4)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def free(gib: float) -> Callable[[Home], int]:
    return lambda _: int(gib * GIB)


@pytest.fixture
def dropped(home: Home, tiny_video: Callable[..., Path]) -> Path:
    """A recording in the capture folder of a home with one task."""
    new_task(home.root, "tea", name="Tea")
    place = local_path(home.capture) / "tea" / "trainee" / "line1"
    place.mkdir(parents=True)
    return tiny_video(place / "take.mp4", seconds=2.5)


def drain(home: Home) -> Drained:
    return drain_capture(home, run_id="test", now=lambda: NOW, wait=lambda _: None)


def limit(home: Home, pause_gib: float, warn_gib: float | None = None) -> None:
    """Settings by which the disk of the tests is far too small, or large enough."""
    warn = pause_gib if warn_gib is None else warn_gib
    text = f"disk: {{warn_gib: {warn}, pause_gib: {pause_gib}, resume_gib: {pause_gib}}}\n"
    (local_path(home.root) / "settings.yaml").write_text(text, "utf-8")


def test_a_pause_lasts_until_there_is_room_to_spare(home: Home) -> None:
    told = [guard_disk(home, LIMITS, free=free(gib)).pressure for gib in (11, 9, 3, 1.9, 3, 3.9, 4, 3, 10)]
    none, low, paused = Pressure.NONE, Pressure.LOW, Pressure.PAUSED
    assert told == [none, low, low, paused, paused, paused, low, low, none]


def test_looking_alone_remembers_nothing(home: Home) -> None:
    assert disk_state(home, LIMITS, free=free(1)).paused
    assert not disk_state(home, LIMITS, free=free(3)).paused
    assert not home.alerts.exists()


@pytest.mark.parametrize(("gib", "fits"), [(7.0, True), (8.5, False)])
def test_a_file_must_fit_without_causing_a_pause(home: Home, gib: float, fits: bool) -> None:
    why = room_for_files(home, LIMITS, free=free(10))(int(gib * GIB))
    assert (why is None) is fits
    assert why is None or ("GiB" in why.ja and not re.search(r"[A-Za-z]{4,}", why.ja))


def test_one_alert_is_raised_becomes_a_problem_and_is_resolved(home: Home) -> None:
    local_path(home.root).mkdir()
    for pause_gib, warn_gib in ((0, 1e6), (0, 1e6), (1e6, 1e6), (1e6, 1e6), (0, 1e6), (0, 0)):
        limit(home, pause_gib, warn_gib)
        settle_lasting(Situation(home, NOW, {}), DISK)
    assert [(event.event, event.severity) for event in read_events(home)] == [
        ("raised", "warning"),
        ("repeated", "problem"),
        ("resolved", "problem"),
    ]
    assert open_alerts(home) == []


def test_a_paused_intake_leaves_everything_where_it_is_and_takes_it_in_later(
    home: Home, dropped: Path
) -> None:
    limit(home, 1e6)
    drained = drain(home)
    assert (drained.outcomes, drained.waiting) == ((), ("tea/trainee/line1/take.mp4",))
    with pytest.raises(StoreError, match=r"Intake is paused: .* GiB free"):
        drained.whole()
    assert dropped.exists()
    limit(home, 0)
    assert drain(home).whole().count(IntakeStatus.ACCEPTED) == 1
    assert not dropped.exists()


def test_a_file_that_does_not_fit_waits_with_the_reason_and_others_go_on(
    home: Home, dropped: Path, tiny_video: Callable[..., Path]
) -> None:
    small = tiny_video(dropped.with_name("small.mp4"), seconds=2.5, seed=2)
    huge = dropped.with_name("huge.mp4")
    with huge.open("wb") as stream:
        stream.truncate(1 << 42)  # takes no space on the disk
    limit(home, 0.001)
    drained = drain(home)
    assert drained.count(IntakeStatus.ACCEPTED) == 2
    assert "would leave less than" in drained.why_waiting["tea/trainee/line1/huge.mp4"]
    assert (small.exists(), huge.exists()) == (False, True)


def test_copying_into_the_capture_folder_stops_too(home: Home, dropped: Path, tmp_path: Path) -> None:
    source = tmp_path / "usb"
    source.mkdir()
    (source / "other.mp4").write_bytes(dropped.read_bytes())
    limit(home, 1e6)
    report = capture_add(
        source,
        home,
        task_id="tea",
        role="trainee",
        site="line2",
        room=room_for_files(home, load_settings(home).disk),
    )
    assert (report.copied, "intake is paused" in report.skipped[0].why) == ((), True)
    assert len(scan_capture(home, task_ids={"tea"}).candidates) == 1


@pytest.mark.parametrize("text", ["disk: {pause_gib: 5}", "disk: {pause_gib: -1}", "disk: {pause: 1}"])
def test_limits_that_make_no_sense_are_refused(home: Home, text: str) -> None:
    local_path(home.root).mkdir()
    (local_path(home.root) / "settings.yaml").write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=r"settings\.yaml"):
        load_settings(home)
