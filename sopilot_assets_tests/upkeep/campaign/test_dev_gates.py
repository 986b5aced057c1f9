"""Gates of a campaign: only dev recordings are judged, and no look at others is taken."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from sopilot_assets.errors import StudyError
from sopilot_assets.evidence.results import MANIFEST, Results
from sopilot_assets.evidence.split_manifests import split_study_cases
from sopilot_assets.store.home import Home
from sopilot_assets.studies.looks import looks_ledger
from sopilot_assets.studies.metrics import figures
from sopilot_assets.upkeep.campaign import dev_gates as module
from sopilot_assets.upkeep.campaign.dev_gates import dev_gates
from sopilot_assets_tests.evidence.made_up_study import made_up_home, write_study

AT = "2026-03-03T08:00:00+00:00"


@pytest.fixture(scope="module")
def split_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with the study ``spring``, split but not evaluated."""
    home = made_up_home(tmp_path_factory.mktemp("gates") / "home")
    split_study_cases(home, "spring", run_id="r", written_at=AT)
    return home


@pytest.fixture
def split(split_home: Home, tmp_path: Path) -> Home:
    return Home.at(shutil.copytree(str(split_home.root), tmp_path / "home"))


def test_dev_recordings_are_judged_and_nothing_held_out_is_seen(
    split: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def spied(cases: pd.DataFrame, *rest: object, **named: object) -> dict[str, object]:
        seen.extend(cases["case_id"])
        return figures(cases, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "figures", spied)
    (found,) = dev_gates(split, "legacy_poc")
    by_split = json.loads(Results(split, "spring").read(MANIFEST))["case_ids"]
    assert sorted(seen) == sorted(by_split["dev"])
    assert (found.study_id, found.recordings, found.detector) == ("spring", len(seen), "baseline")
    assert looks_ledger(split).latest().empty
    checks = {row["check"]: row for row in found.rows()}
    assert isinstance(checks["critical_miss_rate"]["value"], float)
    assert checks["rescore_jitter_max_delta"]["why"] == "value_missing"
    assert not found.passed


def test_a_recording_that_another_study_holds_out_is_not_seen(split: Home) -> None:
    write_study(split, "autumn", split={"seed": 5})
    split_study_cases(split, "autumn", run_id="r", written_at=AT)
    by_study = {
        name: json.loads(Results(split, name).read(MANIFEST))["case_ids"] for name in ("spring", "autumn")
    }
    held_out = {case for one in by_study.values() for name in ("test", "challenge") for case in one[name]}
    left = {name: len(set(one["dev"]) - held_out) for name, one in by_study.items()}
    assert left["spring"] < len(by_study["spring"]["dev"])
    assert {one.study_id: one.recordings for one in dev_gates(split, "ops_v1")} == left


def test_a_study_that_was_not_split_is_not_judged(tmp_path: Path) -> None:
    assert dev_gates(made_up_home(tmp_path / "home"), "ops_v1") == []


def test_studies_of_other_tasks_are_left_out(split: Home) -> None:
    assert dev_gates(split, "ops_v1", task_id="other") == []


def test_a_study_that_was_changed_is_a_problem_and_no_crash(split: Home) -> None:
    path = Path(str(split.studies)) / "spring.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("A made-up study", "Another"), encoding="utf-8")
    (found,) = dev_gates(split, "ops_v1")
    assert not found.passed
    assert found.rows()[0]["why"] == found.problem
    assert found.problem is not None


def test_research_profiles_leave_out_what_only_a_whole_study_has(split: Home) -> None:
    (found,) = dev_gates(split, "research_v3")
    assert not {"test_looks", "leaking_groups"} & {row["check"] for row in found.rows()}


def test_an_unknown_profile_is_refused(split: Home) -> None:
    with pytest.raises(StudyError, match="nix"):
        dev_gates(split, "nix")
