"""Procedures at the desk: begun in a form, refused at the field, shown as their file says."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from sopilot_assets.desk.roles import Role
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import QualityGate, Step, find_tasks
from sopilot_assets_tests.desk.conftest import signed_in, visitor

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def ada(home: Home) -> TestClient:
    return signed_in(home, "ada", Role.TRAINER)


def sent(
    browser: TestClient,
    *steps: tuple[str, str, str],
    name: str = "Filter change",
    name_ja: str = "",
    order: str = "fixed",
) -> tuple[int, str]:
    """The status of the answer and where it leads, or its page."""
    form = {
        "name": name,
        "name_ja": name_ja,
        "order": order,
        "step_name": [step[0] for step in steps],
        "step_name_ja": [step[1] for step in steps],
        "step_critical": [step[2] for step in steps],
    }
    answer = browser.post("/tasks/-/new", data=form)
    return answer.status_code, answer.headers.get("location") or answer.text


def test_a_procedure_begins_without_a_terminal(ada: TestClient, home: Home) -> None:
    assert "There is no procedure yet" in ada.get("/tasks").text
    assert "Name in English" in ada.get("/tasks/-/new").text
    steps = [("Open the cover", "カバーを開ける", "yes"), ("", "", "yes"), ("Wipe: “dry”", "", "no")]
    assert sent(ada, *steps, name_ja="フィルター交換") == (303, "/tasks/filter_change")
    task = find_tasks(home.root).tasks["filter_change"]
    assert (task.name, task.name_ja, task.version) == ("Filter change", "フィルター交換", 1)
    assert task.steps == (
        Step(id="open_the_cover", name="Open the cover", name_ja="カバーを開ける"),
        Step(id="wipe_dry", name="Wipe: “dry”", critical=False),
    )
    assert task.quality_gate == QualityGate(enabled=True)
    shown = ada.get("/tasks/filter_change").text
    assert "Open the cover" in shown
    assert "90 points" in shown
    assert "Filter change" in ada.get("/tasks").text
    ada.cookies.set("sopilot_language", "ja")
    assert "カバーを開ける" in ada.get("/tasks/filter_change").text


def test_a_procedure_may_be_called_new(ada: TestClient) -> None:
    assert sent(ada, ("Wipe", "", "yes"), name="New") == (303, "/tasks/new")
    assert "Wipe" in ada.get("/tasks/new").text
    assert "Name in English" in ada.get("/tasks/-/new").text


def test_steps_in_any_order_wait_for_none(ada: TestClient, home: Home) -> None:
    sent(ada, ("A", "", "yes"), ("B", "", "yes"), order="any")
    assert find_tasks(home.root).tasks["filter_change"].legal_orders() == ((0, 1), (1, 0))


def test_a_procedure_in_japanese_alone_has_ids_that_files_can_carry(ada: TestClient, home: Home) -> None:
    steps = [("", "カバーを開ける", "yes"), ("", "拭く", "yes"), ("2 bolts", "", "yes")]
    assert sent(ada, *steps, name="", name_ja="フィルター交換") == (303, "/tasks/procedure_1")
    assert sent(ada, *steps, name="", name_ja="別の作業") == (303, "/tasks/procedure_1_2")
    task = find_tasks(home.root).tasks["procedure_1"]
    assert task.step_ids == ("step_1", "step_1_2", "step_2_bolts")
    assert task.name == "フィルター交換"


@pytest.mark.parametrize(
    ("name", "steps", "field", "why"),
    [
        ("", [("A", "", "yes")], "name", "Give the procedure a name."),
        ("x" * 121, [("A", "", "yes")], "name", "at most 120 characters, found 121"),
        ("Tea", [], "steps", "Name one step at least."),
        ("Tea", [("", "", "yes")], "steps", "Name one step at least."),
        ("Tea", [("A", "", "yes"), ("a", "", "no")], "steps.1", "Another step has this name"),
        ("Tea", [("A\u0007", "", "yes")], "steps.0", "one line of plain text"),
        ("Tea", [(str(number), "", "yes") for number in range(61)], "steps", "at most 60 steps"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_lost(
    ada: TestClient, home: Home, name: str, steps: list[tuple[str, str, str]], field: str, why: str
) -> None:
    status, page = sent(ada, *steps, name=name)
    assert status == 422
    assert f'id="fault-{field}"' in page
    assert why in page
    assert f'value="{name}"' in page
    assert all(f'value="{step}"' in page for step, _, _ in steps)
    assert find_tasks(home.root).tasks == {}


def test_what_is_there_is_never_overwritten(ada: TestClient, home: Home) -> None:
    sent(ada, ("A", "", "yes"))
    path = local_path(home.tasks) / "filter_change.yaml"
    before = path.read_bytes()
    assert sent(ada, ("B", "", "yes"), name="FILTER change")[0] == 422
    assert sent(ada, ("B", "", "yes"), name="Filter: change") == (303, "/tasks/filter_change_2")
    assert path.read_bytes() == before


def test_scripts_and_quotes_are_only_text(ada: TestClient) -> None:
    assert sent(ada, (SCRIPT, 'x" onclick="y', "yes"), name=SCRIPT)[0] == 303
    for page in ("/tasks", "/tasks/script_alert_1_script", "/upload"):
        text = ada.get(page).text
        assert SCRIPT not in text
        assert "&lt;script&gt;" in text


@pytest.mark.parametrize("task_id", ["unknown", "a.b", "x" * 60])
def test_a_procedure_that_is_not_there_is_not_shown(ada: TestClient, task_id: str) -> None:
    assert ada.get(f"/tasks/{task_id}").status_code in (404, 422)


def test_a_file_that_cannot_be_used_is_listed_with_the_reason(ada: TestClient, home: Home) -> None:
    (local_path(home.tasks) / "broken.yaml").write_text("task_id: broken\n")
    page = ada.get("/tasks").text
    assert "fields are not valid" in page
    assert str(home.root) not in page


@pytest.mark.parametrize("role", [Role.TRAINEE, Role.RATER])
def test_procedures_are_for_trainers(home: Home, role: Role) -> None:
    browser = signed_in(home, "tom", role)
    assert [browser.get(path).status_code for path in ("/tasks", "/tasks/-/new", "/tasks/x")] == [403] * 3
    assert browser.post("/tasks/-/new").status_code == 403
    assert visitor(home).post("/tasks/-/new").status_code == 401
