"""`sopilot campaign` and `sopilot measure damage`, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sopilot_assets.evidence.split_manifests import split_study_cases
from sopilot_assets.store.home import Home
from sopilot_assets_tests.cli.running import rows, sopilot
from sopilot_assets_tests.evidence.made_up_study import made_up_home


def status(home: Home, exit_code: int = 0) -> dict[str, object]:
    found: dict[str, object] = json.loads(
        sopilot(home, "campaign", "show", "--json", exit_code=exit_code).stdout
    )
    return found


def test_a_campaign_is_started_seen_and_stopped(home: Home) -> None:
    assert "was no campaign yet" in sopilot(home, "campaign", "show", exit_code=1).stderr
    said = sopilot(home, "campaign", "start", "--duration", "4m", "--interval", "30s", "--rescore-every", "0")
    assert "8 cycles, one each 30s" in said.stdout
    assert "No backups" in said.stdout
    found = status(home)
    assert (found["state"], found["cycles_planned"], found["at_work"]) == ("running", 8, None)
    assert {"watch", "intake", "score", "damaged"} == {row["what"] for row in found["watched"]}  # type: ignore[attr-defined]
    assert "there can be only one" in sopilot(home, "campaign", "start", exit_code=1).stderr
    wrong = sopilot(home, "campaign", "stop", "--require-id", "c20200101-000000", exit_code=1)
    assert "nothing was stopped" in wrong.stderr
    assert status(home)["state"] == "running"
    sopilot(home, "campaign", "stop", "--require-id", str(found["campaign"]))
    assert status(home)["state"] == "stopping"
    assert [row["state"] for row in rows(home, "campaign", "list")] == ["stopping"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--duration", "4"], "--duration: expected a number above 0 with s, m, h or d"),
        (["--interval", "1s"], "--interval: expected at least 5s, found '1s'"),
        (["--gate-profile", "nix"], "gate profile: expected one of"),
        (["--task", "nix"], "nix"),
    ],
)
def test_a_campaign_that_cannot_work_is_refused(home: Home, words: list[str], message: str) -> None:
    assert message in sopilot(home, "campaign", "start", *words, exit_code=1).stderr


def test_a_home_without_studies_or_golds_has_nothing_to_judge(home: Home) -> None:
    assert "No study has been split yet" in sopilot(home, "study", "check", "--profile", "ops_v1").stdout
    assert "Nothing to do" in sopilot(home, "measure", "damage").stdout


def test_a_gate_that_fails_is_a_finding(tmp_path: Path) -> None:
    home = made_up_home(tmp_path / "home")
    split_study_cases(home, "spring", run_id="r", written_at="2026-03-03T08:00:00+00:00")
    said = sopilot(home, "study", "check", "--profile", "ops_v1", exit_code=3)
    assert "ops_v1 fails on spring" in said.stdout
