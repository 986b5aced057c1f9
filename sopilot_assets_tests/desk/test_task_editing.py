"""A procedure changed at the desk: looked at before it is saved, refused at the field, never lost."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from sopilot_assets.desk.roles import Role
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import (
    LockState,
    Step,
    TaskSpec,
    load_task,
    lock_task,
    new_task,
    parse_task,
    verify_task,
)
from sopilot_assets.tasks.editing import edit_of
from sopilot_assets.tasks.history import task_history
from sopilot_assets_tests.desk.conftest import NOW, signed_in

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def tea(home: Home) -> Path:
    steps = (Step(id="boil", name="Boil water"), Step(id="pour", name="Pour it", name_ja="注ぐ"))
    return local_path(new_task(home.root, "tea", name="Tea", name_ja="お茶", steps=steps))


@pytest.fixture
def ada(home: Home, tea: Path) -> TestClient:
    return signed_in(home, "ada", Role.TRAINER)


def hidden(page: str, name: str) -> str:
    found = re.search(f'name="{name}" value="([^"]*)"', page)
    assert found is not None
    return found[1]


def form_of(task: TaskSpec, **fields: str | list[str]) -> dict[str, str | list[str]]:
    """What the browser sends of a form that nobody touched, but for some fields."""
    edit = edit_of(task)
    form: dict[str, str | list[str]] = {
        "name": edit.name,
        "name_ja": edit.name_ja,
        "embedder": edit.embedder,
        "quality_gate.enabled": "yes" if edit.looked_at else "no",
        **edit.numbers,
        **{f"severity.{kind}": severity for kind, severity in edit.severity.items()},
        "step_critical": ["yes" if step.critical else "no" for step in edit.steps],
        "step_after": [" ".join(step.after) for step in edit.steps],
        **{
            f"step_{name}": [getattr(step, name) for step in edit.steps]
            for name in ("key", "name", "name_ja", "instruction", "instruction_ja", "place")
        },
    }
    return {**form, **fields}


def looked(
    browser: TestClient, task: TaskSpec, **fields: str | list[str]
) -> tuple[str, dict[str, str | list[str]]]:
    """The page on which a change is looked at before it is saved, and the form that saves it."""
    form = form_of(task, base=hidden(browser.get("/tasks/tea/edit").text, "base"), do="look", **fields)
    page = browser.post("/tasks/tea/edit", data=form).text
    return page, {**form, "looked": hidden(page, "looked"), "do": "save", "why": "a trial"}


def test_a_change_is_looked_at_and_then_saved(ada: TestClient, home: Home, tea: Path) -> None:
    tea.write_text(tea.read_text("utf-8") + "# as agreed on Monday\n", "utf-8")
    before = tea.read_bytes()
    page, form = looked(ada, load_task(tea), pass_score="92,5")
    assert "No score, reference, policy or study is out of date by it." in page
    assert "92.5 points" in page
    assert tea.read_bytes() == before
    assert "Say why, in a few words." in ada.post("/tasks/tea/edit", data={**form, "why": " "}).text
    assert ada.post("/tasks/tea/edit", data=form).headers["location"] == "/tasks/tea"
    assert load_task(tea).pass_score == 92.5
    assert tea.read_text("utf-8").endswith("# as agreed on Monday\n")
    newest = task_history(home).read("tea")[-1]
    assert (newest.who, newest.why, newest.content) == ("ada", "a trial", tea.read_text("utf-8"))


def test_what_was_not_looked_at_is_not_saved(ada: TestClient, tea: Path) -> None:
    before = tea.read_bytes()
    _, form = looked(ada, load_task(tea), pass_score="92")
    page = ada.post("/tasks/tea/edit", data={**form, "pass_score": "95"}).text
    assert "What saving would do" in page
    assert "95 points" in page
    assert tea.read_bytes() == before
    assert "nothing is to be saved" in looked_text(ada, load_task(tea))


def looked_text(browser: TestClient, task: TaskSpec) -> str:
    base = hidden(browser.get("/tasks/tea/edit").text, "base")
    return browser.post("/tasks/tea/edit", data=form_of(task, base=base, do="look")).text


def test_two_who_change_at_once_see_both_and_lose_nothing(ada: TestClient, home: Home, tea: Path) -> None:
    bob = signed_in(home, "bob", Role.TRAINER)
    _, adas = looked(ada, load_task(tea), pass_score="92")
    _, bobs = looked(bob, load_task(tea), pass_score="95", name="Green tea")
    assert ada.post("/tasks/tea/edit", data=adas).status_code == 303
    refused = bob.post("/tasks/tea/edit", data=bobs)
    assert refused.status_code == 409
    assert "Somebody else changed the procedure meanwhile" in refused.text
    assert "a trial" in refused.text
    assert 'data-name="The file now">92 points' in refused.text
    assert 'data-name="Yours">95 points' in refused.text
    assert 'value="Green tea"' in refused.text
    assert load_task(tea).pass_score == 92
    assert "the form below has what they changed and what you changed" in refused.text
    again = {**bobs, "base": hidden(refused.text, "base"), "do": "look"}
    page = bob.post("/tasks/tea/edit", data=again).text
    saved = bob.post("/tasks/tea/edit", data={**again, "looked": hidden(page, "looked"), "do": "save"})
    assert saved.status_code == 303
    assert (load_task(tea).pass_score, load_task(tea).name) == (95, "Green tea")


def test_a_fault_is_told_at_its_field_and_what_was_typed_stays(ada: TestClient, tea: Path) -> None:
    before = tea.read_bytes()
    page, _ = looked(ada, load_task(tea), pass_score="many", name="", name_ja="", **{"weights.miss": "0,5"})
    assert 'id="fault-pass_score"' in page
    assert 'id="fault-name"' in page
    assert 'value="many"' in page
    assert 'value="0,5"' in page
    ada.cookies.set("sopilot_language", "ja")
    assert "数値を入力してください" in looked(ada, load_task(tea), pass_score="many")[0]
    assert tea.read_bytes() == before


def test_a_fault_does_not_hide_that_the_file_was_changed_meanwhile(ada: TestClient, tea: Path) -> None:
    task = load_task(tea)
    _, form = looked(ada, task, pass_score="many")
    tea.write_text(tea.read_text("utf-8").replace("pass_score: 90", "pass_score: 91"), "utf-8")
    page = ada.post("/tasks/tea/edit", data={**form, "name": ""}).text
    answer = ada.post("/tasks/tea/edit", data={**form, "pass_score": "95", "base": hidden(page, "base")})
    assert answer.status_code == 409
    assert "changed outside of the desk" in answer.text
    assert "It is not known what the file said when you began" in answer.text


def test_what_two_changed_at_once_stands_in_one_form(ada: TestClient, home: Home, tea: Path) -> None:
    bob = signed_in(home, "bob", Role.TRAINER)
    _, adas = looked(ada, load_task(tea), pass_score="92")
    _, bobs = looked(bob, load_task(tea), retrain_score="75")
    ada.post("/tasks/tea/edit", data=adas)
    page = bob.post("/tasks/tea/edit", data=bobs).text
    assert 'name="pass_score" value="92"' in page
    assert 'name="retrain_score" value="75"' in page
    assert 'data-name="Then">92 points' in page


def test_a_locked_version_becomes_the_next_one(ada: TestClient, tea: Path) -> None:
    base = hidden(ada.get("/tasks/tea/edit").text, "base")
    assert ada.post("/tasks/tea/lock", data={"base": "0" * 64}).status_code == 409
    assert verify_task(tea).state is LockState.UNLOCKED
    assert ada.post("/tasks/tea/lock", data={"base": base}).status_code == 303
    assert verify_task(tea).state is LockState.OK
    page, form = looked(ada, load_task(tea), pass_score="92")
    assert "It becomes version 2." in page
    assert ada.post("/tasks/tea/edit", data=form).status_code == 303
    assert (load_task(tea).version, verify_task(tea).locked[0].spec.pass_score) == (2, 90)


def test_a_locked_file_changed_by_hand_is_mended_at_the_desk(ada: TestClient, tea: Path) -> None:
    lock_task(tea, locked_at=NOW)
    tea.write_text(tea.read_text("utf-8").replace("pass_score: 90", "pass_score: 95"), "utf-8")
    listed = ada.get("/tasks").text
    assert 'href="/tasks/tea/edit"' in listed
    page, form = looked(ada, parse_task(tea.read_bytes(), source=tea))
    assert "It becomes version 2." in page
    assert ada.post("/tasks/tea/edit", data=form).status_code == 303
    assert load_task(tea).version == 2


def test_a_file_that_cannot_be_read_is_not_edited(ada: TestClient, tea: Path) -> None:
    tea.write_text("task_id: tea\nversion: one\n", "utf-8")
    answer = ada.get("/tasks/tea/edit")
    assert answer.status_code == 422
    assert "version: expected a whole number" in unescape(answer.text)
    assert ada.get("/tasks/none/edit").status_code == 422


def test_scripts_are_only_text(ada: TestClient, tea: Path) -> None:
    task = load_task(tea)
    page, form = looked(ada, task, name=SCRIPT, step_instruction=[SCRIPT, 'x" onclick="y'])
    assert SCRIPT not in page
    assert ada.post("/tasks/tea/edit", data={**form, "why": SCRIPT}).status_code == 303
    for path in ("/tasks/tea", "/tasks/tea/edit", "/tasks/tea/versions"):
        text = ada.get(path).text
        assert SCRIPT not in text
        assert "&lt;script&gt;" in text


@pytest.mark.parametrize("role", [Role.TRAINEE, Role.RATER])
def test_only_trainers_change_procedures(home: Home, tea: Path, role: Role) -> None:
    before = tea.read_bytes()
    browser = signed_in(home, "tom", role)
    assert browser.get("/tasks/tea/edit").status_code == 403
    assert browser.post("/tasks/tea/edit", data={"do": "save"}).status_code == 403
    assert browser.post("/tasks/tea/lock", data={}).status_code == 403
    assert tea.read_bytes() == before
