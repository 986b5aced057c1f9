"""What units are made of: taken from the home, its settings and the interpreter that runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from sopilot_assets.errors import ConfigError
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.services.facts import (
    Part,
    ServiceFacts,
    ServiceOptions,
    gather,
    missing_variables,
    must_stay,
    programs_beside,
    variables,
)
from sopilot_assets.upkeep.services.units import render
from sopilot_assets.upkeep.setting_up import Profile, prepare_home
from sopilot_assets_tests.upkeep.services.installed_programs import installation

SETTINGS = """
backup: {destination: /mnt/backup}
alerts:
  webhook: {url_env: HOOK, token_env: TOKEN}
"""

AS_BEFORE = ServiceOptions()


def gathered(
    home: Home, python: Path, options: ServiceOptions = AS_BEFORE, before: ServiceFacts | None = None
) -> ServiceFacts:
    return gather(home, python=python, account=None, options=options, before=before, walled=True, gpu=False)


@pytest.fixture
def python(tmp_path: Path) -> Path:
    return installation(tmp_path / "opt")


def test_programs_are_named_by_way_of_the_version_that_runs(python: Path) -> None:
    prefix = python.parents[3]
    assert programs_beside(python) == prefix / "current" / "bin"
    other = prefix / "versions" / "0.2.0" / "bin" / "python"
    other.parent.mkdir(parents=True)
    assert programs_beside(other) == other.parent  # it is not the one that runs
    assert programs_beside(Path("/work/.venv/bin/python")) == Path("/work/.venv/bin")


def test_what_lies_outside_of_the_home_is_writable_too(home: Home, python: Path, tmp_path: Path) -> None:
    prepare_home(home)
    (tmp_path / "nas").mkdir()
    (home.root / "capture").rmdir()
    (home.root / "capture").symlink_to(tmp_path / "nas")
    (home.root / "settings.yaml").write_text(SETTINGS, encoding="utf-8")
    assert set(gathered(home, python).writable) == {"/mnt/backup", str(tmp_path / "nas")}


@pytest.mark.parametrize(
    ("place", "writable"),
    [("file:///mnt/backup", ("/mnt/backup",)), ("s3://bucket/backup", ()), ("memory://backup", ())],
)
def test_a_backup_goes_to_a_folder_also_where_a_url_names_it(
    home: Home, python: Path, place: str, writable: tuple[str, ...]
) -> None:
    prepare_home(home)
    text = f"backup: {{destination: '{place}'}}\n"
    (home.root / "settings.yaml").write_text(text, encoding="utf-8")
    assert gathered(home, python).writable == writable


def test_a_worker_is_for_the_profile_of_several_machines(home: Home, python: Path, tmp_path: Path) -> None:
    prepare_home(home)
    assert Part.WORKER not in gathered(home, python).parts
    scale = Home.at(tmp_path / "scale")
    prepare_home(scale, Profile.SCALE)
    assert Part.WORKER in gathered(scale, python).parts
    further = gathered(scale, python, ServiceOptions(only=(Part.WORKER,), worker_options="--places 2"))
    assert gathered(scale, python, before=further).parts == (Part.WORKER,)
    units = render(further, "/etc/sopilot/sopilot.env")
    assert sorted(units) == ["sopilot-worker.service", "sopilot.target"]
    assert " worker run --places 2\n" in units["sopilot-worker.service"]
    with pytest.raises(ConfigError, match="expected a home of several machines"):
        gathered(home, python, ServiceOptions(only=(Part.WORKER,)))
    assert variables(scale) == ("SOPILOT_BROKER_URL", "SOPILOT_POSTGRES_URL")


def test_what_was_chosen_before_stays_chosen(home: Home, python: Path) -> None:
    prepare_home(home)
    first = gathered(home, python, ServiceOptions(desk_port=8080, desk_options="--workers 4"))
    again = gathered(home, python, ServiceOptions(web_port=3009), first)
    assert (again.desk_port, again.web_port, again.desk_options) == (8080, 3009, ("--workers", "4"))
    assert gathered(home, python, ServiceOptions(desk_options=""), again).desk_options == ()


def test_variables_that_are_not_set_are_named(home: Home, tmp_path: Path) -> None:
    prepare_home(home)
    (home.root / "settings.yaml").write_text(SETTINGS, encoding="utf-8")
    file = tmp_path / "sopilot.env"
    assert missing_variables(home, file) == ["HOOK", "TOKEN"]
    file.write_text("#HOOK=\nTOKEN=secret\n", encoding="utf-8")
    assert missing_variables(home, file) == ["HOOK"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (ServiceOptions(desk_port=3000), "expected two ports, found 3000 for both"),
        (ServiceOptions(desk_options="--port 1"), "--desk-options: expected neither --port nor --home"),
        (ServiceOptions(web_options='"'), "--web-options: expected options as in a shell"),
    ],
)
def test_what_cannot_be_is_refused(home: Home, python: Path, options: ServiceOptions, said: str) -> None:
    prepare_home(home)
    with pytest.raises(ConfigError, match=said):
        gathered(home, python, options)


def test_a_home_that_is_not_there_or_would_be_emptied_is_refused(home: Home, python: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected a home, found no dagster/dagster\.yaml .* home init"):
        gathered(home, python)
    with pytest.raises(ConfigError, match="expected a folder that stays"):
        must_stay(ServiceFacts("/tmp/home", "/opt/sopilot/bin", "sopilot"))
    with pytest.raises(ConfigError, match="expected a path without control characters"):
        must_stay(ServiceFacts("/data/a\nExecStart=b", "/opt/sopilot/bin", "sopilot"))
