"""Nothing is lost that somebody still writes: pauses, open handles, empty files; what cannot be removed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sopilot_assets.capture.clearing import REMEMBERED_S, REST_S, clear_taken
from sopilot_assets.capture.intake import UNFINISHED_S, IntakeLimits, IntakeReport, IntakeStatus, take_in
from sopilot_assets.capture.ledgers import quarantine_ledger, videos_ledger
from sopilot_assets.capture.registry import Registry, active_recordings
from sopilot_assets.capture.scan import scan_capture
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets_tests.capture.test_intake import (
    TASKS,
    TRAINEES,
    capture_path,
    clear,
    intake,
)
from sopilot_assets_tests.video.tiny import write_tiny_video


@pytest.fixture
def data(tmp_path: Path) -> bytes:
    """A recording whose every beginning can be played."""
    fragments = {"movflags": "frag_keyframe+empty_moov"}
    options = {"g": "10", "crf": "12"}
    path = write_tiny_video(
        tmp_path / "whole.mp4", seconds=8, size=(320, 240), container_options=fragments, options=options
    )
    return path.read_bytes()


@pytest.fixture
def path(home: Home) -> Path:
    """Where somebody writes."""
    found = capture_path(home, f"{TRAINEES}/take.mp4")
    found.parent.mkdir(parents=True)
    return found


def patiently(home: Home, *, now: datetime | None = None) -> IntakeReport:
    """An intake as the sensor does it."""
    scan = scan_capture(home, task_ids=TASKS)
    limits = IntakeLimits(total_s=300, unfinished_s=UNFINISHED_S)
    return take_in(
        home,
        scan.candidates,
        tasks=TASKS,
        run_id="sensor",
        clock=lambda: now or datetime.now(UTC),
        limits=limits,
    )


def active_hashes(home: Home) -> list[str]:
    return [one.sha256 for one in active_recordings(home).values()]


@pytest.mark.parametrize("written", [0.0, 0.5, 1.0])
def test_a_file_that_a_process_holds_open_is_left_with_its_name(
    home: Home, path: Path, data: bytes, written: float
) -> None:
    with path.open("wb") as handle:
        handle.write(data[: int(len(data) * written)])
        handle.flush()
        os.utime(path, (1e9, 1e9))
        (outcome,) = intake(home).outcomes
        assert outcome.status is IntakeStatus.LEFT
        assert f"(process {os.getpid()}) has it open" in outcome.detail
        handle.write(data[int(len(data) * written) :])
    assert intake(home).with_status(IntakeStatus.ACCEPTED)
    (stored,) = active_recordings(home).values()
    assert (local_path(home.videos) / stored.stored_name).read_bytes() == data


def test_a_reader_keeps_nobody_from_taking_a_file(home: Home, path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with path.open("rb"):
        assert intake(home).new_keys


@pytest.mark.parametrize("zeros", [False, True], ids=["half", "with space reserved"])
def test_when_a_writer_goes_on_the_whole_recording_replaces_its_beginning(
    home: Home, path: Path, data: bytes, zeros: bool
) -> None:
    half = data[: len(data) * 2 // 3]
    path.write_bytes(half.ljust(len(data), b"\0") if zeros else half)
    (first,) = intake(home).new_keys
    assert path.exists()
    clear(home, after_s=1)
    with path.open("r+b") as again:
        again.seek(len(half))
        again.write(data[len(half) :])
    os.utime(path, (2e9, 2e9))
    (second,) = intake(home).new_keys
    assert list(active_recordings(home)) == [second]
    assert not path.exists()
    retired = {str(key): one.retired for key, one in Registry.read(home).recordings.items()}
    assert second in (retired[first] or "")
    assert scan_capture(home, task_ids=TASKS).candidates == ()


@pytest.mark.parametrize("rested", [False, True], ids=["renamed while it lies there", "copied anew later"])
def test_the_whole_recording_replaces_its_beginning_also_under_another_name(
    home: Home, path: Path, data: bytes, rested: bool
) -> None:
    path.write_bytes(data[: len(data) * 2 // 3])
    (first,) = intake(home).new_keys
    if rested:
        clear(home)
        assert not path.exists()
    else:
        with path.open("r+b") as again:
            again.seek(0, os.SEEK_END)
            again.write(data[len(data) * 2 // 3 :])
        path.rename(path.with_name("renamed.mp4"))
        clear(home, after_s=1)
    path.with_name("renamed.mp4").write_bytes(data)
    (second,) = intake(home, run_id="whole").new_keys
    assert list(active_recordings(home)) == [second]
    retired = {str(key): one.retired for key, one in Registry.read(home).recordings.items()}
    assert second in (retired[first] or "")


@pytest.mark.parametrize("which", ["beside it", "in another folder", "a day later", "other pictures"])
def test_a_recording_that_only_may_be_the_whole_of_another_one_replaces_nothing(
    home: Home, path: Path, data: bytes, which: str
) -> None:
    path.write_bytes(data[: len(data) * 2 // 3])
    intake(home)
    if which != "beside it":
        clear(home)
    other = path.with_name("other.mp4")
    if which == "in another folder":
        other = capture_path(home, f"{TRAINEES}2/other.mp4")
        other.parent.mkdir()
    if which == "a day later":
        clear(home, after_s=REMEMBERED_S + 1)
    if which == "other pictures":
        fragments = {"movflags": "frag_keyframe+empty_moov"}
        write_tiny_video(
            other, seconds=9, size=(320, 240), seed=7, container_options=fragments, options={"g": "10"}
        )
    else:
        other.write_bytes(data)
    intake(home, run_id="other")
    assert len(active_hashes(home)) == 2


def test_another_recording_under_the_same_name_replaces_nothing(home: Home, path: Path) -> None:
    stream = {"size": (320, 240), "options": {"crf": "12"}}
    path.write_bytes(write_tiny_video(path.with_name("a.ts"), seed=1, **stream).rename(path).read_bytes())
    intake(home)
    write_tiny_video(path.with_name("b.ts"), seed=2, seconds=4, **stream).rename(path)
    intake(home)
    assert len(active_hashes(home)) == 2


def test_a_file_that_may_go_on_is_looked_at_once_and_removed_when_it_rests(home: Home, path: Path) -> None:
    write_tiny_video(path.with_name("a.ts")).rename(path)
    assert intake(home).new_keys
    assert intake(home).outcomes == ()
    clear(home, after_s=REST_S / 2)
    assert path.exists()
    clear(home)
    assert not path.exists()
    assert scan_capture(home, task_ids=TASKS).taken == ()


def test_a_held_file_is_not_removed_however_long_it_rests(home: Home, path: Path) -> None:
    write_tiny_video(path.with_name("a.ts")).rename(path)
    intake(home)
    with path.open("ab"):
        clear(home)
        assert path.exists()
    clear(home)
    assert not path.exists()


def test_the_sensor_waits_for_an_end_that_is_missing_and_judges_it_later(
    home: Home, path: Path, data: bytes
) -> None:
    plain = write_tiny_video(path.with_name("plain.mp4"), seed=3)
    plain.write_bytes(plain.read_bytes()[:-2000])
    (outcome,) = patiently(home).outcomes
    assert (outcome.status, "its end is missing" in outcome.detail) == (IntakeStatus.LEFT, True)
    assert quarantine_ledger(home).files() == []
    later = datetime.now(UTC) + timedelta(seconds=UNFINISHED_S + 1)
    assert [one.status for one in patiently(home, now=later).outcomes] == [IntakeStatus.QUARANTINED]


def test_an_end_that_is_missing_is_waited_for_too_where_the_writer_s_clock_is_ahead(
    home: Home, path: Path
) -> None:
    write_tiny_video(path, seed=3)
    path.write_bytes(path.read_bytes()[:-2000])
    ahead_s = time.time() + UNFINISHED_S / 2
    os.utime(path, (ahead_s, ahead_s))
    assert [one.status for one in patiently(home).outcomes] == [IntakeStatus.LEFT]
    later = datetime.fromtimestamp(ahead_s + UNFINISHED_S + 1, UTC)
    assert [one.status for one in patiently(home, now=later).outcomes] == [IntakeStatus.QUARANTINED]


def test_an_empty_file_waits_and_an_old_one_is_refused_but_stays_for_its_content(
    home: Home, path: Path, data: bytes
) -> None:
    path.touch()
    assert "it is empty" in intake(home).outcomes[0].detail
    os.utime(path, (1e9, 1e9))
    assert [one.status for one in intake(home).outcomes] == [IntakeStatus.QUARANTINED]
    path.write_bytes(data)
    assert intake(home).new_keys


def test_what_lies_in_quarantine_can_be_dropped_again_when_its_rest_is_there(
    home: Home, path: Path, data: bytes
) -> None:
    path.write_bytes(data[:600])
    assert intake(home).with_status(IntakeStatus.QUARANTINED)
    clear(home)
    (refused,) = quarantine_ledger(home).latest()["stored_name"]
    path.write_bytes((local_path(home.quarantine) / refused).read_bytes() + data[600:])
    assert intake(home).new_keys
    assert videos_ledger(home).latest()["original_name"].tolist() == ["take.mp4"]


INTAKE = (
    "import sys\n"
    "from sopilot_assets.store.home import Home\n"
    "from sopilot_assets_tests.capture.test_intake import intake\n"
    "intake(Home.at(sys.argv[1]), run_id=sys.argv[2])\n"
)


def _without_rights(home: Home, run_id: str) -> str:
    """What an intake prints that may neither ignore the rights of folders nor act for their owner."""
    drop = "-dac_override,-dac_read_search,-fowner"
    rights = ["setpriv", f"--bounding-set={drop}", "--inh-caps=-all"] if os.geteuid() == 0 else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)}
    command = [*rights, sys.executable, "-c", INTAKE, str(home.root), run_id]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout


def test_a_file_that_cannot_be_removed_is_taken_once_and_stops_no_other(home: Home, data: bytes) -> None:
    held = capture_path(home, f"{TRAINEES}/held.mp4")
    free = capture_path(home, f"{TRAINEES.rpartition('/')[0]}/plant_b/free.mp4")
    for number, one in enumerate((held, free)):
        write_tiny_video(one, seed=number)
    held.parent.chmod(0o555)
    try:
        for run_id in ("first", "second"):
            _without_rights(home, run_id)
            ((_, note),) = scan_capture(home, task_ids=TASKS).taken
            assert (note.relative, note.problem) == (f"{TRAINEES}/held.mp4", "Permission denied")
            assert (len(active_hashes(home)), held.exists(), free.exists()) == (2, True, False)
    finally:
        held.parent.chmod(0o755)
    clear_taken(home, scan_capture(home, task_ids=TASKS), now_s=time.time())
    assert not held.exists()
    assert len(videos_ledger(home).all_rows()) == 2


def test_files_out_of_quarantine_come_back_under_their_own_name(home: Home, path: Path) -> None:
    write_tiny_video(path)
    path.with_name("take.mp4.json").write_text("{person: Aoi")
    assert intake(home).with_status(IntakeStatus.QUARANTINED)
    clear(home)
    assert list(path.parent.iterdir()) == []
    for refused in local_path(home.quarantine).iterdir():
        refused.rename(path.with_name(refused.name))
    (sidecar,) = (one for one in path.parent.glob("*.mp4.json"))
    sidecar.write_text('{"person": "aoi"}')
    (key,) = intake(home).new_keys
    one = active_recordings(home)[key]
    assert (one.original_name, one.person) == ("take.mp4", "aoi")
