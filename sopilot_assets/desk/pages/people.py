"""People: who has recordings, and the results of one person over weeks.

For trainers and administrators; a trainee sees their own results and nobody else's. Raters see none of it,
since what a person did before would be in view when they label.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from sopilot_assets.desk.call import Call
from sopilot_assets.desk.roles import TRAINERS, Role
from sopilot_assets.desk.routing import DeskRoute, failed
from sopilot_assets.people.charts import bars, score_chart, share_chart, step_chart, time_chart
from sopilot_assets.people.curves import FEWEST
from sopilot_assets.people.persons import list_persons, tasks_with_people
from sopilot_assets.people.recordings import DISPUTED
from sopilot_assets.people.repeats import LATELY
from sopilot_assets.people.results import KINDS, PersonResults, results_of
from sopilot_assets.scoring.result import Decision
from sopilot_assets.scoring.review.words import SEVERITIES, TYPES
from sopilot_assets.scoring.verdict import DECISIONS
from sopilot_assets.stations.recording_list import NOT_JUDGED
from sopilot_assets.tasks import TaskSpec, find_tasks
from sopilot_assets.tasks.words import task_name
from sopilot_assets.texts.languages import Text

HERE: Final = "/people"
RESULTS: Final = "/people/results"
_LETTERS: Final = 200
KIND_NAMES: Final[Mapping[str, Text]] = {
    **{one.value: name for one, name in DECISIONS.items()},
    NOT_JUDGED: Text("Waits to be judged", "判定待ち"),
    DISPUTED: Text("Contested or overruled", "異議または判断の変更あり"),
}
MARKS: Final[Mapping[str, str]] = {
    Decision.PASS.value: "●",
    Decision.NEEDS_REVIEW.value: "◆",
    Decision.RETRAIN.value: "▲",
    Decision.FAIL.value: "✕",
    Decision.NOT_VERIFIABLE.value: "○",
    NOT_JUDGED: "·",
    DISPUTED: "?",
}
"""What stands for a decision in charts, so that nobody needs colours to read them."""


def people(call: Call) -> Response:
    """The list of people."""
    query, tasks = call.request.query_params, find_tasks(call.home.root).tasks
    text, task = query.get("q", "").strip()[:_LETTERS], query.get("task", "").strip()[:_LETTERS] or None
    found = list_persons(call.home, text=text, task=task, page=call.page_number)
    return call.page(
        "people.html.j2",
        title=Text("People", "作業者"),
        values={
            "found": found,
            "text": text,
            "task": task,
            "task_names": {
                task_id: task_name(tasks.get(task_id), task_id)
                for task_id in {*tasks_with_people(call.home), *filter(None, [task])}
            },
            "pages": {
                side: _address(HERE, q=text, task=task or "", page=str(page))
                if 1 <= page <= found.pages
                else None
                for side, page in (("previous", found.page - 1), ("next", found.page + 1))
            },
            "results": results_address,
        },
    )


def results(call: Call) -> Response:
    """The results of one person."""
    own = call.who.role is Role.TRAINEE
    asked = call.request.query_params
    person = asked.get("person", "") or (call.who.person or "" if own else "")
    if own and person != (call.who.person or ""):
        return _nobody(call)
    if not person and not own:
        return call.go(HERE)
    task_id = asked.get("task", "") or None
    tasks = find_tasks(call.home.root).tasks
    told = results_of(call.home, person, task_id, tasks=tasks) if person else None
    if told is None and (task_id is not None or not own):
        return _nobody(call)
    title = Text("My results", "自分の結果") if own else Text(person, person)
    return call.page("person.html.j2", title=title, values=_shown(told, tasks, own=own))


def results_address(person: str, task_id: str | None) -> str:
    """Where the results of a person are, at a task or at that of their newest recording."""
    return _address(RESULTS, person=person, task=task_id or "")


def _shown(told: PersonResults | None, tasks: Mapping[str, TaskSpec], *, own: bool) -> Mapping[str, object]:
    if told is None:
        return {"told": None, "own": own}
    task = tasks.get(told.task_id)
    steps = {one.id: one.names for one in task.steps} if task else {}
    passed = [one.decision is Decision.PASS for one in told.decided]
    return {
        "told": told,
        "own": own,
        "task": task,
        "task_names": {task_id: task_name(tasks.get(task_id), task_id) for task_id in told.tasks},
        "step_names": lambda ids: [steps.get(one, Text(one, one)) for one in ids],
        "share_chart": share_chart(told.decided, told.shares, passed),
        "score_chart": score_chart(told.recordings),
        "time_chart": time_chart(told.recordings, told.times.cycles, told.practice),
        "step_charts": [step_chart(told.recordings, one) for one in told.times.steps],
        "share_of": {one.key: at for one, at in zip(told.decided[FEWEST - 1 :], told.shares, strict=False)},
        "time_of": {at.number: at for at in told.practice.line} if told.practice else {},
        "bars": bars,
        "kinds": KINDS,
        "kind_names": KIND_NAMES,
        "marks": MARKS,
        "types": TYPES,
        "severities": SEVERITIES,
        "fewest": FEWEST,
        "lately": LATELY,
        "results": results_address,
        "list_address": _address("/recordings", task=told.task_id, person="" if own else told.person),
    }


def _nobody(call: Call) -> Response:
    """The answer where there are no such results for who asks; it does not say which of the two."""
    return failed(call, 404, Text("There are no such results.", "該当する結果はありません。"))


def _address(path: str, **fields: str) -> str:
    query = urlencode({name: value for name, value in fields.items() if value})
    return f"{path}?{query}" if query else path


ROUTES: Final = (
    DeskRoute(HERE, people, TRAINERS),
    DeskRoute(RESULTS, results, TRAINERS | {Role.TRAINEE}),
)
