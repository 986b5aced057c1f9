"""Copying a folder of recordings into the capture folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from sopilot_assets.capture.add import Added, AddReport, capture_add
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
