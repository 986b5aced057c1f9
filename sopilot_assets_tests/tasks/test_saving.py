"""A task saved at the desk: from the state somebody saw, as the version its locks ask for, remembered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sopilot_assets.errors import TaskConflict, TaskError
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import LockState, Step, TaskSpec, load_task, lock_task, new_task, verify_task
from sopilot_assets.tasks.editing import StepEdit, TaskEdit, edit_of, edited
from sopilot_assets.tasks.history import BY_HAND, TaskHappening, task_history, task_then
from sopilot_assets.tasks.saving import lock_as_seen, open_task, save_task, with_version
from sopilot_assets.tasks.versions import compare_versions

NOW = datetime(2026, 2, 23, 9, 30, tzinfo=UTC)
STEPS = (
    Step(id="boil", name="Boil water", name_ja="湯を沸かす"),
    Step(id="pour", name="Pour it"),
    Step(id="wait", name="Wait", critical=False, after=("boil",)),
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.at(tmp_path / "home")
    new_task(home.root, "tea", name="Tea", name_ja="お茶", steps=STEPS)
    return home


def tea(home: Home) -> Path:
    return local_path(home.tasks) / "tea.yaml"


def changed(home: Home, *, base: str | None = None, who: str = "ada", **fields: object) -> TaskSpec:
    opened = open_task(home, "tea")
    wanted = opened.task.model_copy(update=fields)
    at = NOW + timedelta(minutes=len(task_history(home).read("tea")))
    return save_task(home, "tea", wanted, base=base or opened.base, who=who, why="because", at=at)


def told(home: Home) -> list[tuple[TaskHappening, str, str]]:
    return [(one.happened, one.who, one.why) for one in task_history(home).read("tea")]


def test_every_state_of_the_file_is_kept_with_who_changed_it_and_why(home: Home) -> None:
    first = tea(home).read_text("utf-8")
    changed(home, pass_score=92.0)
    second = tea(home).read_text("utf-8")
    tea(home).write_text(second.replace("92", "93") + "# by hand\n", "utf-8")
    by_hand = tea(home).read_text("utf-8")
    changed(home, who="bob", pass_score=94.0)
    assert told(home) == [
        (TaskHappening.FOUND, BY_HAND, ""),
        (TaskHappening.SAVED, "ada", "because"),
        (TaskHappening.FOUND, BY_HAND, ""),
        (TaskHappening.SAVED, "bob", "because"),
    ]
    kept = [one.content for one in task_history(home).read("tea")]
    assert kept == [first, second, by_hand, tea(home).read_text("utf-8")]
    assert kept[-1].endswith("# by hand\n")
    assert task_then(task_history(home).read("tea")[1]).pass_score == 92.0


def test_two_who_change_at_once_lose_nothing(home: Home) -> None:
    seen = open_task(home, "tea").base
    changed(home, pass_score=92.0)
    before = (tea(home).read_bytes(), told(home))
    with pytest.raises(TaskConflict, match="changed meanwhile") as caught:
        changed(home, base=seen, who="bob", pass_score=93.0)
    assert "失われてもいません" in caught.value.ja
    assert (tea(home).read_bytes(), told(home)) == before


def test_a_locked_version_that_changes_becomes_the_next_one(home: Home) -> None:
    assert changed(home, pass_score=91.0).version == 1
    lock_as_seen(home, "tea", base=open_task(home, "tea").base, who="ada", at=NOW)
    assert told(home)[-1] == (TaskHappening.LOCKED, "ada", "")
    assert verify_task(tea(home)).state is LockState.OK
    assert changed(home, pass_score=92.0).version == 2
    assert changed(home, pass_score=93.0).version == 2
    assert load_task(tea(home)).version == 2
    assert [lock.spec.pass_score for lock in verify_task(tea(home)).locked] == [91.0]


def test_a_locked_file_that_was_changed_by_hand_can_be_made_a_version(home: Home) -> None:
    lock_task(tea(home), locked_at=NOW)
    tea(home).write_text(tea(home).read_text("utf-8").replace("pass_score: 90", "pass_score: 95"), "utf-8")
    with pytest.raises(TaskError, match="locked"):
        load_task(tea(home))
    opened = open_task(home, "tea")
    assert with_version(opened, opened.task).version == 2
    assert changed(home).version == 2
    assert load_task(tea(home)).pass_score == 95.0
    assert with_version(open_task(home, "tea"), opened.lock.locked[0].spec).version == 2


def test_what_was_shown_is_locked_or_nothing(home: Home) -> None:
    seen = open_task(home, "tea").base
    changed(home, pass_score=91.0)
    with pytest.raises(TaskConflict):
        lock_as_seen(home, "tea", base=seen, who="bob", at=NOW)
    assert verify_task(tea(home)).state is LockState.UNLOCKED
    base = open_task(home, "tea").base
    assert lock_as_seen(home, "tea", base=base, who="ada", at=NOW).locked_at == NOW
    assert lock_as_seen(home, "tea", base=base, who="bob", at=NOW).locked_at == NOW
    assert [who for happened, who, _ in told(home) if happened is TaskHappening.LOCKED] == ["ada"]


def test_a_damaged_lock_is_not_built_upon(home: Home) -> None:
    lock = lock_task(tea(home), locked_at=NOW)
    path = local_path(lock.path)
    path.write_text(path.read_text("utf-8").replace("Pour it", "Pour"), "utf-8")
    with pytest.raises(TaskError, match="restore it from a backup"):
        open_task(home, "tea")


def typed(task: TaskSpec, **fields: object) -> TaskEdit:
    return TaskEdit(**{**{name: getattr(edit_of(task), name) for name in TaskEdit.__slots__}, **fields})


def test_a_form_that_nobody_touched_says_what_the_file_says(home: Home) -> None:
    exact = load_task(tea(home)).model_copy(update={"accepted_miss": 0.0123456789012345})
    assert edited(exact, edit_of(exact), used=exact.step_ids) == exact


def test_new_steps_get_ids_that_no_step_ever_had(home: Home) -> None:
    changed(home, steps=STEPS[:2])
    opened = open_task(home, "tea")
    assert opened.used == {"boil", "pour", "wait"}
    steps = (*edit_of(opened.task).steps, StepEdit("new-1", "Wait", "", place="these", after=("pour", "x")))
    found = edited(opened.task, typed(opened.task, steps=steps), used=opened.used)
    assert isinstance(found, TaskSpec)
    assert found.steps[2] == Step(id="wait_2", name="Wait", after=("pour",))
    again = (*steps[:2], StepEdit("wait", "Wait", "", instruction="Three  minutes. "))
    found = edited(opened.task, typed(opened.task, steps=again), used=opened.used)
    assert isinstance(found, TaskSpec)
    assert found.steps[2] == Step(id="wait", name="Wait", instruction="Three minutes.")


@pytest.mark.parametrize(
    ("number", "text", "why", "ja"),
    [
        ("pass_score", "x", "a number such as 5 or 2.5, found “x”", "数値"),
        ("pass_score", "101", "at most 100", "100 以下"),
        ("pass_score", "nan", "a number", "数値"),
        ("pass_score", "1e9999999", "a number", "数値"),
        ("retrain_score", "95", "no more points than", "合格の点数以下"),
        ("accepted_miss", "50", "less than 50", "50 より小さい値"),
        ("accepted_miss", "0", "more than 0", "0 より大きい値"),
        ("quality_gate.min_width", "99.5", "a whole number", "整数"),
        ("quality_gate.brightness_max", "10", "more than the least brightness", "下限より"),
        ("weights.miss", "-1", "at least 0", "0 以上"),
    ],
)
def test_a_number_that_cannot_be_is_told_at_its_field(
    home: Home, number: str, text: str, why: str, ja: str
) -> None:
    task = load_task(tea(home))
    numbers = {**edit_of(task).numbers, number: text}
    faults = edited(task, typed(task, numbers=numbers), used=task.step_ids)
    assert not isinstance(faults, TaskSpec)
    assert [fault.field for fault in faults] == [number]
    assert why in faults[0].why.en
    assert ja in faults[0].why.ja


def test_numbers_may_be_wide_and_have_decimal_commas(home: Home) -> None:
    task = load_task(tea(home))
    for text in ("92.5", "92,5", "９２．５", "９２，５"):
        numbers = {**edit_of(task).numbers, "pass_score": text}
        found = edited(task, typed(task, numbers=numbers), used=task.step_ids)
        assert isinstance(found, TaskSpec)
        assert found.pass_score == 92.5


def test_steps_that_wait_for_each_other_or_have_no_name_are_told(home: Home) -> None:
    task = load_task(tea(home))
    boil, pour, wait = edit_of(task).steps
    circle = (StepEdit("boil", "Boil", "", place="these", after=("pour",)), pour, wait)
    faults = edited(task, typed(task, steps=circle), used=task.step_ids)
    assert not isinstance(faults, TaskSpec)
    assert faults[0].field == "steps"
    assert "wait for each other" in faults[0].why.en
    blank = (boil, StepEdit("pour", "", ""), StepEdit("row 2", "", ""), wait)
    faults = edited(task, typed(task, steps=blank), used=task.step_ids)
    assert not isinstance(faults, TaskSpec)
    assert [fault.field for fault in faults] == ["steps.1"]


def test_states_are_compared_field_by_field_and_steps_by_their_id(home: Home) -> None:
    lock_task(tea(home), locked_at=NOW - timedelta(hours=1))
    steps = (STEPS[1].model_copy(update={"name": "Pour slowly"}), STEPS[0])
    changed(home, steps=steps, name_ja="緑茶")
    tea(home).write_text(tea(home).read_text("utf-8").replace("pass_score: 90", "pass_score: 95"), "utf-8")
    found = compare_versions(home, "tea", before="", after="")
    assert [(one.name, one.version, one.who) for one in found.states] == [
        ("now", 2, ""),
        ("change-2", 2, "ada"),
        ("change-1", 1, ""),
        ("lock-1", 1, ""),
    ]
    assert [(one.name.en, one.before.en, one.after.en) for one in found.differences] == [
        ("Passes from", "90 points", "95 points")
    ]
    found = compare_versions(home, "tea", before="lock-1", after="change-2")
    assert [(one.name.ja, one.before.ja, one.after.ja) for one in found.differences] == [
        ("名前（日本語）", "お茶", "緑茶"),
        ("版", "1", "2"),
        ("手順とその順序", "湯を沸かす → Pour it → Wait", "Pour slowly → 湯を沸かす"),
        ("手順「Wait」（wait）", "あり", "なし"),
        ("手順「Pour slowly」：名前（英語）", "Pour it", "Pour slowly"),
    ]
    with pytest.raises(TaskError, match="expected one of its versions, found 'lock-9'"):
        compare_versions(home, "tea", before="lock-9", after="")
