"""Steps of golds from the files of other tools, and for them."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from sopilot_assets.desk.call import Call
from sopilot_assets.desk.roles import TRAINERS
from sopilot_assets.desk.routing import DeskRoute, failed
from sopilot_assets.errors import ConfigError, ExchangeError
from sopilot_assets.exchange.formats import FORMATS, FileFormat
from sopilot_assets.stations.exchanged_steps import GoldSteps, export_steps, import_steps, read_steps
from sopilot_assets.stations.gold_marks import confirmed_of
from sopilot_assets.stations.marked_golds import MarkedTask, marked_task
from sopilot_assets.tasks import find_tasks
from sopilot_assets.texts.languages import Language, Text
from sopilot_assets.texts.names import printable

FILE_BYTES: Final = 8 << 20
"""The largest file that is taken: a project with the steps of some thousand recordings."""
_NAME_LETTERS: Final = 120
_TYPES: Final = {
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".boris": "application/json",
    ".zip": "application/zip",
}


def offered() -> list[tuple[str, Text]]:
    """The formats to choose from, with their names."""
    return [(form.value, known.name) for form, known in FORMATS.items()]


def save(call: Call) -> Response:
    """The steps of a task's golds, or of one, as a file for another tool."""
    task, asked = _task(call), call.request.query_params
    form = _format(asked.get("format", FileFormat.CSV.value))
    gold = asked.get("gold")
    suffix, data = export_steps(call.home, task.task, task.inputs, form, recording=gold)
    name = f"{gold or task.task.task_id}-steps{suffix}"
    quoted = quote(name)  # a header holds no Japanese
    called = f'filename="{name}"' if quoted == name else f"filename*=utf-8''{quoted}"
    headers = {"Content-Disposition": f"attachment; {called}"}
    return Response(data, media_type=_TYPES.get(suffix, "application/xml"), headers=headers)


async def look(call: Call) -> Response:
    """What would come in from a file, for a person to look at; nothing is changed."""
    data = await _sent(call)
    return data if isinstance(data, Response) else await run_in_threadpool(_looked_at, call, data)


async def take(call: Call) -> Response:
    """The steps of a file are taken as marks of the person who sends it."""
    data = await _sent(call)
    return data if isinstance(data, Response) else await run_in_threadpool(_taken, call, data)


async def _sent(call: Call) -> bytes | Response:
    """The file that was sent; what to answer where it is too large."""
    data = bytearray()
    async for part in call.request.stream():
        data += part
        if len(data) > FILE_BYTES:
            most = f"{FILE_BYTES >> 20} MiB"
            return failed(call, 413, Text(f"A file has at most {most}.", f"ファイルは {most} までです。"))
    return bytes(data)


def _looked_at(call: Call, data: bytes) -> Response:
    task = _task(call)
    gold = call.request.query_params.get("gold")
    found = read_steps(call.home, task.task, task.inputs, data, source=_name(call), recording=gold)
    return JSONResponse(
        {
            "golds": [_shown(task, one) for one in found.golds],
            "strangers": _told(call, found.strangers),
            "remarks": _told(call, found.remarks),
        }
    )


def _shown(task: MarkedTask, one: GoldSteps) -> dict[str, object]:
    return {
        "key": str(one.gold.key),
        "name": one.name,
        "steps": [step.model_dump() for step in confirmed_of(task.task, one.steps)],
        "new": one.new,
        "by": one.came_from,
        "based_on": task.gold(str(one.gold.key)).based_on,
        "has_steps": one.agreement is not None,
        "most_s": None if one.agreement is None else one.agreement.most_s,
    }


def _taken(call: Call, data: bytes) -> Response:
    task, who = _task(call), call.who.who
    done = import_steps(
        call.home, task.inputs, data, source=_name(call), who=who, at=call.now, run_id=f"desk-{who}"
    )
    return JSONResponse({"taken": done.taken, "same": done.same})


def _told(call: Call, texts: tuple[Text, ...]) -> list[str]:
    return [one.ja if call.language is Language.JA else one.en for one in texts]


def _name(call: Call) -> str:
    """What the file is called, for messages."""
    return printable(call.request.query_params.get("name", ""))[:_NAME_LETTERS] or "CSV"


def _format(name: str) -> FileFormat:
    if name not in set(FileFormat):
        known = ", ".join(FileFormat)
        raise ExchangeError(
            f"{printable(name)[:_NAME_LETTERS]}: expected a format, one of {known}.",
            ja=f"形式は {known} のどれかです。",
        )
    return FileFormat(name)


def _task(call: Call) -> MarkedTask:
    task = find_tasks(call.home.root).tasks.get(call.param("task"))
    if task is None:
        raise ConfigError(f"{call.param('task')}: expected a task, found none of that name.")
    return marked_task(call.home, task)


ROUTES: Final = (
    DeskRoute("/golds/sheets/{task}", save, TRAINERS),
    DeskRoute("/golds/sheets/{task}", take, TRAINERS, ("POST",), streams=True),
    DeskRoute("/golds/sheets/{task}/look", look, TRAINERS, ("POST",), streams=True),
)
