"""A locked version stays what it is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sopilot_assets.errors import TaskError
from sopilot_assets.tasks import (
    LockState,
    TaskSpec,
    find_tasks,
    load_task,
    lock_task,
    locked_versions,
    parse_task,
    verify_task,
)
from sopilot_assets.tasks.differences import differences
from sopilot_assets_tests.tasks.task_files import FILTER_CHANGE, contents, write_task

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LATER = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)
VERSION_2 = FILTER_CHANGE.replace("version: 1", "version: 2").replace("miss: .40", "miss: .35")


def test_a_lock_holds_the_content_its_hash_and_the_time(tmp_path: Path) -> None:
    path = write_task(tmp_path)
    lock = lock_task(path, locked_at=NOON)
    assert lock.path.name == "filter_change.v1.lock.yaml"
    assert lock.spec == load_task(path)
    assert lock.locked_at == NOON
    assert path.read_text(encoding="utf-8") == FILTER_CHANGE
    assert locked_versions(path) == (lock,)


def test_locking_twice_keeps_the_first_lock(tmp_path: Path) -> None:
    path = write_task(tmp_path)
    lock_task(path, locked_at=NOON)
    before = contents(tmp_path)
    assert lock_task(path, locked_at=LATER).locked_at == NOON
    assert contents(tmp_path) == before


def test_a_change_after_the_lock_is_refused_with_the_field_and_the_way_out(tmp_path: Path) -> None:
    path = write_task(tmp_path)
    lock_task(path, locked_at=NOON)
    write_task(tmp_path, FILTER_CHANGE.replace("miss: .40", "miss: .35"))
    before = contents(tmp_path)
    with pytest.raises(TaskError) as refusal:
        load_task(path)
    assert str(refusal.value) == (
        f"{path}: filter_change v1 is locked; weights.miss changed 0.4 -> 0.35. Undo that, or make it a new "
        "version: set `version: 2` and run `sopilot task lock filter_change`."
    )
    with pytest.raises(TaskError, match="v1 is locked"):
        lock_task(path, locked_at=LATER)
    assert contents(tmp_path) == before


CHANGES = [
    ("name: Filter change", "name: Other", "name changed Filter change -> Other"),
    ("name_ja: フィルタ交換\n", "", "name_ja changed フィルタ交換 -> nothing"),
    ("critical: false", "critical: true", "steps.wipe_seat.critical changed false -> true"),
    ("after: [open_cover]", "after: []", "steps.wipe_seat.after changed open_cover -> []"),
    ("pass_score: 90", "pass_score: 90.0000001", "pass_score changed 90 -> 90.0000001"),
    ("weights:\n", "severity: {freeze: quality}\nweights:\n", "severity.freeze changed critical -> quality"),
    ("weights:\n", "quality_gate: {enabled: true}\nweights:\n", "quality_gate.enabled changed false -> true"),
    (
        "- id: wipe_seat\n",
        "- id: wipe\n",
        "wipe_seat, insert_filter -> open_cover, lift_filter, wipe, insert_filter",
    ),
    ("- id: wipe_seat\n", "- id: wipe\n", "steps.wipe.name changed nothing -> Wipe the seat"),
]


@pytest.mark.parametrize(("before", "after", "words"), CHANGES)
def test_every_kind_of_change_is_named(tmp_path: Path, before: str, after: str, words: str) -> None:
    text = FILTER_CHANGE.replace("lift_filter, wipe_seat", "lift_filter")
    path = write_task(tmp_path, text)
    lock_task(path, locked_at=NOON)
    assert before in text
    write_task(tmp_path, text.replace(before, after, 1))
    with pytest.raises(TaskError) as refusal:
        load_task(path)
    assert words in str(refusal.value)
    found = verify_task(path)
    assert found.state is LockState.CHANGED
    assert any(words in str(change) for change in found.changes)


def test_comments_and_layout_may_change_after_the_lock(tmp_path: Path) -> None:
    path = write_task(tmp_path)
    lock_task(path, locked_at=NOON)
    write_task(tmp_path, "# a note\n" + FILTER_CHANGE.replace("critical: false", "critical:   no"))
    assert load_task(path).version == 1
    assert verify_task(path).state is LockState.OK


def test_the_takt_time_may_change_after_the_lock_and_is_not_in_it(tmp_path: Path) -> None:
    path = write_task(tmp_path, FILTER_CHANGE + "takt_s: 60\n")
    lock = lock_task(path, locked_at=NOON)
    assert "takt_s" not in lock.path.read_text(encoding="utf-8")
    write_task(tmp_path, FILTER_CHANGE + "takt_s: 45.5\n")
    assert load_task(path).takt_s == 45.5
    assert verify_task(path).state is LockState.OK


@pytest.mark.parametrize("takt", ["0", "-1", ".inf", "fast", "90000"])
def test_a_takt_time_is_a_number_of_seconds(tmp_path: Path, takt: str) -> None:
    path = write_task(tmp_path, FILTER_CHANGE + f"takt_s: {takt}\n")
    with pytest.raises(TaskError, match="takt_s"):
        load_task(path)


def test_a_new_version_loads_locks_and_leaves_the_old_one_verifiable(tmp_path: Path) -> None:
    path = write_task(tmp_path)
    first = lock_task(path, locked_at=NOON)
    write_task(tmp_path, VERSION_2)
    assert load_task(path).weights.miss == 0.35
    assert verify_task(path).state is LockState.UNLOCKED
    second = lock_task(path, locked_at=LATER)
    found = verify_task(path)
    assert (found.state, found.locked, found.changes) == (LockState.OK, (first, second), ())
    assert locked_versions(path)[0].spec.weights.miss == 0.40


def test_versions_sort_as_numbers(tmp_path: Path) -> None:
    path = tmp_path / "filter_change.yaml"
    for version in (1, 2, 10):
        write_task(tmp_path, FILTER_CHANGE.replace("version: 1", f"version: {version}"))
        lock_task(path, locked_at=NOON)
    assert [lock.spec.version for lock in locked_versions(path)] == [1, 2, 10]


def test_a_version_cannot_go_back(tmp_path: Path) -> None:
    path = write_task(tmp_path)
    lock_task(path, locked_at=NOON)
    write_task(tmp_path, VERSION_2)
    lock_task(path, locked_at=LATER)
    write_task(tmp_path)
    with pytest.raises(TaskError, match=r"expected 2, which is locked, or more; found 1.*version: 3"):
        load_task(path)
    assert verify_task(path).state is LockState.CHANGED


def test_scores_asked_for_must_be_those_of_the_file(tmp_path: Path) -> None:
    path = write_task(tmp_path)
    with pytest.raises(TaskError, match=r"pass_score: expected 95 as asked, found 90\. Set `pass_score: 95`"):
        lock_task(path, locked_at=NOON, pass_score=95, retrain_score=80)
    with pytest.raises(TaskError, match="retrain_score: expected 75 as asked, found 80"):
        lock_task(path, locked_at=NOON, pass_score=90, retrain_score=75)
    assert contents(tmp_path) == {"filter_change.yaml": FILTER_CHANGE.encode("utf-8")}
    lock = lock_task(path, locked_at=NOON, pass_score=90, retrain_score=80)
    assert (lock.spec.pass_score, lock.spec.retrain_score) == (90, 80)


def test_a_lock_time_without_a_zone_is_refused(tmp_path: Path) -> None:
    path = write_task(tmp_path)
    with pytest.raises(TaskError, match="expected a lock time with a time zone"):
        lock_task(path, locked_at=NOON.replace(tzinfo=None))
    assert list(contents(tmp_path)) == ["filter_change.yaml"]


DAMAGE = {
    "content": ("miss: 0.4\n", "miss: 0.3\n", "expected content with the SHA-256"),
    "hash": ("sha256: ", "sha256: '00'\n#", "expected content with the SHA-256"),
    "version": ("  version: 1", "  version: 2", "expected content with the SHA-256"),
    "time": ("locked_at: ", "locked_at: soon\n#", "expected a lock file, found: locked_at"),
    "truncated": ("content:", "#", "expected a lock file, found"),
    "invalid": ("miss: 0.4\n", "miss: x\n", "expected a lock file, found: weights.miss"),
}


@pytest.mark.parametrize(("before", "after", "words"), DAMAGE.values(), ids=DAMAGE.keys())
def test_an_altered_lock_is_noticed(tmp_path: Path, before: str, after: str, words: str) -> None:
    path = write_task(tmp_path)
    lock = lock_task(path, locked_at=NOON)
    text = Path(str(lock.path)).read_text(encoding="utf-8")
    assert before in text
    Path(str(lock.path)).write_text(text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(TaskError, match=words):
        load_task(path)
    found = verify_task(path)
    assert (found.state, found.locked) == (LockState.DAMAGED, ())
    assert words in found.faults[0]
    assert "restore it from a backup" in found.faults[0]


def test_a_lock_under_another_version_s_name_is_noticed(tmp_path: Path) -> None:
    path = write_task(tmp_path)
    lock = lock_task(path, locked_at=NOON)
    Path(str(lock.path)).rename(tmp_path / "filter_change.v7.lock.yaml")
    with pytest.raises(TaskError, match="expected another task or version, found filter_change v1"):
        load_task(path)


def test_lock_files_are_no_tasks(tmp_path: Path) -> None:
    lock_task(write_task(tmp_path / "tasks"), locked_at=NOON)
    found = find_tasks(tmp_path)
    assert (list(found.tasks), found.refused) == (["filter_change"], {})


def test_a_task_whose_name_starts_the_same_has_its_own_locks(tmp_path: Path) -> None:
    path = write_task(tmp_path)
    lock_task(path, locked_at=NOON)
    other = write_task(
        tmp_path, FILTER_CHANGE.replace("task_id: filter_change", "task_id: filter"), name="filter.yaml"
    )
    assert verify_task(other).locked == ()


def specs() -> st.SearchStrategy[TaskSpec]:
    """Small tasks that differ in a few fields."""
    steps = st.permutations(["a", "b", "c"]).flatmap(
        lambda ids: st.tuples(
            *(
                st.fixed_dictionaries({"id": st.just(i), "name": st.sampled_from(["x", "nothing"])})
                for i in ids
            )
        )
    )
    fields = st.fixed_dictionaries(
        {
            "task_id": st.just("t"),
            "name": st.sampled_from(["x", "nothing"]),
            "name_ja": st.sampled_from([None, "nothing", "true"]),
            "version": st.integers(1, 2),
            "steps": steps.map(list),
            "pass_score": st.sampled_from([90, 90.0000000001]),
        }
    )
    return fields.map(lambda content: parse_task(yaml.safe_dump(content), source="t.yaml"))


@given(specs(), specs())
def test_two_tasks_differ_exactly_when_a_difference_is_listed(one: TaskSpec, other: TaskSpec) -> None:
    assert (differences(one, other) == ()) == (one == other)
    mirrored = {(change.field, change.after, change.before) for change in differences(other, one)}
    assert {(change.field, change.before, change.after) for change in differences(one, other)} == mirrored
