"""The work instruction of a procedure: to look at, to print, and as a file to hand over."""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response

from sopilot_assets.desk.call import Call
from sopilot_assets.desk.pages.media import ASKS_EVERY_S, KEPT, TRIES
from sopilot_assets.desk.roles import TRAINERS
from sopilot_assets.desk.routing import DeskRoute, failed
from sopilot_assets.stations.work_instructions import (
    WorkInstruction,
    instruction_file,
    make_instruction_pictures,
    work_instruction,
)
from sopilot_assets.texts.languages import Text

_WAITS: Final = Text(
    "The pictures are still being made. Try again in a moment.",
    "写真を準備しています。少し待ってからもう一度お試しください。",
)


def instruction_page(call: Call) -> Response:
    """The work instruction of a procedure from one of its golds."""
    told = work_instruction(call.home, call.param("task_id"), gold=_asked(call))
    name = told.task.names
    made = told.pictures
    shown = [told.task.step_ids[one.step] for one in told.shown] if made is None else list(made.moments)
    address = f"/tasks/{told.task.task_id}/instruction"
    return call.page(
        "work_instruction.html.j2",
        title=Text(f"Work instruction: {name.en}", f"作業手順書：{name.ja}"),
        values={
            "instruction": told,
            "pictures": {step: f"{address}/{told.gold.key}/{step}.jpg" for step in shown}
            if told.gold
            else {},
            "why": "" if made is None else made.why,
        },
    )


async def instruction_picture(call: Call) -> Response:
    """The picture of a step, made where nobody has made it yet."""
    told = await _with_pictures(call, call.param("gold"))
    if told is None or told.pictures is None:
        return failed(call, 503, _WAITS)
    step = call.param("step")
    if step not in told.pictures.moments:
        return failed(call, 404, Text("There is no such picture.", "該当する写真はありません。"))
    return FileResponse(told.pictures.file(step), media_type="image/jpeg", headers=KEPT)


async def instruction_download(call: Call) -> Response:
    """The work instruction as one HTML file in the reader's language."""
    told = await _with_pictures(call, _asked(call))
    if told is None:
        return failed(call, 503, _WAITS)
    content = await run_in_threadpool(instruction_file, told, call.language)
    name = f"{told.task.task_id}-v{told.task.version}-{told.content_id}-{call.language.value}.html"
    headers = {"Content-Disposition": f'attachment; filename="{quote(name)}"'}
    return Response(content, media_type="text/html; charset=utf-8", headers=headers)


async def _with_pictures(call: Call, gold: str) -> WorkInstruction | None:
    """The work instruction with its pictures made; None where that takes too long."""
    task_id = call.param("task_id")
    for _ in range(TRIES):
        told = await run_in_threadpool(work_instruction, call.home, task_id, gold=gold)
        if told.pictures is not None or told.gold is None:
            return told
        if not await run_in_threadpool(make_instruction_pictures, call.home, told):
            await asyncio.sleep(ASKS_EVERY_S)  # somebody else makes some
    return None


def _asked(call: Call) -> str:
    return call.request.query_params.get("gold", "")


ROUTES: Final = (
    DeskRoute("/tasks/{task_id}/instruction", instruction_page, TRAINERS),
    DeskRoute("/tasks/{task_id}/instruction.html", instruction_download, TRAINERS),
    DeskRoute("/tasks/{task_id}/instruction/{gold}/{step}.jpg", instruction_picture, TRAINERS),
)
