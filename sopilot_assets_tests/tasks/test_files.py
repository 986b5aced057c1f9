"""Reading task files: what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from sopilot_assets.errors import TaskError
from sopilot_assets.tasks import find_tasks, load_task
from sopilot_assets_tests.tasks.task_files import FILTER_CHANGE, contents, write_task

# what is replaced in the valid file, by what, and what the error must say
INVALID = {
    "unknown field": (
        "pass_score: 90",
        "pass_scroe: 90",
        "line 18, pass_scroe: expected one of task_id, name",
    ),
    "unknown field, hint": (
        "pass_score: 90",
        "pass_scroe: 90",
        "found 'pass_scroe' (did you mean 'pass_score'?)",
    ),
    "unknown step field": (
        "critical: false",
        "critcal: false",
        "line 13, steps[2].critcal: expected one of id, name",
    ),
    "missing name": ("name: Filter change\n", "", "name: expected a value, found nothing"),
    "missing version": ("version: 1\n", "", "version: expected a value, found nothing"),
    "version 0": ("version: 1", "version: 0", "line 5, version: expected at least 1, found 0"),
    "version as text": ("version: 1", "version: '1'", "version: expected a whole number, found '1'"),
    "version yes": ("version: 1", "version: yes", "version: expected a whole number, found True"),
    "version 1.5": ("version: 1", "version: 1.5", "version: expected a whole number, found 1.5"),
    "task id with space": (
        "task_id: filter_change",
        "task_id: Filter change",
        "task_id: expected a-z, 0-9 and _",
    ),
    "empty name": (
        "name: Filter change",
        "name: ' '",
        "line 3, name: expected text that is not empty, found ' '",
    ),
    "name as number": ("name: Filter change", "name: 12", "name: expected text (put it in quotes), found 12"),
    "two-line name": (
        "name: Filter change",
        'name: "a\\nb"',
        "name: expected one line of text, found 'a\\nb'",
    ),
    "step id": (
        "id: wipe_seat",
        "id: 2nd",
        "line 11, steps[2].id: expected a-z, 0-9 and _, starting with a letter",
    ),
    "critical ja": (
        "critical: false",
        "critical: ja",
        "line 13, steps[2].critical: expected true or false, found 'ja'",
    ),
    "after as text": (
        "after: [open_cover]",
        "after: open_cover",
        "steps[2].after: expected a list, found 'open_cover'",
    ),
    "after unknown": (
        "[open_cover]",
        "[open]",
        "step 'wipe_seat': expected `after` to name steps of this task (open_cover",
    ),
    "after circle": (
        "[open_cover]",
        "[insert_filter]",
        "expected an order that can be done, found the circle",
    ),
    "doubled step": (
        "id: wipe_seat",
        "id: open_cover",
        "steps: expected every id once, found 'open_cover' more than once",
    ),
    "pass above 100": (
        "pass_score: 90",
        "pass_score: 900",
        "line 18, pass_score: expected at most 100, found 900",
    ),
    "retrain above pass": (
        "pass_score: 90",
        "pass_score: 70",
        "retrain_score: expected at most pass_score (70), found 80",
    ),
    "default retrain above pass": (
        "pass_score: 90\nretrain_score: 80",
        "pass_score: 70",
        "retrain_score: expected at most pass_score (70), found 80",
    ),
    "negative weight": ("miss: .40", "miss: -1", "line 21, weights.miss: expected at least 0, found -1"),
    "infinite weight": ("miss: .40", "miss: .inf", "weights.miss: expected a finite number, found inf"),
    "no weight": (
        "miss: .40\n  swap: .25\n  deviation: .25\n  time: .10",
        "miss: 0\n  swap: 0\n  deviation: 0\n  time: 0",
        "line 20, weights: expected at least one weight above 0, found 0 for all of them",
    ),
    "weights as number": (
        "weights:\n",
        "weights: 3\nx_weights:\n",
        "weights: expected fields (name: value), found 3",
    ),
    "unknown deviation": (
        "weights:\n",
        "severity: {late: quality}\nweights:\n",
        "severity.late: expected 'missing_step',",
    ),
    "unknown severity": (
        "weights:\n",
        "severity: {freeze: bad}\nweights:\n",
        "line 20, severity.freeze: expected 'critical', 'quality' or 'efficiency', found 'bad'",
    ),
    "unknown embedder": (
        "weights:\n",
        "embedder: clip\nweights:\n",
        "embedder: expected 'lite0_box', 'lite0_flow', 'color_motion' or",
    ),
    "gate without enabled": (
        "weights:\n",
        "quality_gate: {min_width: 640}\nweights:\n",
        "quality_gate.enabled: expected a value, found nothing",
    ),
    "gate limits crossed": (
        "weights:\n",
        "quality_gate: {enabled: true, brightness_min: 200, brightness_max: 100}\nweights:\n",
        "quality_gate.brightness_max: expected more than brightness_min (200), found 100",
    ),
    "a field twice": (
        "retrain_score: 80",
        "pass_score: 80",
        "line 19: pass_score: expected the field once, found it a",
    ),
    "a nested field twice": ("swap: .25", "miss: .25", "line 22: weights.miss: expected the field once"),
    "an alias": (
        "after: [open_cover]",
        "after: &a [open_cover]\n    x: *a",
        "expected plain values, found a YAML alias",
    ),
    "a tab": (
        "  miss: .40",
        "\tmiss: .40",
        "line 21: expected YAML, found: while scanning for the next token",
    ),
    "an open bracket": ("[open_cover]", "[open_cover", "expected YAML, found: while parsing a flow sequence"),
    "a control character": (
        "name: Filter",
        "name: \x01Filter",
        "expected YAML, found: unacceptable character",
    ),
    "an unknown tag": (
        "pass_score: 90",
        "pass_score: !!python/none",
        "line 18: expected YAML, found: could not determine",
    ),
}


@pytest.mark.parametrize(("before", "after", "words"), INVALID.values(), ids=INVALID.keys())
def test_an_invalid_file_is_refused_with_place_expected_and_found(
    tmp_path: Path, before: str, after: str, words: str
) -> None:
    assert before in FILTER_CHANGE
    path = write_task(tmp_path, FILTER_CHANGE.replace(before, after, 1))
    with pytest.raises(TaskError) as refusal:
        load_task(path)
    assert words in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert "Correct the file" in str(refusal.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "expected fields, found an empty file"),
        (b"# only a comment\n", "expected fields, found an empty file"),
        (b"- a\n- b\n", "line 1: expected fields such as `task_id: ...`, found a list"),
        (b"task_id: a\n---\ntask_id: b\n", "line 2: expected YAML, found: expected a single document"),
        (b"task_id: a\nname: \xff\xfe\n", "line 2: expected text in UTF-8, found other bytes"),
        (b"a: " + b"[" * 3000, "expected YAML, found"),
    ],
)
def test_text_that_is_no_mapping_is_refused(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "filter_change.yaml"
    path.write_bytes(data)
    with pytest.raises(TaskError) as refusal:
        load_task(path)
    assert words in str(refusal.value)


def test_every_fault_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    text = FILTER_CHANGE.replace("version: 1", "version: 0").replace("critical: false", "critical: ja")
    with pytest.raises(TaskError) as refusal:
        load_task(write_task(tmp_path, text))
    assert str(refusal.value).splitlines()[1:-1] == [
        "  line 5, version: expected at least 1, found 0",
        "  line 13, steps[2].critical: expected true or false, found 'ja'",
    ]


def test_a_missing_file_names_the_tasks_there_are(tmp_path: Path) -> None:
    write_task(tmp_path)
    with pytest.raises(
        TaskError, match=r"the tasks in that folder are: filter_change\. .*sopilot task create oil_change"
    ):
        load_task(tmp_path / "oil_change.yaml")


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "filter_change.yaml").mkdir()
    with pytest.raises(TaskError, match="expected a readable file, found"):
        load_task(tmp_path / "filter_change.yaml")


def test_a_file_under_another_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        TaskError, match="task_id: expected 'oil_change', the file's name, found 'filter_change'"
    ):
        load_task(write_task(tmp_path, name="oil_change.yaml"))


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    assert load_task(write_task(tmp_path, "\ufeff" + FILTER_CHANGE)).name_ja == "フィルタ交換"


def test_a_home_without_tasks_has_none(tmp_path: Path) -> None:
    assert find_tasks(tmp_path).tasks == {}


def test_one_bad_file_does_not_hide_the_good_ones(tmp_path: Path) -> None:
    write_task(tmp_path / "tasks")
    write_task(tmp_path / "tasks", "nonsense", name="oil_change.yaml")
    write_task(tmp_path / "tasks", FILTER_CHANGE, name="other.yml")
    write_task(tmp_path / "tasks", "ignored", name="notes.txt")
    write_task(tmp_path / "tasks", "ignored", name=".publishing-x.yaml")
    before = contents(tmp_path)
    found = find_tasks(tmp_path)
    assert list(found.tasks) == ["filter_change"]
    assert list(found.refused) == ["oil_change", "other"]
    assert "oil_change.yaml" in str(found.refused["oil_change"])
    assert "other.yml: expected the ending .yaml" in str(found.refused["other"])
    assert contents(tmp_path) == before
