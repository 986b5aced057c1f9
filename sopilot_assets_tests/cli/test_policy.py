"""`sopilot policy`: adopted from a dossier, shown, and taken back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sopilot_assets.labels.audit import drawn
from sopilot_assets.settings import AuditSettings
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets_tests.cli.running import rows, sopilot
from sopilot_assets_tests.evidence.made_up_study import TASK, made_up_recordings

SAID = ("--by", "M. Sato", "--reason", "all gates passed")


@pytest.fixture
def shop(ready_dossier: Home, tmp_path: Path) -> Home:
    return Home.at(shutil.copytree(str(ready_dossier.root), tmp_path / "home"))


def test_a_policy_is_adopted_shown_and_withdrawn(shop: Home) -> None:
    assert rows(shop, "policy", "show")[0]["decided_by"] == "golds"
    said = sopilot(shop, "policy", "adopt", "summer", *SAID)
    assert "decides for filter_change from now on" in said.stdout
    assert "sopilot score run --stale" in said.stdout
    assert "Too few people" in said.stderr
    shown = json.loads(sopilot(shop, "policy", "show", TASK, "--json").stdout)
    assert shown["policy"]["decided_by"] == f"policy {shown['policy']['policy_id']}"
    assert [(one["happened"], one["who"]) for one in shown["events"]] == [("adopted", "M. Sato")]
    # nothing was taken in since, so the policy itself has let nothing pass
    assert shown["audit"] == []
    sopilot(shop, "policy", "withdraw", TASK, "--by", "sato", "--reason", "another camera")
    shown = json.loads(sopilot(shop, "policy", "show", TASK, "--json").stdout)
    assert shown["policy"]["decided_by"] == "golds"
    assert [one["happened"] for one in shown["events"]] == ["withdrawn", "adopted"]
    assert shown["audit"][0]["week"] == "all"
    assert "nothing to withdraw" in sopilot(shop, "policy", "withdraw", TASK, *SAID, exit_code=1).stderr


def test_what_cannot_be_adopted_is_refused_with_the_reason(shop: Home) -> None:
    sopilot(shop, "study", "create", "empty", "--task", TASK, "--title", "Nothing yet")
    refused = sopilot(shop, "policy", "adopt", "empty", *SAID, exit_code=1).stderr
    assert "expected one dossier with the verdict gates_passed, found none" in refused
    assert "summer" in sopilot(shop, "policy", "adopt", "sumer", *SAID, exit_code=1).stderr
    assert "M. Sato" not in sopilot(shop, "policy", "show").stdout


def test_a_sheet_of_picked_recordings_holds_the_same_ones_whatever_was_decided(
    shop: Home, tmp_path: Path
) -> None:
    (local_path(shop.root) / "settings.yaml").write_text("audit: {share: 0.4, seed: 3}\n")
    _, _, truth = made_up_recordings()
    wanted = drawn(truth, AuditSettings(share=0.4, seed=3))
    assert {truth[key] for key in wanted} == {True, False}
    sheet = tmp_path / "audit.csv"
    sopilot(shop, "label", "prepare", TASK, sheet, "--who", "carla", "--picked")
    lines = sheet.read_text("utf-8-sig").splitlines()
    assert lines[0] == "key,video,who,source,critical_expected,seen,note"
    assert {line.partition(",")[0] for line in lines[1:]} == wanted
    assert "pass" not in sheet.read_text("utf-8-sig")
    refused = sopilot(
        shop, "label", "prepare", TASK, sheet, "--who", "x", "--picked", "--disputed", exit_code=1
    )
    assert "the audit needs blind labels" in refused.stderr
