"""The settings of a home's Dagster instance, of one machine and of several."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sopilot_assets.errors import ConfigError
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.setting_up import INSTANCE_FILE, Profile, prepare_home, shipped_settings

ONE, SEVERAL = "LocalRunLauncher", "WorkerRunLauncher"


def launcher_of(home: Home) -> str:
    """What launches the runs of the home's instance."""
    settings = yaml.safe_load((prepare_home(home).dagster_home / INSTANCE_FILE).read_bytes())
    return str(settings["run_launcher"]["class"])


@pytest.mark.parametrize(
    ("profile", "launcher"),
    [(None, ONE), (Profile.LOCAL, ONE), (Profile.SCALE, SEVERAL)],
)
def test_a_new_home_has_the_settings_of_its_profile(
    home: Home, profile: Profile | None, launcher: str
) -> None:
    prepare_home(home, profile)
    assert launcher_of(home) == launcher


def test_settings_that_are_there_stay_whatever_they_are(home: Home) -> None:
    folder = prepare_home(home, Profile.SCALE).dagster_home
    (folder / INSTANCE_FILE).write_text(
        "run_launcher: {module: mine, class: WorkerRunLauncher}\n", encoding="utf-8"
    )
    prepare_home(home, Profile.SCALE)
    prepare_home(home)
    assert "mine" in (folder / INSTANCE_FILE).read_text(encoding="utf-8")


def test_another_profile_than_the_home_s_is_refused(home: Home) -> None:
    prepare_home(home, Profile.LOCAL)
    with pytest.raises(ConfigError, match=r"profile scale .*found LocalRunLauncher"):
        prepare_home(home, Profile.SCALE)
    assert launcher_of(home) == ONE


def test_no_profile_has_a_secret_or_an_address_in_it() -> None:
    text = shipped_settings(INSTANCE_FILE, Profile.SCALE).decode()
    shipped = yaml.safe_load(text)
    launcher = shipped["run_launcher"]["config"]
    assert shipped["storage"]["postgres"]["postgres_url"] == {"env": "SOPILOT_POSTGRES_URL"}
    assert launcher["broker"] == launcher["backend"] == {"env": "SOPILOT_BROKER_URL"}


def test_both_profiles_watch_over_runs_alike() -> None:
    local, scale = (
        yaml.safe_load(shipped_settings(INSTANCE_FILE, profile)) for profile in (Profile.LOCAL, Profile.SCALE)
    )
    for part in ("run_monitoring", "run_retries", "retention", "telemetry", "nux", "code_servers"):
        assert scale[part] == local[part]


def test_the_home_of_a_profile_is_made_once(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    assert "dagster/dagster.yaml" in prepare_home(home, Profile.SCALE).created
    assert prepare_home(home, Profile.SCALE).created == ()
