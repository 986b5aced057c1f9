"""`sopilot worker run` and `sopilot home fetch`, and homes that `sopilot home init` shares."""

from __future__ import annotations

from pathlib import Path

import pytest

from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import publish_text
from sopilot_assets_tests.cli.running import sopilot
from sopilot_assets_tests.store.object_store import object_store


def test_a_home_of_one_machine_has_no_work_for_workers(home: Home) -> None:
    said = sopilot(home, "worker", "run", exit_code=1).stderr
    assert "found LocalRunLauncher" in said
    assert "sopilot home init --profile scale" in said


def test_a_home_that_is_not_shared_has_nothing_to_fetch(home: Home) -> None:
    assert "is not shared" in sopilot(home, "home", "fetch", exit_code=1).stderr


def test_what_one_machine_made_another_reads_after_init_and_fetch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    with object_store(monkeypatch) as store:
        share = ("home", "init", "--profile", "scale", "--store", store.url)
        publish_text(one / "tasks" / "wash.yaml", "steps")
        assert "1 files stored there, 0 fetched" in sopilot(one, *share).stdout
        assert "0 files stored there, 1 fetched" in sopilot(two, *share).stdout
        publish_text(one / "reviews" / "page.html", "<html>")
        publish_text(one / "videos" / "film.mp4", "pictures")
        assert f"1 files fetched from {store.url}" in sopilot(two, "home", "fetch").stdout
        assert (two / "reviews" / "page.html").read_text() == "<html>"
        assert not (two / "videos" / "film.mp4").exists()
        assert "1 files fetched" in sopilot(two, "home", "fetch", "--videos").stdout
        assert (two / "videos" / "film.mp4").read_text() == "pictures"
