"""`sopilot home init` and `sopilot home doctor`, global options, and the time until help appears."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import sopilot_assets
from sopilot_assets.cli import app
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.setting_up import SETTINGS, shipped_settings
from sopilot_assets_tests.cli.running import rows, sopilot


def test_init_makes_the_home_once(no_home: Home) -> None:
    home = no_home
    sopilot(home, "home", "init")
    folder = local_path(home.root) / "dagster"
    assert sorted(path.name for path in folder.iterdir()) == sorted(SETTINGS)
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n", "utf-8")
    assert "all there already" in sopilot(home, "home", "init").stdout
    assert (folder / "dagster.yaml").read_text("utf-8") == "telemetry: {enabled: false}\n"


@pytest.mark.parametrize("name", SETTINGS)
def test_the_shipped_settings_are_the_repositorys(name: str) -> None:
    assert shipped_settings(name) == (Path(__file__).parents[2] / name).read_bytes()


def test_the_home_is_named_by_option_or_variable(tmp_path: Path) -> None:
    runner = CliRunner()
    for number, (words, variable) in enumerate(
        [
            (["--home", "{}", "home", "init"], ""),
            (["home", "init", "--home", "{}"], "/nowhere"),
            (["home", "init"], "{}"),
        ]
    ):
        home = str(tmp_path / str(number))
        arguments = [word.format(home) for word in words]
        result = runner.invoke(app, arguments, env={"SOPILOT_HOME": variable.format(home) or None})
        assert result.exit_code == 0, result.output
        assert (Path(home) / "dagster" / "dagster.yaml").is_file()


def test_a_home_that_cannot_be_made_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    result = sopilot(tmp_path / "file" / "home", "home", "init", exit_code=1)
    assert "could not be made" in result.stderr
    assert "Traceback" not in result.output


def test_doctor_says_that_a_home_is_missing(no_home: Home) -> None:
    found = rows(no_home, "home", "doctor", exit_code=1)
    assert found[-1]["check"] == "home"
    assert "sopilot home init" in str(found[-1]["action"])
    assert not local_path(no_home.root).exists()


def test_doctor_finds_nothing_to_mend_in_a_new_home(home: Home) -> None:
    sopilot(home, "home", "init")
    assert {row["state"] for row in rows(home, "home", "doctor")} <= {"ok", "warning"}


def test_version() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout.strip() == sopilot_assets.__version__


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from sopilot_assets.cli import app; "
        "print({'numpy', 'pandas', 'duckdb', 'dagster', 'torch', 'av', 'cv2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "words",
    [("model", "list"), ("score", "list"), ("score", "list", "--stale"), ("score", "run", "--dry-run")],
)
def test_looking_at_an_empty_home_works_and_writes_nothing(home: Home, words: tuple[str, ...]) -> None:
    before = sorted(local_path(home.root).rglob("*"))
    sopilot(home, *words)
    assert sorted(local_path(home.root).rglob("*")) == before


def test_a_recording_that_is_not_there_is_an_error(home: Home) -> None:
    for words in (("recording", "show", "take_7.mp4"), ("score", "run", "take_7.mp4")):
        assert "take_7.mp4: expected the partition key" in sopilot(home, *words, exit_code=1).stderr


def test_choices_that_exclude_each_other_are_refused(home: Home) -> None:
    assert "choose one" in sopilot(home, "score", "run", "--stale", "--all", exit_code=1).stderr
    assert "choose one" in sopilot(home, "score", "list", "--json", "--csv", exit_code=1).stderr
