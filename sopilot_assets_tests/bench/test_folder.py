"""Labeled folders: what is tolerated, what is derived, what is refused and how that is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopilot_assets.bench.folder import legal_ids, open_folder
from sopilot_assets.bench.recordings import BenchRecording, choose_golds
from sopilot_assets.errors import ConfigError
from sopilot_assets.tasks.spec import TASK_ID_PATTERN
from sopilot_assets_tests.bench.labeled import SOP, STEPS, gold, label, write_folder

TASKS = [{"task": "tea", "domain": "x", "steps": SOP, "gold_files": ["g1.mp4"]}]


def test_fields_that_are_not_known_are_passed_over(tmp_path: Path) -> None:
    deviation = {"type": "dropped_cup", "height_m": 1.2, "gold_step": None}
    strange = label("t.mp4", weather={"rain": True}, deviations=[deviation], fps=None)
    folder = open_folder(write_folder(tmp_path, [gold("g1.mp4"), strange, "", "  "], tasks=TASKS))
    assert [one.file for one in folder.tasks[0].trainees] == ["t.mp4"]
    assert folder.notes == ()


def test_a_trainee_recording_carries_no_label(tmp_path: Path) -> None:
    wrong = label("t.mp4", variant="missing_step", deviations=[{"type": "missing_step", "gold_step": 1}])
    folder = open_folder(write_folder(tmp_path, [gold("g1.mp4"), wrong]))
    assert folder.tasks[0].trainees == (
        BenchRecording(file="t.mp4", path=(tmp_path / "t.mp4").resolve(), site="kitchen", person="anna"),
    )
    assert list(folder.tasks[0].gold_steps) == ["g1.mp4"]


@pytest.mark.parametrize(
    ("fields", "person"),
    [
        ({"subject_ids": ["b", "a", 7]}, "7+a+b"),
        ({"subject_ids": "a"}, "a"),
        ({"subject_ids": [], "person": "c"}, None),
        ({"subject_ids": None, "performer": "c"}, "c"),
        ({"subject_ids": None}, None),
    ],
)
def test_the_performer_is_who_is_seen(tmp_path: Path, fields: dict[str, object], person: str | None) -> None:
    folder = open_folder(write_folder(tmp_path, [gold("g1.mp4"), label("t.mp4", **fields)]))
    assert folder.tasks[0].trainees[0].person == person


def test_absent_fields_are_derived_and_that_is_said(tmp_path: Path) -> None:
    bare = {"file": "t.mp4", "task": "tea"}
    folder = open_folder(write_folder(tmp_path, [gold("g1.mp4"), bare]))
    assert folder.tasks[0].trainees[0].site == "unknown"
    told = " ".join(folder.notes)
    assert [
        name
        for name in ("site", "subject_ids", "variant", "deviations", "critical_expected")
        if name not in told
    ] == []


@pytest.mark.parametrize(
    "tasks",
    [
        TASKS,
        {"tea": {"sop_steps": SOP, "golds": ["g1.mp4"]}},
        {"tasks": [{"id": "tea", "steps": [{"id": s, "text": "x"} for s in SOP], "gold": ["g1.mp4"]}]},
        {"tea": SOP},
        None,
    ],
)
def test_tasks_json_may_have_other_forms_or_be_absent(tmp_path: Path, tasks: object) -> None:
    folder = open_folder(write_folder(tmp_path, [gold("g1.mp4"), label("t.mp4")], tasks=tasks))
    assert folder.tasks[0].step_ids == SOP
    assert [one.file for one in folder.tasks[0].golds] == ["g1.mp4"]


def test_the_golds_are_those_that_tasks_json_names(tmp_path: Path) -> None:
    lines = [gold("g1.mp4"), gold("g2.mp4"), label("t.mp4")]
    folder = open_folder(write_folder(tmp_path, lines, tasks=TASKS))
    assert [one.file for one in folder.tasks[0].golds] == ["g1.mp4"]
    assert [(one.file, one.why) for one in folder.not_scored] == [
        ("g2.mp4", "a gold that tasks.json does not name")
    ]


def test_recordings_that_cannot_be_scored_are_named(tmp_path: Path) -> None:
    lines = [
        gold("g1.mp4"),
        label("t.mp4"),
        label("t.mp4"),
        label("gone.mp4"),
        label("c.mp4", task="coffee"),
    ]
    folder = open_folder(write_folder(tmp_path, lines, absent=["gone.mp4"]))
    assert {one.file: one.why for one in folder.not_scored} == {
        "t.mp4": "it is labelled twice; the first label counts",
        "gone.mp4": "the file is missing",
        "c.mp4": "its task has no golds",
    }


def test_names_that_are_not_legal_get_ids(tmp_path: Path) -> None:
    names = ["Boil!", "2. pour", "2. pour"]
    lines = [
        gold("g.mp4", task="Tea / お茶", sop_steps=names),
        label("t.mp4", task="Tea / お茶", sop_steps=names),
    ]
    folder = open_folder(write_folder(tmp_path, lines))
    task = folder.tasks[0]
    assert (task.title, task.task_id) == ("Tea / お茶", "tea_")
    assert task.step_ids == ("boil_", "x2_pour", "x2_pour_2")
    assert folder.notes == ("task 'Tea / お茶' is called tea_ here",)


def test_steps_that_tasks_json_marks_are_not_critical(tmp_path: Path) -> None:
    steps = [{"name": "boil"}, {"name": "pour", "critical": False}, "stir"]
    folder = open_folder(
        write_folder(tmp_path, [gold("g1.mp4"), label("t.mp4")], tasks={"tea": {"steps": steps}})
    )
    assert [step.critical for step in folder.tasks[0].steps] == [True, False, True]


def test_the_folders_own_task_file_is_used_and_has_to_agree(tmp_path: Path) -> None:
    root = write_folder(tmp_path, [gold("g1.mp4"), label("t.mp4")])
    (root / "tasks").mkdir()
    task_file = root / "tasks" / "tea.yaml"
    steps = "".join(f"  - {{id: {step}, name: {step}, critical: false}}\n" for step in SOP)
    task_file.write_text(f"task_id: tea\nname: Tea\nversion: 1\nsteps:\n{steps}", "utf-8")
    task = open_folder(root).tasks[0]
    assert (task.task_file, {step.critical for step in task.steps}) == (task_file, {False})
    task_file.write_text(task_file.read_text("utf-8").replace("id: stir", "id: shake"), "utf-8")
    with pytest.raises(ConfigError, match="expected the steps of the labels, boil, pour, stir, found"):
        open_folder(root)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("not json", "line 2: expected one JSON object a line, found not json"),
        ("[1, 2]", "line 2: field (the whole)"),
        (label("t.mp4", task=None), "line 2: field task: Field required; found nothing"),
        (label("t.mp4", deviations=[{"kind": "x"}]), "line 2: field deviations[0].type: Field required"),
        (label("t.mp4", critical_expected="perhaps"), "line 2: field critical_expected: "),
        (
            label("t.mp4", deviations=[{"type": "missing_step", "gold_step": 7}]),
            "line 2, field deviations (missing_step): expected steps from 0 to 2, found 7",
        ),
        (label("../t.mp4"), "line 2, field file: expected a path below"),
        (
            gold("t.mp4", steps=[{**STEPS[0], "end_sec": 0}]),
            "line 2, field steps[0]: expected 0 <= start_sec",
        ),
        (label("t.mp4", sop_steps=["a", "b"]), "line 2, field sop_steps: expected the same steps"),
    ],
)
def test_a_bad_line_is_named_with_its_field(tmp_path: Path, line: dict[str, object] | str, told: str) -> None:
    root = write_folder(tmp_path / "set", [gold("g1.mp4"), line])
    with pytest.raises(ConfigError, match=re.escape(told)) as error:
        open_folder(root)
    assert str(error.value).startswith(str(root / "labels.jsonl"))


def test_folders_that_are_none_say_so(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "none"):
        with pytest.raises(ConfigError, match=r"expected a folder with labels\.jsonl"):
            open_folder(root)
    with pytest.raises(ConfigError, match="found an empty file"):
        open_folder(write_folder(tmp_path / "empty", []))
    with pytest.raises(ConfigError, match="its task has no golds"):
        open_folder(write_folder(tmp_path / "no_golds", [label("t.mp4")]))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "tasks.json").write_text("{", "utf-8")
    with pytest.raises(ConfigError, match=r"tasks\.json: expected JSON"):
        open_folder(write_folder(tmp_path / "bad", [gold("g.mp4"), label("t.mp4")]))


@given(st.lists(st.text(min_size=1, max_size=60), unique=True, max_size=8))
def test_ids_are_legal_and_different_and_legal_names_stay(names: list[str]) -> None:
    ids = legal_ids(names)
    assert len(set(ids.values())) == len(names)
    assert all(re.fullmatch(TASK_ID_PATTERN, found) for found in ids.values())
    assert all(ids[name] == name for name in names if re.fullmatch(TASK_ID_PATTERN, name))


GOLDS = st.lists(
    st.tuples(st.integers(0, 99), st.sampled_from(["a", "b", "c", None])), unique_by=lambda g: g[0]
)


@given(GOLDS, st.integers(1, 9), st.integers(0, 5), st.randoms())
def test_golds_are_spread_over_persons_whatever_their_order(
    drawn: list[tuple[int, str | None]], count: int, seed: int, random: object
) -> None:
    golds = [BenchRecording(f"{n:02}", Path("x"), "s", person) for n, person in drawn]
    chosen = choose_golds(golds, count, seed=seed)
    assert len(chosen) == min(count, len(golds))
    random.shuffle(golds)  # type: ignore[attr-defined]
    assert choose_golds(golds, count, seed=seed) == chosen
    persons = {one.person or one.file for one in golds}
    assert len({one.person or one.file for one in chosen}) == min(count, len(persons))
