"""Uploads: whatever way a file is cut and interrupted, its bytes arrive once and whole."""

from __future__ import annotations

import base64
import hashlib
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopilot_assets.capture.add import hashed_name
from sopilot_assets.capture.fate import UploadStage, check_upload, fate_of
from sopilot_assets.capture.landing import land, land_complete, read_landing
from sopilot_assets.capture.reasons import Reason
from sopilot_assets.capture.scan import CapturePlace
from sopilot_assets.capture.sidecar import Sidecar
from sopilot_assets.capture.uploads import (
    MOST_UNFINISHED,
    Upload,
    UploadLimits,
    begin_upload,
    find_upload,
    received_bytes,
    receiving,
    upload_data,
)
from sopilot_assets.disk import any_room, room_for_files
from sopilot_assets.errors import UploadError
from sopilot_assets.settings import DiskLimits, RetentionSettings
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import Step, new_task
from sopilot_assets.upkeep.retention import remove_expired_files
from sopilot_assets_tests.capture.bad_files import PLAIN
from sopilot_assets_tests.capture.test_intake import capture_path, files_below, intake
from sopilot_assets_tests.video.tiny import write_tiny_video

NOW = datetime(2026, 2, 23, 9, 30, tzinfo=UTC)
PLACE = CapturePlace(PLAIN, "trainee", "line1", None)
LIMITS = UploadLimits(1 << 30, 7)
DATA = bytes(range(251)) * 20


def began(
    home: Home,
    data: bytes,
    *,
    name: str = "take.mp4",
    role: str = "trainee",
    site: str = "line1",
    camera: str | None = None,
    person: str | None = None,
) -> Upload:
    return begin_upload(
        home,
        who="ada",
        name=name,
        size_bytes=len(data),
        place=CapturePlace(PLAIN, role, site, camera),
        facts=Sidecar(person=person),
        sha256=None,
        at=NOW,
        limits=LIMITS,
        room=any_room,
    )


def send(home: Home, upload: Upload, data: bytes, *, offset: int = 0, checksum: str | None = None) -> int:
    with receiving(home, upload, offset=offset, checksum=checksum, room=any_room) as one:
        one.write(data)
        return one.finish()


def uploaded(home: Home, data: bytes, **told: str) -> Upload:
    upload = began(home, data, **told)
    send(home, upload, data)
    land(home, upload)
    return upload


def checksum(data: bytes) -> str:
    return f"sha256 {base64.b64encode(hashlib.sha256(data).digest()).decode()}"


