"""Every dropped file ends registered or in quarantine with the right reason, whatever happens in between."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sopilot_assets.capture.clearing import REST_S, clear_taken
from sopilot_assets.capture.examine import reason_of
from sopilot_assets.capture.intake import IntakeLimits, IntakeReport, IntakeStatus, take_in
from sopilot_assets.capture.ledgers import duplicates_ledger, quarantine_ledger, videos_ledger
from sopilot_assets.capture.reasons import REASON_TEXTS, Reason, flag_texts
from sopilot_assets.capture.registry import Registry
from sopilot_assets.capture.scan import scan_capture
from sopilot_assets.errors import (
    NotAVideo,
    NoVideoStream,
    SopilotError,
    TruncatedVideo,
    UnreadableVideo,
    WorkerLimit,
)
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import file_sha256, local_path, publish_path
from sopilot_assets.video.frames import open_frames
from sopilot_assets_tests.capture.bad_files import (
    GATED,
    PLAIN,
    UNTOUCHED,
    two_tasks,
    write_bad_files,
)
from sopilot_assets_tests.forkserver import started
from sopilot_assets_tests.video.tiny import write_tiny_video

TASKS = two_tasks()
TRAINEES = f"{PLAIN}/trainee/plant_a"


def clock() -> datetime:
    return datetime.now(UTC)


UNHURRIED = IntakeLimits(total_s=300)


def intake(home: Home, *, run_id: str = "run", limits: IntakeLimits = UNHURRIED) -> IntakeReport:
    scan = scan_capture(home, task_ids=TASKS)
    return take_in(home, scan.candidates, tasks=TASKS, run_id=run_id, clock=clock, limits=limits)


def clear(home: Home, *, after_s: float = REST_S) -> None:
    """What a look at the capture folder removes so much later."""
    clear_taken(home, scan_capture(home, task_ids=TASKS), now_s=time.time() + after_s)


def capture_path(home: Home, relative: str) -> Path:
    return local_path(home.capture) / relative


def files_below(folder: Path) -> set[str]:
    return {
        Path(where, name).relative_to(folder).as_posix()
        for where, _, names in os.walk(folder)
        for name in names
    }


def temporary_files(home: Home) -> list[str]:
    return [name for name in files_below(local_path(home.root)) if ".publishing-" in name]


def test_every_bad_file_ends_where_it_should_and_the_good_ones_are_accepted(
    home: Home, tmp_path: Path
) -> None:
    files = write_bad_files(local_path(home.capture), tmp_path / "outside")
    assert len(files) >= 40
    outside_before = files_below(tmp_path / "outside")
    report = intake(home)
    ends = {outcome.relative: (outcome.reason or outcome.status).value for outcome in report.outcomes}
    found = {one.relative: ends.get(_shown(one.relative), UNTOUCHED) for one in files}
    wrong = {one.relative: found[one.relative] for one in files if found[one.relative] not in one.ends}
    assert wrong == {}
    assert report.remaining == ()
    clear(home)
    _nothing_but_the_untouched_remains(home, {one.relative for one in files if UNTOUCHED in one.ends})
    _quarantine_explains_itself(home, report)
    _accepted_videos_are_stored_and_readable(home, report)
    assert files_below(tmp_path / "outside") == outside_before
    assert temporary_files(home) == []


def _shown(relative: str) -> str:
    return relative.replace("\n", "\ufffd").encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _nothing_but_the_untouched_remains(home: Home, untouched: set[str]) -> None:
    root = local_path(home.capture)
    remaining = {name for name in files_below(root) if not name.startswith("outside_task/")}
    links = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_symlink()}
    assert {name for name in remaining | links if "/loop/" not in name} == untouched


def _quarantine_explains_itself(home: Home, report: IntakeReport) -> None:
    refused = report.with_status(IntakeStatus.QUARANTINED)
    rows = quarantine_ledger(home).latest()
    assert sorted(rows["capture_path"]) == sorted(outcome.relative for outcome in refused)
    for row in rows.itertuples():
        stored = local_path(home.quarantine) / str(row.stored_name)
        assert file_sha256(stored) == row.sha256
        told = json.loads(stored.with_name(stored.name + ".reason.json").read_text())
        assert told["reason"] in set(Reason)
        assert told["en"]["do"]
        assert told["ja"]["do"]
        assert len(os.fsencode(stored.name)) < 120


def _accepted_videos_are_stored_and_readable(home: Home, report: IntakeReport) -> None:
    rows = videos_ledger(home).latest().set_index("key")
    accepted = report.with_status(IntakeStatus.ACCEPTED)
    assert sorted(rows.index) == sorted(outcome.key or "" for outcome in accepted) == list(report.new_keys)
    for row in rows.itertuples():
        stored = local_path(home.videos) / str(row.stored_name)
        assert file_sha256(stored) == row.sha256
        assert sum(len(chunk.times_s) for chunk in open_frames(stored, rate_hz=2, short_side=32)) >= 3
    names = rows.set_index("original_name")
    assert names.loc["dark_trainee.mp4", "flags"].startswith("too_dark")
    assert names.loc["cut_moov_first_0.8.mp4", "flags"] == "damaged"
    assert names.loc["cut_moov_first_0.8.mp4", "damaged_share"] == pytest.approx(0.2, abs=0.06)
    known = Registry.read(home).recordings.values()
    lacking = {one.original_name: [text.en for text in flag_texts(one.flags)] for one in known}
    assert lacking["dark_trainee.mp4"][0].startswith("The picture is too dark. Add light on the work area")
    assert [text[:41] for text in lacking["cut_moov_first_0.8.mp4"]] == [
        "A part of the file is missing or cannot b"
    ]
    assert lacking["good_1.mp4"] == []
    damaged = {one.original_name for one in known if one.damaged}
    assert "cut_moov_first_0.8.mp4" in damaged
    assert not damaged & {"good_1.mp4", "dark_trainee.mp4", "rotated_90.mp4"}
    assert names.loc["rotated_90.mp4", ["width", "height", "reader"]].tolist() == [120, 160, "pyav"]
    assert names.loc["good_1.mp4", ["reader", "flags", "site"]].tolist() == ["pyav", "", "plant_a"]
    assert names.loc["f.mp4", ["site", "camera"]].tolist() == ["plant_b", "cam_1"]


def test_the_sidecar_tells_who_and_when(home: Home) -> None:
    path = write_tiny_video(capture_path(home, f"{TRAINEES}/a.mp4"))
    sidecar = path.with_name("a.mp4.json")
    told = {"person": "aoi", "session": 7, "recorded_at": "2026-03-01T09:00:00+09:00", "camera_os": 1}
    sidecar.write_text(json.dumps(told))
    intake(home)
    row = videos_ledger(home).latest().iloc[0]
    assert row[["person", "session", "recorded_at"]].tolist() == ["aoi", "7", "2026-03-01T09:00:00+09:00"]
    assert not sidecar.exists()


def test_a_person_is_one_however_their_code_is_written(home: Home) -> None:
    path = write_tiny_video(capture_path(home, f"{TRAINEES}/a.mp4"))
    apart = unicodedata.normalize("NFD", "カカガイ")  # as macOS writes names of files
    path.with_name("a.mp4.json").write_text(json.dumps({"person": apart}))
    intake(home)
    assert videos_ledger(home).latest().iloc[0]["person"] == "カカガイ"


@pytest.mark.parametrize("never", ["0001-01-01T00:00:00+09:00", "9999-12-31T23:59:59-09:00"])
def test_a_time_that_no_clock_in_utc_can_show_is_refused_and_the_next_one_is_taken_in(
    home: Home, never: str
) -> None:
    path = write_tiny_video(capture_path(home, f"{TRAINEES}/a.mp4"))
    path.with_name("a.mp4.json").write_text(json.dumps({"recorded_at": never}))  # a clock that was never set
    (outcome,) = intake(home).outcomes
    assert outcome.reason is Reason.UNREADABLE_SIDECAR
    assert "recorded_at" in outcome.detail


def test_a_file_that_changed_after_the_scan_is_left_alone(home: Home) -> None:
    path = write_tiny_video(capture_path(home, f"{TRAINEES}/a.mp4"))
    scan = scan_capture(home, task_ids=TASKS)
    with path.open("ab") as stream:
        stream.write(b"more")
    before = path.read_bytes()
    report = take_in(home, scan.candidates, tasks=TASKS, run_id="run", clock=clock)
    assert [outcome.status for outcome in report.outcomes] == [IntakeStatus.LEFT]
    assert path.read_bytes() == before
    assert videos_ledger(home).files() == []


def test_what_does_not_fit_into_the_time_waits_for_the_next_call(home: Home) -> None:
    for number in range(3):
        write_tiny_video(capture_path(home, f"{TRAINEES}/{number}.mp4"), seed=number)
    first = intake(home, limits=IntakeLimits(file_s=25, total_s=1))
    assert (len(first.outcomes), len(first.remaining)) == (1, 2)
    second = intake(home)
    assert len(second.new_keys) == 2


def test_the_same_bytes_are_one_video_in_a_task_whatever_their_name(home: Home) -> None:
    path = write_tiny_video(capture_path(home, f"{TRAINEES}/a.mp4"))
    data = path.read_bytes()
    (key,) = intake(home).new_keys
    capture_path(home, f"{TRAINEES}/b.mp4").write_bytes(data)
    report = intake(home, run_id="later")
    assert [(outcome.status, outcome.key) for outcome in report.outcomes] == [(IntakeStatus.DUPLICATE, key)]
    assert len(videos_ledger(home).all_rows()) == 1
    assert duplicates_ledger(home).latest()["original_name"].tolist() == ["b.mp4"]
    assert files_below(local_path(home.capture)) == set()


def test_the_same_bytes_in_another_task_are_a_video_of_that_task_too(home: Home) -> None:
    path = write_tiny_video(capture_path(home, f"{TRAINEES}/a.mp4"))
    other = capture_path(home, f"{GATED}/trainee/plant_a/a.mp4")
    other.parent.mkdir(parents=True)
    other.write_bytes(path.read_bytes())
    os.utime(other, (4e9, 4e9))
    first, second = intake(home).with_status(IntakeStatus.ACCEPTED)
    assert f"same_bytes_as:{first.key}" in second.flags
    assert len([name for name in files_below(local_path(home.videos)) if name.endswith(".mp4")]) == 1


def test_a_trainee_recording_can_become_a_gold_but_a_gold_is_never_a_trainee(home: Home) -> None:
    path = write_tiny_video(capture_path(home, f"{TRAINEES}/a.mp4"))
    data = path.read_bytes()
    (trainee_key,) = intake(home).new_keys
    gold = capture_path(home, f"{PLAIN}/gold/plant_a/a.mp4")
    gold.parent.mkdir(parents=True)
    gold.write_bytes(data)
    (gold_key,) = intake(home).new_keys
    rows = videos_ledger(home).latest().set_index("key")["status"].to_dict()
    assert rows == {trainee_key: "retired", gold_key: "active"}
    path.write_bytes(data)
    assert [outcome.reason for outcome in intake(home).outcomes] == [Reason.ALREADY_A_GOLD]
    assert videos_ledger(home).latest().set_index("key")["status"].to_dict() == rows


def test_a_lost_stored_file_is_put_back_by_its_duplicate(home: Home) -> None:
    path = write_tiny_video(capture_path(home, f"{TRAINEES}/a.mp4"))
    data = path.read_bytes()
    intake(home)
    stored = local_path(home.videos) / str(videos_ledger(home).latest()["stored_name"][0])
    stored.unlink()
    path.write_bytes(data)
    intake(home)
    assert stored.read_bytes() == data


def test_a_second_intake_at_the_same_time_does_nothing(home: Home) -> None:
    import fcntl

    path = write_tiny_video(capture_path(home, f"{TRAINEES}/a.mp4"))
    lock = local_path(home.videos) / ".intake.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("wb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        report = intake(home)
    assert (report.outcomes, report.remaining) == ((), (f"{TRAINEES}/a.mp4",))
    assert path.exists()


def test_a_file_that_takes_too_long_is_refused_with_that_reason(home: Home) -> None:
    write_tiny_video(capture_path(home, f"{TRAINEES}/a.mp4"))
    report = intake(home, limits=IntakeLimits(file_s=0.01, total_s=300))
    assert [outcome.reason for outcome in report.outcomes] == [Reason.TIME_LIMIT]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (WorkerLimit("slow", limit="time"), Reason.TIME_LIMIT),
        (WorkerLimit("big", limit="memory"), Reason.MEMORY_LIMIT),
        (WorkerLimit("SIGSEGV"), Reason.UNREADABLE),
        (NotAVideo("text"), Reason.NOT_A_VIDEO),
        (NoVideoStream("sound"), Reason.NO_VIDEO_STREAM),
        (TruncatedVideo("half"), Reason.TRUNCATED),
        (UnreadableVideo("odd"), Reason.UNREADABLE),
    ],
)
def test_each_way_to_fail_has_its_reason(error: SopilotError, reason: Reason) -> None:
    assert reason_of(error) is reason


def test_the_same_file_gives_the_same_row_every_time(home: Home, tmp_path: Path) -> None:
    data = write_tiny_video(tmp_path / "a.mp4").read_bytes()
    rows = []
    for name in ("one", "two"):
        other = Home.at(tmp_path / name)
        path = capture_path(other, f"{TRAINEES}/a.mp4")
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        intake(other, run_id=name)
        rows.append(videos_ledger(other).latest()["row_id"][0])
    assert rows[0] == rows[1]


def test_every_reason_says_what_and_what_to_do_in_both_languages() -> None:
    assert set(REASON_TEXTS) == set(Reason)
    for text in REASON_TEXTS.values():
        assert text.english.endswith(".")
        assert text.do_english.endswith(".")
        assert any("\u3040" <= character <= "\u30ff" for character in text.japanese)
        assert any("\u3040" <= character <= "\u30ff" for character in text.do_japanese)


def test_an_intake_leaves_what_somebody_else_is_just_writing_beside_the_ledgers(home: Home) -> None:
    write_tiny_video(capture_path(home, f"{TRAINEES}/a.mp4"))
    intake(home)
    merged = local_path(home.ledgers) / "videos" / "compacted-0.parquet"
    (stored,) = merged.parent.glob("*.parquet")

    def write(temporary: Path) -> None:
        write_tiny_video(capture_path(home, f"{TRAINEES}/b.mp4"), seed=1)
        intake(home, run_id="meanwhile")
        temporary.write_bytes(stored.read_bytes())

    publish_path(merged, write)
    assert len(videos_ledger(home).latest()) == 2


KILLS = int(os.environ.get("SOPILOT_KILLS", "3"))
"""How many kills of each kind are tried; 50 for a thorough run."""


def kill_at_step(last: int) -> None:
    """Kill this process just before its ``last``-th rename or removal of a file; never for 0."""
    steps = 0

    def hook(event: str, _: tuple[object, ...]) -> None:
        nonlocal steps
        if event in ("os.rename", "os.remove", "os.rmdir"):
            steps += 1
            if steps == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _drop_a_batch(home: Home, write: Callable[..., Path]) -> dict[str, bytes]:
    for number in range(4):
        write(capture_path(home, f"{TRAINEES}/{number}.mp4"), seed=number)
    capture_path(home, f"{TRAINEES}/text.mp4").write_text("no video")
    return {path.name: path.read_bytes() for path in capture_path(home, TRAINEES).iterdir()}


def intake_killed_at_step(root: Path, run_id: str, step: int = 0) -> None:
    """An intake in this process, which is killed there."""
    kill_at_step(step)
    intake(Home.at(root), run_id=run_id)


def _everything_is_there_once(home: Home, dropped: dict[str, bytes]) -> None:
    rows = videos_ledger(home).all_rows()
    assert sorted(rows["original_name"]) == ["0.mp4", "1.mp4", "2.mp4", "3.mp4"]
    for row in rows.itertuples():
        stored = local_path(home.videos) / str(row.stored_name)
        assert stored.read_bytes() == dropped[str(row.original_name)]
    assert quarantine_ledger(home).all_rows()["original_name"].tolist() == ["text.mp4"]
    assert duplicates_ledger(home).files() == []
    clear(home)
    assert files_below(local_path(home.capture)) == set()
    assert [name for name in temporary_files(home) if not name.startswith("ledgers/")] == []


@pytest.mark.whole
@pytest.mark.parametrize("seed", range(KILLS))
def test_an_intake_killed_at_any_moment_loses_and_doubles_nothing(
    seed: int, home: Home, tiny_video: Callable[..., Path]
) -> None:
    dropped = _drop_a_batch(home, tiny_video)
    rng = random.Random(seed)
    for attempt in range(2):
        process = started(intake_killed_at_step, local_path(home.root), f"killed-{attempt}")
        process.join(rng.uniform(0.0, 1.4))
        process.kill()
        process.join()
    intake(home, run_id="after")
    _everything_is_there_once(home, dropped)


@pytest.mark.whole
@pytest.mark.parametrize("step", [2, 9, 14, 15, 18] if KILLS <= 3 else range(1, KILLS))
def test_an_intake_killed_before_any_rename_or_removal_loses_and_doubles_nothing(
    step: int, home: Home, tiny_video: Callable[..., Path]
) -> None:
    dropped = _drop_a_batch(home, tiny_video)
    process = started(intake_killed_at_step, local_path(home.root), "killed", step)
    process.join()
    assert process.exitcode == -signal.SIGKILL or step > 19
    intake(home, run_id="after")
    _everything_is_there_once(home, dropped)
