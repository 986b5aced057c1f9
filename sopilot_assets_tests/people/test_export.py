"""What one person is handed over: everything about them and of nobody else, the same bytes every time."""

from __future__ import annotations

import csv
import io
import shutil
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sopilot_assets.capture.registry import Registry, stored_file
from sopilot_assets.errors import ErasureError
from sopilot_assets.labels.chain import append_events
from sopilot_assets.labels.events import Draft, RaterVerdict, Source
from sopilot_assets.people.export import export_person
from sopilot_assets.settings import settings_path
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


def test_nobody_has_nothing_to_be_handed_over(original: Home, tmp_path: Path) -> None:
    with pytest.raises(ErasureError, match="sopilot person list"):
        export_person(original, "nobody", tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()
