"""A procedure changed at the desk: edited in a form, looked at before it is saved, saved, locked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from starlette.responses import Response

from sopilot_assets.desk.call import Call
from sopilot_assets.desk.roles import TRAINERS
from sopilot_assets.desk.routing import DeskRoute, failed
from sopilot_assets.errors import TaskConflict
from sopilot_assets.stations.task_changes import change_of
from sopilot_assets.tasks import TaskSpec
from sopilot_assets.tasks.compared import told_differences
from sopilot_assets.tasks.drafts import LONGEST_NAME, FieldFault
from sopilot_assets.tasks.editing import LONGEST_SENTENCE, StepEdit, TaskEdit, edit_of, edited
from sopilot_assets.tasks.history import LONGEST_WHY, task_history, task_then
from sopilot_assets.tasks.merging import merged
from sopilot_assets.tasks.saving import (
    OpenedTask,
    lock_as_seen,
    open_task,
    save_task,
    with_version,
)
from sopilot_assets.tasks.spec import canonical_sha256
from sopilot_assets.tasks.words import (
    DEVIATION_NAMES,
    EMBEDDER_NAMES,
    FILMING,
    LIMITS,
    NUMBERS,
    SEVERITY_NAMES,
    TAKT,
    WEIGHTS,
    task_name,
)
from sopilot_assets.texts.languages import Text


def edit_page(call: Call) -> Response:
    """The form of a procedure; with ``from``, as it was after an event of its history."""
    opened = open_task(call.home, call.param("task_id"))
    start = opened.task
    asked = call.request.query_params.get("from", "")
    if asked:
        found = [one for one in task_history(call.home).read(start.task_id) if str(one.seq) == asked]
        start = task_then(found[0]) if found else start
    return _form(call, opened, edit_of(start), {"restored": start is not opened.task})


def edit_sent(call: Call) -> Response:
    """What was typed: what it would make out of date, what is wrong with it, or, once that was looked at, the
    page of the procedure as it is saved.
    """
    opened = open_task(call.home, call.param("task_id"))
    edit = _edit(call)
    found = edited(opened.task, edit, used=opened.used)
    if not isinstance(found, TaskSpec):
        return _form(call, opened, edit, {"faults": _by_field(found), "base": call.field("base")})
    wanted = with_version(opened, found)
    if wanted == opened.task:
        return _form(call, opened, edit, {"same": True})
    if call.field("base") != opened.base:
        return _meanwhile(call, opened, edit)
    looked = _looked(wanted, opened.base)
    if call.field("do") != "save" or call.field("looked") != looked:
        return _preview(call, opened, edit, wanted, {})
    if not call.field("why"):
        why = Text("Say why, in a few words.", "変更の理由を入力してください。")
        return _preview(call, opened, edit, wanted, {"why": why})
    return _saved(call, opened, edit, wanted)


def _preview(
    call: Call, opened: OpenedTask, edit: TaskEdit, wanted: TaskSpec, faults: dict[str, Text]
) -> Response:
    change, looked = change_of(call.home, opened.task, wanted), _looked(wanted, opened.base)
    return _form(call, opened, edit, {"change": change, "looked": looked, "faults": faults})


def _saved(call: Call, opened: OpenedTask, edit: TaskEdit, wanted: TaskSpec) -> Response:
    task_id, who = wanted.task_id, call.who.who
    why = call.field("why")[:LONGEST_WHY]
    try:
        save_task(call.home, task_id, wanted, base=opened.base, who=who, why=why, at=call.now)
    except TaskConflict:
        return _meanwhile(call, open_task(call.home, task_id), edit)
    return call.go(f"/tasks/{task_id}")


def lock_sent(call: Call) -> Response:
    """Lock the version that was shown."""
    task_id = call.param("task_id")
    try:
        lock_as_seen(call.home, task_id, base=call.field("base"), who=call.who.who, at=call.now)
    except TaskConflict:
        why = Text(
            "The procedure was changed meanwhile, and was not locked: look at it again first.",
            "その間に手順書が変更されたため、確定していません。もう一度内容を確認してください。",
        )
        return failed(call, 409, why)
    return call.go(f"/tasks/{task_id}")


def _meanwhile(call: Call, opened: OpenedTask, mine: TaskEdit) -> Response:
    """Somebody else changed the file: nothing is saved, and what both changed is put into one form where it
    is known what both began from.
    """
    events = task_history(call.home).read(opened.task.task_id)
    by = events[-1] if events and events[-1].file_sha256 == opened.base else None
    began = [task_then(one) for one in events if one.file_sha256 == call.field("base")][-1:]
    edit = merged(edit_of(began[0]), edit_of(opened.task), mine) if began else mine
    found = edited(opened.task, edit, used=opened.used)
    conflict: dict[str, object] = {
        "conflict": True,
        "by": by,
        "theirs": told_differences(began[0], opened.task) if began else (),
        "yours": told_differences(opened.task, with_version(opened, found))
        if isinstance(found, TaskSpec)
        else (),
        "merged": bool(began),
        "faults": {} if isinstance(found, TaskSpec) else _by_field(found),
    }
    return _form(call, opened, edit, conflict)


def _by_field(faults: Sequence[FieldFault]) -> dict[str, Text]:
    """The first fault of each field."""
    return {fault.field: fault.why for fault in reversed(faults)}


def _edit(call: Call) -> TaskEdit:
    rows = zip(
        *(
            [str(one).strip() for one in call.form.getlist(f"step_{name}")]
            for name in (
                *("key", "name", "name_ja", "instruction", "instruction_ja"),
                *("critical", "place", "after"),
            )
        ),
        strict=False,
    )
    steps = []
    for number, (key, name, name_ja, instruction, instruction_ja, critical, place, after) in enumerate(rows):
        step = StepEdit(
            key=key or f"row {number}",
            name=name,
            name_ja=name_ja,
            instruction=" ".join(instruction.split()),
            instruction_ja=" ".join(instruction_ja.split()),
            critical=critical != "no",
            after=tuple(after.split()),
        )
        steps.append(replace(step, place=place) if place in ("any", "these") else step)
    return TaskEdit(
        name=call.field("name"),
        name_ja=call.field("name_ja"),
        steps=tuple(steps),
        numbers={path: call.field(path) for path in NUMBERS},
        severity={kind.value: call.field(f"severity.{kind.value}") for kind in DEVIATION_NAMES},
        embedder=call.field("embedder"),
        looked_at=call.field("quality_gate.enabled") != "no",
    )


def _form(call: Call, opened: OpenedTask, edit: TaskEdit, more: dict[str, object]) -> Response:
    task = opened.task
    name = task_name(task)
    faults = more.get("faults", {})
    status = 409 if more.get("conflict") else 422 if faults else 200
    return call.page(
        "task_edit.html.j2",
        title=Text(f"Change: {name.en}", f"手順書の変更：{name.ja}"),
        status=status,
        values={
            "task": task,
            "edit": edit,
            "base": opened.base,
            "used": opened.used,
            "lock": opened.lock,
            "blank": StepEdit("", "", ""),
            "why": call.field("why"),
            "longest": LONGEST_NAME,
            "longest_sentence": LONGEST_SENTENCE,
            "longest_why": LONGEST_WHY,
            "limits": LIMITS,
            "takt": TAKT,
            "weights": WEIGHTS,
            "filming": FILMING,
            "deviations": DEVIATION_NAMES,
            "severities": SEVERITY_NAMES,
            "embedders": EMBEDDER_NAMES,
            "change": None,
            "looked": "",
            "faults": faults,
            "same": False,
            "conflict": False,
            "theirs": (),
            "yours": (),
            "merged": False,
            "by": None,
            "restored": False,
            **more,
        },
    )


def _looked(wanted: TaskSpec, base: str) -> str:
    """What names a change that was looked at, so that nothing else is saved in its place."""
    return canonical_sha256({"task": wanted.model_dump(mode="json"), "base": base})


ROUTES: Final = (
    DeskRoute("/tasks/{task_id}/edit", edit_page, TRAINERS),
    DeskRoute("/tasks/{task_id}/edit", edit_sent, TRAINERS, ("POST",)),
    DeskRoute("/tasks/{task_id}/lock", lock_sent, TRAINERS, ("POST",)),
)