ENDS = ("whole", "broken", "checked", "changed", "checked_broken", "misplaced")


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 2000), st.sampled_from(ENDS), st.integers(0, 2000)), max_size=12))
def test_however_it_is_cut_and_interrupted_it_arrives_whole(pieces: list[tuple[int, str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Home.at(folder)
        upload = began(home, DATA)
        for length, end, arrives in pieces:
            _interrupted(home, upload, length, end, arrives)
        there = received_bytes(home, upload)
        assert upload_data(home, upload).read_bytes()[:there] == DATA[:there]
        send(home, upload, DATA[there:], offset=there)
        assert land(home, upload) == land(home, upload)
        assert files_below(local_path(home.capture)) == {f"{PLAIN}/trainee/line1/take.mp4"}
        assert capture_path(home, f"{PLAIN}/trainee/line1/take.mp4").read_bytes() == DATA


def _interrupted(home: Home, upload: Upload, length: int, end: str, arrives: int) -> None:
    """One request that sends ``length`` bytes and ends so; of a broken one ``arrives`` bytes come."""
    there = received_bytes(home, upload)
    piece = DATA[there : there + length]
    said = checksum(piece) if "check" in end else checksum(piece + b"!") if end == "changed" else None
    offset = there + 1 if end == "misplaced" else there
    whole = end in ("whole", "checked") or (end == "broken" and arrives >= len(piece))
    refused = None
    try:
        with receiving(home, upload, offset=offset, checksum=said, room=any_room) as one:
            if "broken" in end:
                one.write(piece[:arrives])
            else:
                one.write(piece)
                one.finish()
    except UploadError as error:
        refused = error.why
    assert refused == {"changed": "checksum", "misplaced": "offset"}.get(end)
    kept = len(piece) if whole else arrives if end == "broken" else 0
    assert received_bytes(home, upload) == there + min(kept, len(piece))


@pytest.mark.parametrize("step", ["noted", "moved", "told"])
def test_landing_goes_on_from_wherever_it_was_killed(
    home: Home, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = began(home, DATA, person="p1")
    send(home, upload, DATA)

    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    wrong = {"noted": "publish_moved", "moved": "publish_text", "told": "replace"}[step]
    with monkeypatch.context() as patched:
        patched.setattr(f"sopilot_assets.capture.landing.{wrong}", killed)
        with pytest.raises(Killed):
            land(home, upload)
    other = began(home, DATA[::-1])  # takes the name meanwhile, where it is free
    send(home, other, DATA[::-1])
    land(home, other)
    assert land_complete(home) == (step == "noted")
    landing = land(home, upload)
    assert landing is not None
    assert landing.done
    target = capture_path(home, str(landing.target))
    assert target.read_bytes() == DATA
    assert '"p1"' in target.with_name(f"{target.name}.json").read_text()
    assert len(files_below(local_path(home.capture))) == 3


def test_what_becomes_of_it_is_followed_until_it_is_registered(home: Home, tmp_path: Path) -> None:
    video = write_tiny_video(tmp_path / "a.mp4", seconds=3).read_bytes()
    new_task(home.root, PLAIN, name="Bolt check", steps=[Step(id="one", name="One")])
    upload = began(home, video)
    assert (fate_of(home, upload).stage, fate_of(home, upload).received_bytes) == (UploadStage.RECEIVING, 0)
    send(home, upload, video)
    assert fate_of(home, upload).stage is UploadStage.WAITING
    checked = check_upload(home, upload)
    assert checked is not None
    assert Reason.TOO_SMALL in checked.reasons
    assert fate_of(home, upload).checked == checked
    key = intake(home).new_keys[0]
    assert (fate_of(home, upload).stage, fate_of(home, upload).key) == (UploadStage.REGISTERED, key)
    again = uploaded(home, video, name="b.mp4")
    fate = fate_of(home, again)
    assert (fate.stage, fate.key, fate.known_before) == (UploadStage.REGISTERED, key, True)
    assert files_below(local_path(home.capture)) == set()


def test_a_refused_file_says_why(home: Home) -> None:
    upload = uploaded(home, b"no video at all" * 100)
    intake(home)
    fate = fate_of(home, upload)
    assert (fate.stage, fate.reason) == (UploadStage.REFUSED, Reason.NOT_A_VIDEO)


def test_a_file_that_somebody_took_out_is_said_to_be_gone(home: Home) -> None:
    upload = uploaded(home, DATA)
    capture_path(home, f"{PLAIN}/trainee/line1/take.mp4").unlink()
    assert fate_of(home, upload).stage is UploadStage.REMOVED


def test_nobody_begins_more_uploads_than_can_be_looked_after(home: Home) -> None:
    for _ in range(MOST_UNFINISHED):
        began(home, DATA)
    with pytest.raises(UploadError) as refused:
        began(home, DATA)
    assert refused.value.why == "too_many"


def test_uploads_go_when_their_time_is_over_and_complete_ones_land_first(home: Home) -> None:
    half, whole = began(home, DATA), began(home, DATA)
    send(home, half, DATA[:100])
    send(home, whole, DATA)
    tidied = {}
    for days in (6, 8):
        now_s = (NOW + timedelta(days=days)).timestamp()
        found = remove_expired_files(home, RetentionSettings(), now_s=now_s)
        tidied[days] = {one.what: (one.removed, one.kept) for one in found}["uploads"]
    assert tidied == {6: (0, 2), 8: (2, 0)}
    assert find_upload(home, half.upload_id, "ada") is None
    assert files_below(local_path(home.capture)) == {f"{PLAIN}/trainee/line1/take.mp4"}


def test_one_that_cannot_land_holds_up_no_other_and_stays(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    stuck, whole = began(home, DATA, site="line2"), began(home, DATA[1:])
    in_the_way = local_path(home.capture) / PLAIN / "trainee" / "line2"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("a file where a folder belongs")
    send(home, stuck, DATA)
    send(home, whole, DATA[1:])
    assert land_complete(home) == 1
    assert "The upload take.mp4 cannot land, and waits: " in caplog.text
    now_s = (NOW + timedelta(days=8)).timestamp()
    found = remove_expired_files(home, RetentionSettings(), now_s=now_s)
    assert {one.what: (one.removed, one.kept) for one in found}["uploads"] == (1, 1)
    assert received_bytes(home, stuck) == len(DATA)
    in_the_way.unlink()
    caplog.clear()
    assert land_complete(home) == 1
    assert caplog.text == ""
    assert "trainee/line2/take.mp4" in " ".join(files_below(local_path(home.capture)))


def test_a_file_comes_whole_from_another_disk_too(home: Home, tmp_path: Path) -> None:
    ours = tmp_path.stat().st_dev
    others = (Path(name) for name in ("/dev/shm", "/var/tmp"))
    disk = next((one for one in others if one.is_dir() and one.stat().st_dev != ours), None)
    if disk is None:
        pytest.skip("no second file system to try it with")
    with tempfile.TemporaryDirectory(dir=disk) as other:
        local_path(home.root).mkdir(parents=True)
        local_path(home.capture).symlink_to(other)
        upload = uploaded(home, DATA)
        landing = read_landing(home, upload)
        assert landing is not None
        assert capture_path(home, str(landing.target)).read_bytes() == DATA
        assert files_below(Path(other)) == {f"{PLAIN}/trainee/line1/take.mp4"}


@pytest.mark.parametrize(
    ("name", "hashed"),
    [
        ("take.mp4", "take-01234567.mp4"),
        ("take", "take-01234567"),
        ("y" * 300 + ".mp4", "y" * 60 + "-01234567.mp4"),
        ("a.longer_than_any_suffix", "a.longer_than_any_suffix-01234567"),
    ],
)
def test_a_name_with_its_hash_keeps_the_hash(name: str, hashed: str) -> None:
    assert hashed_name(name, "0123456789abcdef" * 4) == hashed


@pytest.mark.parametrize("place", [{"site": "a/b"}, {"camera": "../up"}, {"site": "#recycle"}])
def test_a_refusal_in_japanese_quotes_no_english(tmp_path: Path, place: dict[str, str]) -> None:
    home = Home.at(tmp_path)
    with pytest.raises(UploadError, match="expected a plain folder name") as refused:
        began(home, DATA, **place)
    assert "expected" not in refused.value.ja
    assert "使えません" in refused.value.ja
    crowded = room_for_files(home, DiskLimits(pause_gib=1e6, resume_gib=1e6, warn_gib=1e6))
    upload = began(home, DATA)
    with (
        pytest.raises(UploadError, match="intake is paused") as full,
        receiving(home, upload, offset=0, checksum=None, room=crowded),
    ):
        pass
    assert "受け付けを停止しています" in full.value.ja
    assert "free" not in full.value.ja
