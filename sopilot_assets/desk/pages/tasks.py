"""Procedures: which there are, what their files say, and how to begin a new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from sopilot_assets.capture.registry import Registry
from sopilot_assets.desk.call import Call
from sopilot_assets.desk.roles import TRAINERS
from sopilot_assets.desk.routing import DeskRoute, failed
from sopilot_assets.store.home import plain_id
from sopilot_assets.tasks import LockState, TaskSpec, find_tasks, verify_task
from sopilot_assets.tasks.drafts import LONGEST_NAME, StepDraft, TaskDraft, begin_task, draft_faults
from sopilot_assets.tasks.history import file_sha256, task_file
from sopilot_assets.tasks.saving import can_be_mended
from sopilot_assets.tasks.words import DEVIATION_NAMES, SEVERITY_NAMES
from sopilot_assets.texts.languages import Text

_ROWS: Final = 3
"""Empty steps of a new form."""

LOCK_NAMES: Final = {
    LockState.UNLOCKED: Text("not locked", "未確定"),
    LockState.OK: Text("locked", "確定済み"),
    LockState.CHANGED: Text("changed since it was locked", "確定後に変更あり"),
    LockState.DAMAGED: Text("lock damaged", "確定記録の破損"),
}


@dataclass(frozen=True, slots=True)
class _Row:
    task_id: str
    task: TaskSpec
    lock: Text
    golds: int


def task_list(call: Call) -> Response:
    """All procedures."""
    found = find_tasks(call.home.root)
    registry = Registry.read_golds(call.home)
    rows = [
        _Row(task_id, task, _lock(call, task_id), len(registry.golds(task_id)))
        for task_id, task in found.tasks.items()
    ]
    return call.page(
        "tasks.html.j2",
        title=Text("Procedures", "手順書"),
        values={
            "rows": rows,
            "refused": {
                task_id: call.home.relative_text(str(error)) for task_id, error in found.refused.items()
            },
            "mendable": [task_id for task_id in found.refused if can_be_mended(call.home, task_id)],
        },
    )


def task_page(call: Call) -> Response:
    """What one procedure's file says."""
    task_id = plain_id(call.param("task_id"), "procedure")
    task = find_tasks(call.home.root).tasks.get(task_id)
    if task is None:
        return failed(
            call,
            404,
            Text(
                f"There is no procedure {task_id} that can be used.",
                f"使用できる手順書 {task_id} はありません。",
            ),
        )
    path = task_file(call.home, task_id)
    state = verify_task(path).state
    return call.page(
        "task.html.j2",
        title=task.names,
        values={
            "task": task,
            "lock": LOCK_NAMES[state],
            "unlocked": state is LockState.UNLOCKED,
            "base": file_sha256(path.read_bytes()),
            "golds": len(Registry.read_golds(call.home).golds(task_id)),
            "before": {step.id: task.directly_before(step.id) for step in task.steps},
            "severities": [
                (DEVIATION_NAMES[kind], SEVERITY_NAMES[severity]) for kind, severity in task.severity.items()
            ],
        },
    )


def new_task_page(call: Call) -> Response:
    """The form of a new procedure."""
    return _form(call, TaskDraft("", "", (StepDraft("", ""),) * _ROWS), {})


def new_task_sent(call: Call) -> Response:
    """The form was sent: write the task file, or say at each field what is wrong."""
    draft = _draft(call)
    faults = {fault.field: fault.why for fault in draft_faults(call.home.root, draft)}
    if faults:
        return _form(call, draft, faults)
    return call.go(f"/tasks/{begin_task(call.home, draft, who=call.who.who, at=call.now)}")


def _draft(call: Call) -> TaskDraft:
    names, in_japanese, critical = (
        [str(one).strip() for one in call.form.getlist(field)]
        for field in ("step_name", "step_name_ja", "step_critical")
    )
    steps = (
        StepDraft(name, name_ja, critical=weight != "no")
        for name, name_ja, weight in zip(names, in_japanese, critical, strict=False)
    )
    return TaskDraft(
        call.field("name"), call.field("name_ja"), tuple(steps), fixed_order=call.field("order") != "any"
    )


def _form(call: Call, draft: TaskDraft, faults: dict[str, Text]) -> Response:
    return call.page(
        "task_new.html.j2",
        title=Text("Begin a procedure", "手順書を作る"),
        status=422 if faults else 200,
        values={"draft": draft, "faults": faults, "longest": LONGEST_NAME, "blank": StepDraft("", "")},
    )


def _lock(call: Call, task_id: str) -> Text:
    return LOCK_NAMES[verify_task(call.home.tasks / f"{task_id}.yaml").state]


ROUTES: Final = (
    DeskRoute("/tasks", task_list, TRAINERS),
    DeskRoute("/tasks/-/new", new_task_page, TRAINERS),
    DeskRoute("/tasks/-/new", new_task_sent, TRAINERS, ("POST",)),
    DeskRoute("/tasks/{task_id}", task_page, TRAINERS),
)
