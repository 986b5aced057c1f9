"""The old system's reports, made again and held against what its scripts really printed, file by file."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sopilot_assets.legacy.compare import FileComparison, Remade, compare_folder, compare_report
from sopilot_assets_tests.legacy.conftest import Old, expected_files
from sopilot_assets_tests.legacy.old_studies import write_reports

FILES = expected_files()


@pytest.fixture(scope="module")
def compared(old: Old) -> Mapping[str, FileComparison]:
    return {one.name: one for one in compare_folder(*old.read(), old.expected)}


@pytest.fixture(scope="module")
def remade(old: Old) -> Remade:
    return Remade(old.jobs(), {name: json.loads((old.expected / name).read_text("utf-8")) for name in FILES})


def test_every_file_is_compared(compared: Mapping[str, FileComparison]) -> None:
    assert list(compared) == FILES
    assert len(FILES) == 42


@pytest.mark.parametrize("name", FILES)
def test_the_report_equals_what_the_old_script_printed(
    name: str, compared: Mapping[str, FileComparison]
) -> None:
    assert compared[name].equal, compared[name].line()
    assert compared[name].largest <= 1e-6


def test_the_plain_rendering_of_the_old_scripts_prints_the_same(old: Old, tmp_path: Path) -> None:
    """What the other tests take for the old system is itself held against the real output."""
    write_reports(old.db, old.labels, tmp_path, task_id="filter_change", holdout="site-b")
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.json")) == FILES
    for name in FILES:
        made, printed = (
            json.loads((folder / name).read_text("utf-8")) for folder in (tmp_path, old.expected)
        )
        assert without_hashes(made) == without_hashes(printed), name


def without_hashes(value: Any) -> Any:
    if isinstance(value, list):
        return [without_hashes(item) for item in value]
    if not isinstance(value, dict):
        return value
    left_out = {
        "artifact_hash_sha256",
        "artifact_hash_method",
        "policy_id",
        "policy_hash_sha256",
        "created_at",
        "output_policy",
    }
    return {key: without_hashes(item) for key, item in value.items() if key not in left_out}


def another_rate(document: dict[str, Any]) -> None:
    document["critical_miss_rate"] += 2e-6


def another_count(document: dict[str, Any]) -> None:
    document["critical_confusion"]["tp"] += 1


def a_check_less(document: dict[str, Any]) -> None:
    document["gates"]["checks"].pop()


def another_verdict(document: dict[str, Any]) -> None:
    document["gates"]["checks"][0]["pass"] = not document["gates"]["checks"][0]["pass"]


def a_number_for_a_flag(document: dict[str, Any]) -> None:
    document["gates"]["overall_pass"] = int(document["gates"]["overall_pass"])


def a_key_less(document: dict[str, Any]) -> None:
    del document["drift"]["reason"]


def a_key_more(document: dict[str, Any]) -> None:
    document["drift"]["more"] = None


def nothing_for_a_number(document: dict[str, Any]) -> None:
    document["coverage_rate"] = None


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (another_rate, "critical_miss_rate"),
        (another_count, "critical_confusion.tp"),
        (a_check_less, "gates.checks.length"),
        (another_verdict, "gates.checks[0].pass"),
        (a_number_for_a_flag, "gates.overall_pass"),
        (a_key_less, "drift.reason"),
        (a_key_more, "drift.more"),
        (nothing_for_a_number, "coverage_rate"),
    ],
)
def test_a_changed_value_is_named(
    remade: Remade, change: Callable[[dict[str, Any]], None], where: str
) -> None:
    one = changed(remade, "gate_ops_v1_guarded_binary_v1.json", change)
    assert one.differing == 1
    assert where in one.line()
    assert one.line().startswith("DIFFERS")


@pytest.mark.parametrize("key", ["created_at", "git_commit", "policy_id", "artifact_hash_sha256"])
def test_times_ids_and_hashes_may_differ(remade: Remade, key: str) -> None:
    def change(document: dict[str, Any]) -> None:
        document[key] = "other"

    assert changed(remade, "policy.json", change).equal


def test_a_job_in_another_split_is_named(remade: Remade) -> None:
    def change(document: dict[str, Any]) -> None:
        moved = document["split_job_ids"]["dev"].pop(3)
        document["split_job_ids"]["test"].append(moved)

    one = changed(remade, "split_group_site/split_manifest.json", change)
    assert one.differing == 2
    assert "split_job_ids.dev[8]: expected nothing, found 8" in one.line()


@pytest.mark.parametrize("name", FILES)
def test_whatever_number_is_changed_the_file_differs(remade: Remade, name: str) -> None:
    """The last number of each file that is no parameter of the report."""

    def change(document: dict[str, Any]) -> None:
        holder, key = last_result(document)
        holder[key] += 0.25

    assert not changed(remade, name, change).equal


def last_result(document: Any) -> tuple[Any, Any]:
    found: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            if isinstance(item, dict | list):
                walk(item)
            elif isinstance(item, int | float) and not isinstance(item, bool) and key != "critical_threshold":
                found.append((value, key))

    walk(document)
    return found[-1]


def changed(remade: Remade, name: str, change: Callable[[dict[str, Any]], None]) -> FileComparison:
    """The comparison of one file after a change to it."""
    document = copy.deepcopy(dict(remade.documents[name]))
    change(document)
    return compare_report(name, Remade(remade.jobs, {**remade.documents, name: document}))
