"""Copying a folder of recordings into the capture folder."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sopilot_assets.capture.add import Added, AddReport, capture_add
from sopilot_assets.capture.registry import active_recordings
from sopilot_assets.capture.sidecar import Sidecar
from sopilot_assets.errors import ConfigError
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets_tests.capture.bad_files import PLAIN
from sopilot_assets_tests.capture.test_intake import files_below, intake
from sopilot_assets_tests.video.tiny import write_tiny_video


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "card"
    write_tiny_video(folder / "gold_001.mp4", seed=1)
    (folder / "gold_001.mp4.json").write_text('{"person": "aoi"}')
    write_tiny_video(folder / "trainee_001.mp4", seed=2)
    (folder / "steps.csv").write_text("video,step,start_s,end_s\ngold_001.mp4,one,0,1\n")
    (folder / "labels.jsonl").write_text("{}\n")
    (folder / ".hidden.mp4").write_bytes(b"x")
    (folder / "link.mp4").symlink_to(folder / "gold_001.mp4")
    return folder


def add(source: Path, home: Home, *, role: str = "gold", pattern: str = "*") -> AddReport:
    return capture_add(source, home, task_id=PLAIN, role=role, site="plant_a", pattern=pattern)


def test_recordings_come_with_their_sidecars_and_annotations(source: Path, home: Home) -> None:
    report = add(source, home, pattern="gold_*")
    assert files_below(local_path(home.capture)) == {
        f"{PLAIN}/gold/plant_a/gold_001.mp4",
        f"{PLAIN}/gold/plant_a/gold_001.mp4.json",
        f"{PLAIN}/gold/steps.csv",
    }
    assert [one.source for one in report.copied] == ["gold_001.mp4", "steps.csv"]


def test_a_capture_folder_that_keeps_no_modes_takes_recordings_with_their_times(
    source: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As folders of Windows in WSL and in Docker, and of some NAS systems."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    filmed = source / "gold_001.mp4"
    os.utime(filmed, (1e9, 1e9))
    monkeypatch.setattr(os, "chmod", refused)
    assert len(add(source, home).copied) == 3
    copied = local_path(home.capture) / PLAIN / "gold" / "plant_a" / "gold_001.mp4"
    assert (copied.read_bytes(), copied.stat().st_mtime) == (filmed.read_bytes(), 1e9)


def test_documents_links_and_hidden_files_stay_behind(source: Path, home: Home) -> None:
    report = add(source, home, role="trainee")
    assert [one.source for one in report.copied] == ["gold_001.mp4", "trainee_001.mp4"]


def test_a_second_time_adds_nothing(source: Path, home: Home) -> None:
    add(source, home)
    before = files_below(local_path(home.capture))
    assert {one.why for one in add(source, home).skipped} == {"in the capture folder already"}
    assert files_below(local_path(home.capture)) == before
    intake(home)
    again = add(source, home, pattern="*.mp4")
    assert [one.why for one in again.skipped[:2]] == ["registered already"] * 2
    assert files_below(local_path(home.capture)) == {f"{PLAIN}/gold/steps.csv"}


def test_same_names_in_subfolders_do_not_overwrite_each_other(tmp_path: Path, home: Home) -> None:
    for number, folder in enumerate(("monday", "tuesday")):
        write_tiny_video(tmp_path / "week" / folder / "a.mp4", seed=number)
    report = add(tmp_path / "week", home, role="trainee")
    assert [one.target for one in report.copied] == [
        f"{PLAIN}/trainee/plant_a/a.mp4",
        f"{PLAIN}/trainee/plant_a/tuesday-a.mp4",
    ]


def test_same_names_that_are_added_at_once_do_not_overwrite_each_other(tmp_path: Path, home: Home) -> None:
    cards = [tmp_path / "one", tmp_path / "two"]
    for seed, card in enumerate(cards):
        write_tiny_video(card / "IMG_0001.mp4", seed=seed)

    def another_card_meanwhile(_: int) -> None:
        add(cards[1], home, role="trainee")

    found = capture_add(
        cards[0], home, task_id=PLAIN, role="trainee", site="plant_a", room=another_card_meanwhile
    )
    assert len(found.copied) == 1
    assert len(intake(home).new_keys) == 2


def test_progress_is_told_file_by_file(source: Path, home: Home) -> None:
    told: list[tuple[Added, int, int]] = []
    capture_add(
        source,
        home,
        task_id=PLAIN,
        role="trainee",
        site="plant_a",
        on_progress=lambda one, done, total: told.append((one, done, total)),
    )
    assert [(done, total) for _, done, total in told] == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("task_id", "role", "site", "camera"),
    [
        ("../up", "gold", "a", None),
        (PLAIN, "expert", "a", None),
        (PLAIN, "gold", "a/b", None),
        (PLAIN, "gold", "a", ".."),
    ],
)
def test_places_outside_the_contract_are_refused(
    task_id: str, role: str, site: str, camera: str | None, source: Path, home: Home
) -> None:
    with pytest.raises(ConfigError):
        capture_add(source, home, task_id=task_id, role=role, site=site, camera=camera)
    assert not local_path(home.capture).exists()


def add_told(source: Path, home: Home, *, person: str | None = None) -> AddReport:
    facts = Sidecar(person=person)
    place = {"task_id": PLAIN, "role": "gold", "site": "plant_a"}
    return capture_add(source, home, **place, facts=facts, who="ann", at=datetime.now(UTC))


def test_one_file_is_added_with_what_is_known_of_it(source: Path, home: Home) -> None:
    report = add_told(source / "trainee_001.mp4", home, person="p7")
    assert [one.target for one in report.files] == [f"{PLAIN}/gold/plant_a/trainee_001.mp4"]
    (key,) = intake(home).new_keys
    assert active_recordings(home)[key].person == "p7"


def test_one_file_brings_its_sidecar_and_one_that_is_no_recording_is_refused(
    source: Path, home: Home
) -> None:
    (source / "gold_001.mp4.json").rename(source / "gold_001.json")
    add_told(source / "gold_001.mp4", home)
    (key,) = intake(home).new_keys
    assert active_recordings(home)[key].person == "aoi"
    with pytest.raises(ConfigError, match="expected a recording or a folder of recordings, found something"):
        add_told(source / "steps.csv", home)


def test_what_is_said_of_registered_recordings_corrects_them(source: Path, home: Home) -> None:
    add(source, home, role="gold", pattern="*.mp4")
    intake(home)
    (source / "gold_001.mp4.json").unlink()
    report = add_told(source, home, person="p7")
    told = {one.source: one.why for one in report.skipped}
    assert told["gold_001.mp4"] == "registered already; corrected: person aoi -> p7"
    assert told["trainee_001.mp4"] == "registered already; corrected: person unknown -> p7"
    assert {one.person for one in active_recordings(home).values()} == {"p7"}
    assert {one.why for one in add_told(source, home, person="p7").skipped} >= {"registered already"}


def test_a_sidecar_that_says_something_else_than_the_option_is_named(source: Path, home: Home) -> None:
    report = add_told(source, home, person="p7")
    (refused,) = (one for one in report.skipped if one.source == "gold_001.mp4")
    assert "its sidecar says person aoi, expected p7" in refused.why
    assert f"{PLAIN}/gold/plant_a/gold_001.mp4" not in files_below(local_path(home.capture))


def test_what_is_said_of_a_file_that_waits_is_written_beside_it(source: Path, home: Home) -> None:
    add(source, home, role="gold", pattern="trainee_*")
    (again,) = add_told(source / "trainee_001.mp4", home, person="p7").files
    assert again.why.startswith("in the capture folder already; what is known")
    (key,) = intake(home).new_keys
    assert active_recordings(home)[key].person == "p7"
