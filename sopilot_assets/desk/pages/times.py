"""Times: how long a procedure and its steps take, against golds and takt, for shift leads and engineers."""

from __future__ import annotations

from html import escape
from typing import Final
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.responses import Response

from sopilot_assets.desk.call import Call
from sopilot_assets.desk.roles import TRAINERS
from sopilot_assets.desk.routing import DeskRoute, failed
from sopilot_assets.scoring.review.drawing import Drawing, svg
from sopilot_assets.scoring.review.words import TYPES
from sopilot_assets.tasks import TaskSpec, find_tasks
from sopilot_assets.texts.languages import Language, Text
from sopilot_assets.times import charts
from sopilot_assets.times.figures import GroupBy, TimesFilter
from sopilot_assets.times.overview import task_times, tasks_in_a_line
from sopilot_assets.times.reading import read_times
from sopilot_assets.times.sheet import csv_bytes, sheet_rows, xlsx_bytes

BARS: Final = {
    GroupBy.SITE: Text("Site", "拠点"),
    GroupBy.WEEK: Text("Week", "週"),
    GroupBy.PERSON: Text("Person", "作業者"),
}
"""What a yamazumi can have bars for."""
_LONGEST: Final = 100


def times_page(call: Call) -> Response:
    """The procedures that have recordings, each in a line."""
    tasks = find_tasks(call.home.root).tasks
    rows = tasks_in_a_line(read_times(call.home), tasks)
    return call.page("times.html.j2", title=Text("Times", "作業時間"), values={"rows": rows})


def task_times_page(call: Call) -> Response:
    """The times of one procedure; what counts stands in the address."""
    task = _task(call)
    if task is None:
        return _no_task(call)
    wanted, by = _wanted(call, task), _by(call)
    shown = task_times(read_times(call.home), task, wanted, by=by)
    return call.page(
        "times_task.html.j2",
        title=Text(f"Times: {task.name}", f"作業時間：{task.name_ja or task.name}"),
        values={
            "task": task,
            "names": {step.id: step.names for step in task.steps},
            "numbers": {step.id: number for number, step in enumerate(task.steps, 1)},
            "shown": shown,
            "wanted": wanted,
            "by": by,
            "bars": BARS,
            "types": TYPES,
            "query": _query(wanted),
            "legend": charts.legend(task),
            "cycle_chart": _drawn(
                call,
                charts.cycle_chart(shown.by_week, takt_s=task.takt_s),
                Text("Cycle times by week", "週ごとのサイクルタイム"),
            ),
            "yamazumi": _drawn(
                call,
                charts.yamazumi_chart(task, shown.bars, takt_s=task.takt_s),
                Text("Yamazumi", "山積み表"),
            ),
            "combination": _drawn(
                call,
                charts.combination_chart(task, shown.combination, takt_s=task.takt_s),
                Text("Standard-work combination", "標準作業組合せ"),
            ),
        },
    )


def sheet_page(call: Call) -> Response:
    """The recordings of one procedure with their times, a row each, as CSV or Excel."""
    task, ending = _task(call), call.param("ending")
    if task is None or ending not in _SHEETS:
        return _no_task(call)
    kind, made = _SHEETS[ending]
    rows = sheet_rows(read_times(call.home), task, _wanted(call, task))
    name = f'attachment; filename="times_{task.task_id}.{ending}"'
    return Response(made(rows, task), media_type=kind, headers={"content-disposition": name})


_SHEETS: Final = {
    "csv": ("text/csv; charset=utf-8", csv_bytes),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", xlsx_bytes),
}


def _drawn(call: Call, drawing: Drawing, name: Text) -> Markup:
    label = name.ja if call.language is Language.JA else name.en
    look = f'class="chart" role="img" aria-label="{escape(label)}" width="{drawing.width:g}"'
    return Markup(svg(drawing, attributes=look))  # noqa: S704 - the drawing escapes its labels


def _task(call: Call) -> TaskSpec | None:
    return find_tasks(call.home.root).tasks.get(call.param("task_id"))


def _no_task(call: Call) -> Response:
    return failed(call, 404, Text("There is no such procedure.", "該当する手順書はありません。"))


def _wanted(call: Call, task: TaskSpec) -> TimesFilter:
    asked = call.request.query_params

    def text(name: str) -> str | None:
        return asked.get(name, "").strip()[:_LONGEST] or None

    return TimesFilter(task=task.task_id, site=text("site"), since=text("since"), until=text("until"))


def _by(call: Call) -> GroupBy:
    asked = call.request.query_params.get("by", "")
    return GroupBy(asked) if asked in set(BARS) else GroupBy.SITE


def _query(wanted: TimesFilter) -> str:
    fields = {"site": wanted.site, "since": wanted.since, "until": wanted.until}
    query = urlencode({name: value for name, value in fields.items() if value})
    return f"?{query}" if query else ""


ROUTES: Final = (
    DeskRoute("/times", times_page, TRAINERS),
    DeskRoute("/times/{task_id}", task_times_page, TRAINERS),
    DeskRoute("/times/{task_id}/recordings.{ending}", sheet_page, TRAINERS),
)
