"""The comparison on other installations than that of the archive: small, odd, and empty of what matters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sopilot_assets.legacy.compare import FileComparison, Remade, compare_folder
from sopilot_assets.legacy.database import read_installation
from sopilot_assets.legacy.labels import read_labels
from sopilot_assets.legacy.reports import OldJobs, gate_report
from sopilot_assets.legacy.splits import OldSplit
from sopilot_assets.old_rules.choices import SplitRatios
from sopilot_assets_tests.legacy.conftest import Old
from sopilot_assets_tests.legacy.installations import TASK, Made, Recipe, make_installation
from sopilot_assets_tests.legacy.old_studies import split, write_reports
from sopilot_assets_tests.legacy.old_system import SEED, STRATEGIES, completed_jobs, label_file


def compared(
    made: Made, folder: Path, *, task_id: str | None = TASK, holdout: str = "north"
) -> list[FileComparison]:
    """The reports of the old scripts beside ours."""
    write_reports(made.db, made.labels, folder, task_id=task_id, holdout=holdout, backend="vjepa2")
    return compare_folder(read_installation(made.db), read_labels(made.labels), folder)


@pytest.mark.parametrize(
    ("recipe", "files"),
    [
        (Recipe(seed=1, jobs=130), 42),
        (Recipe(seed=2, jobs=60, costs=False), 42),
        (Recipe(seed=3, jobs=39, odd=False), 42),
        (Recipe(seed=4, jobs=40, odd=False), 42),
        (Recipe(seed=5, jobs=25, trainees=60, golds=6, odd=False), 42),
        (Recipe(seed=6, jobs=50, positives=0.0), 42),
        (Recipe(seed=7, jobs=50, positives=1.0), 42),
        (Recipe(seed=8, jobs=50, labelled=0.0, odd=False), 24),
        (Recipe(seed=9, jobs=0, odd=False), 24),
        (Recipe(seed=10, jobs=30, golds=1, trainees=1), 34),
        (Recipe(seed=11, jobs=30, trainees=2, sites=("north",)), 34),
    ],
    ids=[
        "odd payloads and labels",
        "costs missing",
        "too few for drift",
        "just enough for drift",
        "no repeats",
        "no positives",
        "no negatives",
        "no labels",
        "no jobs",
        "one pair only",
        "one site only",
    ],
)
def test_the_reports_are_made_again(tmp_path: Path, recipe: Recipe, files: int) -> None:
    found = compared(make_installation(tmp_path, recipe), tmp_path / "expected")
    assert [one.line() for one in found if not one.equal] == []
    assert files - 2 <= len(found) <= files, "a split without a labelled job at its site is left out"


def test_jobs_of_every_task_are_compared_where_no_task_was_asked_for(tmp_path: Path) -> None:
    made = make_installation(tmp_path, Recipe(seed=12, jobs=60))
    found = compared(made, tmp_path / "expected", task_id=None)
    assert [one.line() for one in found if not one.equal] == []


def test_the_holdout_may_be_the_videos_without_a_site(tmp_path: Path) -> None:
    made = make_installation(tmp_path, Recipe(seed=13, jobs=60))
    found = compared(made, tmp_path / "expected", holdout="unknown")
    assert any(one.name.startswith("split_leave_one_site_out") for one in found)
    assert [one.line() for one in found if not one.equal] == []


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10**6),
    jobs=st.integers(1, 70),
    golds=st.integers(1, 4),
    trainees=st.sampled_from([1, 2, 3, 8, 30]),
    positives=st.sampled_from([0.05, 0.3, 0.6]),
)
def test_splits_have_the_same_jobs(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    jobs: int,
    golds: int,
    trainees: int,
    positives: float,
) -> None:
    recipe = Recipe(seed=seed, jobs=jobs, golds=golds, trainees=trainees, positives=positives)
    made = make_installation(tmp_path_factory.mktemp("old"), recipe)
    completed, (labels, _) = completed_jobs(made.db, TASK), label_file(made.labels)
    eligible = [job for job in completed if job["id"] in labels]
    if not eligible:
        return
    ours = OldJobs.of(read_installation(made.db), read_labels(made.labels))
    holdout = eligible[0]["site"] or "unknown"
    for strategy in STRATEGIES:
        site = holdout if strategy == "leave_one_site_out" else None
        plan = OldSplit(TASK, strategy, SEED, SplitRatios(), site)
        assert plan.members(ours) == split(completed, labels, strategy, site), strategy


def test_a_policy_is_fitted_on_the_manifest_that_it_names(tmp_path: Path) -> None:
    """Without a telling path the number of dev jobs decides between the manifests that are there."""
    made = make_installation(tmp_path, Recipe(seed=14, jobs=90))
    folder = tmp_path / "expected"
    write_reports(made.db, made.labels, folder, task_id=TASK, holdout="north")
    for name in ("split_policy_locked", "split_group_trainee"):
        for path in (folder / name).iterdir():
            path.unlink()
    found = compare_folder(read_installation(made.db), read_labels(made.labels), folder)
    policy = {one.name: one for one in found}["policy.json"]
    documents = {path.name: json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")}
    ours = Remade(OldJobs.of(read_installation(made.db), read_labels(made.labels)), documents)
    assert (
        ours.report("policy.json", "policy")["fit"]["dev_jobs"] == documents["policy.json"]["fit"]["dev_jobs"]
    )
    assert policy.kind == "policy"


def test_unknown_files_count_as_differences(tmp_path: Path) -> None:
    made = make_installation(tmp_path, Recipe(seed=15, jobs=20))
    folder = tmp_path / "expected"
    write_reports(made.db, made.labels, folder, task_id=TASK, holdout="north")
    (folder / "notes.txt").write_text("made by hand", "utf-8")
    (folder / "list.json").write_text("[1]", "utf-8")
    (folder / "cut.json").write_text('{"gates"', "utf-8")
    (folder / "half.json").write_text('{"gates": {}, "critical_scoring_mode": "legacy_binary"}', "utf-8")
    (folder / "other.json").write_text(
        '{"gates": {}, "critical_scoring_mode": "new", "task_id": null, "critical_threshold": 0.5}', "utf-8"
    )
    (folder / ".hidden").write_text("", "utf-8")
    found = compare_folder(read_installation(made.db), read_labels(made.labels), folder)
    lines = {one.name: one.line() for one in found if not one.equal}
    assert sorted(lines) == ["cut.json", "half.json", "list.json", "notes.txt", "other.json"]
    assert "unknown file" in lines["notes.txt"]
    assert "not a complete gate report" in lines["half.json"]
    assert "found 'new'" in lines["other.json"]


def test_without_a_label_file_nothing_is_said_about_errors(old: Old) -> None:
    report = gate_report(
        old.jobs(),
        task_id=TASK,
        mode="continuous_v1",
        threshold=0.5,
        profile="research_v2",
        overrides={},
        policy=None,
        sweep=[0.5],
        with_labels=False,
    )
    assert report["num_completed_jobs"] == 686
    assert report["critical_confusion"] is None
    assert report["coverage_rate"] is None
    assert report["critical_threshold_sweep"]["error"] == "labels_required"
    missing = {check["name"] for check in report["gates"]["checks"] if check["reason"] == "value_missing"}
    assert {"critical_miss_rate", "critical_positives", "coverage_rate", "labels_total_jobs"} <= missing


def test_overrides_of_the_old_command_line_are_applied(old: Old) -> None:
    report = gate_report(
        old.jobs(),
        task_id=TASK,
        mode="legacy_binary",
        threshold=0.5,
        profile="research_v1",
        overrides={"max_critical_fpr": 0.1, "min_completed_jobs": 1000},
        policy=None,
        sweep=None,
    )
    assert report["gate_config"]["max_critical_false_positive_rate"] == 0.1
    checks = {check["name"]: check for check in report["gates"]["checks"]}
    assert checks["critical_false_positive_rate"]["threshold"] == 0.1
    assert checks["num_completed_jobs"]["reason"] == "threshold_violation"
