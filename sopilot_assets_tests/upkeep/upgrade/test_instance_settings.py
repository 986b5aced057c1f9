"""Dagster's settings follow the shipped ones where nobody edited them, and only where they must elsewhere."""

from __future__ import annotations

import hashlib
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from sopilot_assets.upkeep.setting_up import INSTANCE_FILE, Profile, shipped_settings
from sopilot_assets.upkeep.upgrade.instance_settings import (
    FILE,
    MOVED,
    SHIPPED_BEFORE,
    other_settings,
    renewed,
)

SHIPPED = {
    Profile.LOCAL: "2704598a7407c9b2d781aeb367e4086b450ac4636504a5f9d5ee1d9b25f349fe",
    Profile.SCALE: "526f5692b35483c891f90440f40f8ccb02faeb19fb53d3e9bb9643fe0e8ff9c3",
}


@pytest.mark.parametrize("profile", Profile)
def test_whoever_changes_a_shipped_file_enters_the_one_before(profile: Profile) -> None:
    sha256 = hashlib.sha256(shipped_settings(INSTANCE_FILE, profile)).hexdigest()
    assert sha256 == SHIPPED[profile], (
        f"the shipped {profile.instance_file} changed: enter {SHIPPED[profile]} in SHIPPED_BEFORE of "
        "upkeep/upgrade/instance_settings.py, {sha256} here, and see CONTRIBUTING.md, A migration"
    )
    assert sha256 not in SHIPPED_BEFORE


def test_a_file_that_nobody_edited_becomes_the_shipped_one(extracted: Path) -> None:
    data = (extracted / FILE).read_bytes()
    new, what = renewed(data)
    assert new == shipped_settings(INSTANCE_FILE)
    assert "nobody edited" in what
    assert renewed(new) == (new, "")


def test_of_an_edited_file_only_the_places_of_our_classes_change(extracted: Path) -> None:
    before = (extracted / FILE).read_text("utf-8").replace("max_concurrent_runs: 2", "max_concurrent_runs: 5")
    new, what = renewed(before.encode())
    assert what == (
        "defs.event_log becomes defs.dagster_internals.event_log, defs.launcher becomes "
        "defs.dagster_internals.launcher; the rest stays, since it was edited"
    )
    changed = [
        (one, other)
        for one, other in zip(before.splitlines(), new.decode().splitlines(), strict=True)
        if one != other
    ]
    assert [other.strip() for _, other in changed] == [
        "module: sopilot_assets.defs.dagster_internals.event_log",
        "module: sopilot_assets.defs.dagster_internals.launcher",
    ]
    assert "concurrency.runs.max_concurrent_runs is 5; the shipped file has 2" in other_settings(new)


def test_bytes_that_are_no_text_stay() -> None:
    data = b"# caf\xe9\nrun_launcher:\n  module: sopilot_assets.defs.launcher\n"
    assert renewed(data)[0] == data.replace(b"defs.launcher", b"defs.dagster_internals.launcher")


@pytest.mark.parametrize("place", [*MOVED, *MOVED.values()])
def test_old_and_new_places_lead_to_the_same_class(place: str) -> None:
    names = {"BatchedSqliteStorage", "LocalRunLauncher", "WorkerRunLauncher"}
    found = {getattr(import_module(place), name, None) for name in names}
    again = {getattr(import_module(MOVED.get(place, place)), name, None) for name in names}
    assert found == again != {None}


@pytest.mark.parametrize("profile", Profile)
def test_the_shipped_settings_differ_from_themselves_in_nothing(profile: Profile) -> None:
    data = shipped_settings(INSTANCE_FILE, profile)
    assert other_settings(data) == []
    shorter = {name: value for name, value in yaml.safe_load(data).items() if name != "run_retries"}
    assert len(other_settings(yaml.safe_dump(shorter).encode())) == 3
