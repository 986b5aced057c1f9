"""What one person is handed over: everything about them and of nobody else, the same bytes every time."""

from __future__ import annotations

import csv
import io
import shutil
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sopilot_assets.capture.facts import correct_recordings, withdraw_recordings
from sopilot_assets.capture.registry import Registry, stored_file
from sopilot_assets.errors import ErasureError
from sopilot_assets.labels.chain import append_events
from sopilot_assets.labels.events import Draft, RaterVerdict, Source
from sopilot_assets.people.export import export_person
from sopilot_assets.settings import settings_path
from sopilot_assets.stations.scores import score_videos
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import publish_text
from sopilot_assets.upkeep.erasing.erase import erase_person

NOW = datetime(2025, 6, 9, 8, 0, tzinfo=UTC)
SETTINGS = (
    "privacy: {purpose: Training on line 3, legal_basis: Works agreement 7, contact: hr@example.org, "
    "blur_faces: nowhere}\n"
)


def test_it_holds_everything_about_the_person_and_nobody_else(original: Home, tmp_path: Path) -> None:
    home = Home.at(shutil.copytree(str(original.root), tmp_path / "home"))
    publish_text(settings_path(home), SETTINGS)
    recordings = Registry.read(home).recordings.values()
    one = next(one for one in recordings if one.role == "trainee")
    other = next(other for other in recordings if other.person != one.person and other.role == "trainee")
    said = Draft(
        task_id=one.task_id,
        at=NOW.isoformat(),
        key=str(one.key),
        who="trainer_x",
        source=Source.HUMAN,
        critical_expected=None,
        verdict=RaterVerdict.DISAGREE,
        note="=the clamp was closed",
    )
    append_events(home, [said], run_id="label", written_at=NOW.isoformat())
    done = export_person(home, str(one.person), tmp_path / "first.zip")
    export_person(home, str(one.person), tmp_path / "second.zip")
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()
    assert (done.recordings, done.videos, done.pages, done.without_page) == (1, 1, 1, {})
    with zipfile.ZipFile(tmp_path / "first.zip") as archive:
        files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    assert files[f"videos/{one.key}.mp4"] == stored_file(home, one).read_bytes()
    assert f"pages/{one.key}.html" in files
    index = files["index.html"].decode()
    for told in (
        "Training on line 3",
        "Works agreement 7",
        "hr@example.org",
        "撮影の目的",
        one.original_name,
    ):
        assert told in index
    labels = list(csv.DictReader(io.StringIO(files["labels.csv"].decode("utf-8-sig"))))
    assert [(row["who"], row["contested"], row["note"]) for row in labels] == [
        ("rater 1", "True", "'=the clamp was closed")
    ]
    everything = b"".join(data for name, data in files.items() if not name.startswith("videos/"))
    assert b"trainer_x" not in everything
    assert other.original_name.encode() not in everything
    # after an erasure it says what was erased and when
    erase_person(home, str(one.person), who="ann", why="asked", clock=lambda: NOW, run_id="e")
    after = export_person(home, str(one.person), tmp_path / "after.zip")
    assert (after.videos, after.pages) == (0, 0)
    with zipfile.ZipFile(tmp_path / "after.zip") as archive:
        index = archive.read(f"person-{one.person}/index.html").decode()
        assert b"erased" in archive.read(f"person-{one.person}/erasures.csv")
    assert "erased on 2025-06-09" in index
    assert "2025-06-09 に消去済み" in index


def test_who_changed_it_and_whose_the_golds_are_is_not_in_it(original: Home, tmp_path: Path) -> None:
    home = Home.at(shutil.copytree(str(original.root), tmp_path / "home"))
    publish_text(settings_path(home), SETTINGS)
    recordings = Registry.read(home).recordings.values()
    golds = [one for one in recordings if one.role == "gold"]
    one, other = [one for one in recordings if one.role == "trainee"][:2]
    by = {"who": "trainer_x", "at": NOW, "run_id": "change"}
    for person in ("p977", "../p 014/作業"):
        correct_recordings(
            home,
            [str(one.key), str(other.key)],
            {"person": person},
            why="a wrong code",
            **by,  # type: ignore[arg-type]
        )
    withdraw_recordings(home, [str(other.key)], why="the lens was dirty", **by)  # type: ignore[arg-type]
    score_videos(home, [one.key, other.key], run_id="again", written_at=NOW.isoformat())
    done = export_person(home, "../p 014/作業", tmp_path / "out.zip")
    assert done.pages == 1
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert {name.partition("/")[0] for name in archive.namelist()} == {"person-_p 014_作業"}
        files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    texts = b"".join(data for name, data in files.items() if not name.startswith("videos/"))
    assert b"the lens was dirty" in texts
    for told in ("trainer_x", "p977", *(gold.original_name for gold in golds)):
        assert told.encode() not in texts
    page = files[f"pages/{one.key}.html"].decode()
    assert f'href="../videos/{one.key}.mp4"' in page
    assert f"videos/{one.key}.mp4" in files


def test_nobody_has_nothing_to_be_handed_over(original: Home, tmp_path: Path) -> None:
    with pytest.raises(ErasureError, match="sopilot person list"):
        export_person(original, "nobody", tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()
