from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sopilot_assets.cli import app
from sopilot_assets.dossier.package import Dossier, build_dossier, publish_dossier
from sopilot_assets.dossier.signing import load_key, new_key
from sopilot_assets.store.home import Home
from sopilot_assets_tests.dossier.made_up import study_inputs


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home.at(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def dossier(home: Home) -> Dossier:
    made = build_dossier(study_inputs(), new_key(home.keys))
    publish_dossier(made, home.dossiers / "pilot")
    return made


@pytest.fixture
def cli(home: Home) -> CliRunner:
    return CliRunner()


def test_keys_are_made_and_listed(cli: CliRunner, home: Home) -> None:
    made = cli.invoke(app, ["key", "create", "--name", "line2", "--home", str(home.root)])
    assert made.exit_code == 0
    assert load_key(home.keys / "line2").fingerprint in made.stdout
    listed = cli.invoke(app, ["key", "list", "--json", "--home", str(home.root)])
    assert "line2" in [row["key"] for row in json.loads(listed.stdout)]


def test_dossiers_are_listed_with_their_verdict(cli: CliRunner, home: Home, dossier: Dossier) -> None:
    listed = cli.invoke(app, ["dossier", "list", "--json", "--home", str(home.root)])
    (row,) = json.loads(listed.stdout)
    assert (row["dossier"], row["verdict"], row["blockers"]) == (dossier.dossier_id, "gates_failed", 0)


def test_a_dossier_is_verified_by_this_installation(
    cli: CliRunner, home: Home, dossier: Dossier, tmp_path: Path
) -> None:
    archive = tmp_path / "dossier.zip"
    archive.write_bytes(dossier.zip_bytes())
    public = str(home.keys / "dossier.pub")
    good = cli.invoke(app, ["dossier", "verify", str(archive), "--signer", public, "--json"])
    assert good.exit_code == 0
    found = json.loads(good.stdout)
    assert (found["ok"], found["signer_compared"], found["bad_files"]) == (True, True, [])

    # a checker inside the dossier that always says yes changes nothing
    folder = tmp_path / "folder"
    publish_dossier(dossier, folder)
    (folder / dossier.name / "verify.py").write_text("print('OK')\n")
    bad = cli.invoke(app, ["dossier", "verify", str(folder / dossier.name)])
    assert bad.exit_code == 1
    assert "BAD  verify.py" in bad.stdout
