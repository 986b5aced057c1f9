"""`sopilot demo run` and what follows it: one home that is filled once, looked at, and scored again."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRunStatus

from sopilot_assets.defs.instance import local_instance
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.store.publish import local_path
from sopilot_assets_tests.cli.running import rows, sopilot

pytestmark = pytest.mark.whole

DEMO = ("demo", "run", "--golds", "2", "--trainees", "2", "--size", "320x240", "--step-seconds", "3")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, lite0_models: Path) -> tuple[Home, str]:
    """A home after a small demonstration, and what that printed; its model was prepared before."""
    home = Home.at(tmp_path_factory.mktemp("demo") / "home")
    shutil.copytree(lite0_models, local_path(home.models))
    return home, sopilot(home, *DEMO).stdout


def runs(home: Home) -> list[tuple[str, DagsterRunStatus]]:
    with local_instance(home) as instance:
        assert isinstance(instance, DagsterInstance)
        return [(run.job_name, run.status) for run in instance.get_runs()]


def test_the_demo_ends_with_a_table_a_page_and_the_command_for_the_web_page(shown: tuple[Home, str]) -> None:
    home, printed = shown
    assert len(re.findall(r"trainee_00\d ", printed)) == 2
    assert re.search(r"[0-2] of 2 match", printed)
    page = re.search(r"A review page: +(\S+)", printed)
    assert page
    assert Path(page[1]).read_text("utf-8").startswith("<!")
    assert (local_path(home.reviews) / "index.html").is_file()
    assert f"make dev SOPILOT_HOME={home.root}" in printed


def test_all_recordings_went_through_in_one_run_of_the_homes_instance(shown: tuple[Home, str]) -> None:
    home, _ = shown
    assert runs(home)[-1] == ("score_new_recordings", DagsterRunStatus.SUCCESS)
    assert len(rows(home, "score", "list")) == 4
    assert os.environ.get("DAGSTER_HOME") != str(local_path(home.root) / "dagster")


def test_a_second_demo_recognises_everything(shown: tuple[Home, str]) -> None:
    home, _ = shown
    before = rows(home, "score", "list"), len(runs(home))
    assert "All of them are scored already." in sopilot(home, *DEMO).stdout
    assert (rows(home, "score", "list"), len(runs(home))) == before


def test_what_is_only_suspected_stands_in_the_table_with_how_likely_it_is(
    shown: tuple[Home, str], tmp_path: Path
) -> None:
    suspicion = {"type": "over_time", "steps": ["wipe_seat"], "confidence": 0.4967}
    home = _scored_as(shown[0], tmp_path / "home", suspected=[suspicion])
    assert "over_time wipe_seat 50%" in sopilot(home, *DEMO).stdout


def test_what_was_done_and_not_noticed_is_named_with_how_often_golds_find_it(
    shown: tuple[Home, str], tmp_path: Path
) -> None:
    missed = r"trainee_002: missing_step \w+ is neither found nor suspected; .* found \d+% of the time\."
    home = _scored_as(shown[0], tmp_path / "home", deviations=[], suspected=[])
    printed = sopilot(home, *DEMO).stdout
    assert re.search(missed, printed)
    assert "trainee_001:" not in printed  # nothing was done wrong in it
    faults = re.findall(r"missing_step (\w+) is neither", printed)
    suspicions = [{"type": "missing_step", "steps": [step], "confidence": 0.3} for step in faults]
    home = _scored_as(shown[0], tmp_path / "other_home", deviations=[], suspected=suspicions)
    assert "is neither found nor suspected" not in sopilot(home, *DEMO).stdout


def _scored_as(shown: Home, folder: Path, **said: list[dict[str, object]]) -> Home:
    """A copy of the home in which all trainees' scores say something else."""
    home = Home.at(shutil.copytree(local_path(shown.root), folder))
    ledger = scores_ledger(home)
    changed = [
        {**{name: row[name] for name in ledger.columns}, **{name: json.dumps(v) for name, v in said.items()}}
        for row in plain_rows(ledger.latest())
        if row["role"] == "trainee"
    ]
    ledger.append(changed, run_id="tests", written_at="2099-01-01T00:00:00+00:00")
    return home


def test_a_recording_is_shown_by_key_id_or_file_name(shown: tuple[Home, str]) -> None:
    home, _ = shown
    key = str(rows(home, "recording", "list", "--role", "trainee")[0]["key"])
    name = str(rows(home, "recording", "list", "--role", "trainee")[0]["original_name"])
    told = [sopilot(home, "recording", "show", one).stdout for one in (key, key[-12:], name)]
    assert told[0] == told[1] == told[2]
    assert "Review page: " in told[0]


def test_scores_go_to_csv_and_are_chosen_by_role(shown: tuple[Home, str]) -> None:
    home, _ = shown
    lines = sopilot(home, "score", "list", "--role", "gold", "--csv").stdout.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("key,video_id,task_id,role,")


def test_the_reference_names_its_golds(shown: tuple[Home, str]) -> None:
    reference = rows(shown[0], "task", "list", "--references")[0]
    assert (reference["golds"], reference["persons"], reference["confirmed"]) == (2, 2, True)


def test_doctor_has_nothing_to_mend_after_a_demo(shown: tuple[Home, str]) -> None:
    found = {(str(row["check"]), row["subject"]): row["state"] for row in rows(shown[0], "home", "doctor")}
    assert "problem" not in found.values()
    assert found["scores", "out of date"] == "ok"
    assert found["task", "filter_change"] == "ok"


def test_a_changed_task_makes_scores_stale_until_they_are_scored_again(shown: tuple[Home, str]) -> None:
    home, _ = shown
    path = local_path(home.tasks) / "filter_change.yaml"
    text = path.read_text("utf-8")
    path.write_text(
        text.replace("version: 1", "version: 2").replace("pass_score: 90", "pass_score: 91"), "utf-8"
    )
    stale = rows(home, "score", "list", "--stale")
    assert {row["why"] for row in stale} == {"task"}
    plan = sopilot(home, "score", "run", "--stale", "--dry-run").stdout
    assert "rescore" in plan
    assert "4 task" in plan
    before = len(runs(home))
    sopilot(home, "score", "run", "--stale")
    assert rows(home, "score", "list", "--stale") == []
    assert len(runs(home)) == before + 1
    assert "Nothing to do" in sopilot(home, "score", "run").stdout
    path.write_text(text, "utf-8")


def test_a_demo_whose_recordings_are_refused_says_so_and_scores_nothing(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    small = ("demo", "run", "--golds", "1", "--trainees", "1", "--size", "96x64", "--step-seconds", "0.5")
    assert "because of too_s" in sopilot(home, *small, exit_code=1).stderr
    assert rows(home, "score", "list") == []


def test_a_demo_does_not_replace_a_task_of_the_same_name(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    sopilot(home, "task", "create", "filter_change", "--name", "Another one")
    before = (local_path(home.tasks) / "filter_change.yaml").read_bytes()
    refused = sopilot(
        home,
        "demo",
        "run",
        "--golds",
        "1",
        "--trainees",
        "1",
        "--size",
        "64x64",
        "--step-seconds",
        "0.3",
        exit_code=1,
    )
    assert "found another one of the same name" in refused.stderr
    assert (local_path(home.tasks) / "filter_change.yaml").read_bytes() == before
