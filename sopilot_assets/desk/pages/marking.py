"""Steps of golds: when each begins and ends, marked on the video."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, JSONResponse, Response

from sopilot_assets.capture.marks import MOST_STEPS
from sopilot_assets.capture.promotions import ConfirmedStep
from sopilot_assets.desk.call import Call
from sopilot_assets.desk.memory import give_back
from sopilot_assets.desk.pages.exchange import offered
from sopilot_assets.desk.pages.media import KEPT
from sopilot_assets.desk.roles import TRAINERS
from sopilot_assets.desk.routing import DeskRoute
from sopilot_assets.errors import GoldError, MarkConflict
from sopilot_assets.scoring.review.marks import step_colour
from sopilot_assets.stations.gold_marks import (
    Proposed,
    confirm_steps,
    confirmed_of,
    marked_gold,
)
from sopilot_assets.stations.marked_golds import (
    MarkedGold,
    MarkedTask,
    SaidSteps,
    marked_task,
    marked_tasks,
    usual_seconds,
)
from sopilot_assets.stations.marking_media import film_of, strip_of
from sopilot_assets.stations.step_proposals import propose_steps
from sopilot_assets.store.home import PartitionKey
from sopilot_assets.tasks import find_tasks, load_task
from sopilot_assets.texts.languages import Language, Text

_PROPOSES: Final = threading.Lock()
"""Held while steps are proposed: that fits a model to all golds, and several at once need the memory of
several.
"""


class ShownSteps(BaseModel):
    """What the person was shown before they marked."""

    model_config = ConfigDict(extra="forbid")

    steps: Annotated[tuple[ConfirmedStep, ...], Field(max_length=MOST_STEPS)] = ()
    by: Annotated[str, Field(max_length=200)] = ""


class SentSteps(BaseModel):
    """What the marking page sends when a person confirms."""

    model_config = ConfigDict(extra="forbid")

    steps: Annotated[tuple[ConfirmedStep, ...], Field(max_length=MOST_STEPS)]
    based_on: str
    proposed: ShownSteps = ShownSteps()
    independent: bool = False


def golds(call: Call) -> Response:
    """The golds of all tasks: who marked them, which lack steps, how far apart two people are."""
    tasks = marked_tasks(call.home, find_tasks(call.home.root).tasks)
    values = {"tasks": [one for one in tasks if one.golds], "without": [t for t in tasks if not t.golds]}
    return call.page(
        "golds.html.j2", title=Text("Mark steps", "手順の記録"), values={**values, "formats": offered()}
    )


def marking(call: Call) -> Response:
    """The page on which the steps of one gold are marked."""
    task, gold = _gold(call)
    alone = "alone" in call.request.query_params
    title = Text(f"Steps of {gold.recording.original_name}", f"{gold.recording.original_name} の手順")
    values = {
        "task": task,
        "gold": gold,
        "alone": alone,
        "data": marking_data(call, task, gold, alone=alone),
        "history": () if alone else gold.history,
        "formats": offered(),
        "promotes": None,
    }
    return call.page("marking.html.j2", title=title, values=values)


def film(call: Call) -> Response:
    """When the pictures of the gold's video are displayed, and what its strip is like."""
    return JSONResponse(film_of(call.home, marked_gold(call.home, _key(call))).model_dump())


def strip(call: Call) -> Response:
    """The small pictures of the gold's timeline."""
    path = strip_of(call.home, marked_gold(call.home, _key(call)))
    return FileResponse(path, media_type="image/jpeg", headers=KEPT)


def proposal(call: Call) -> Response:
    """Steps for a gold that nobody marked, or for somebody who marks it independently."""
    task, gold = _gold(call)
    with _PROPOSES:
        found = propose_steps(call.home, task.task, task.inputs, gold.recording)
    steps = [one.model_dump() for one in confirmed_of(task.task, found.steps)]
    said = {"steps": steps, "by": found.by, "golds": len(found.golds)}
    return JSONResponse(said, background=BackgroundTask(give_back))


def confirm(call: Call) -> Response:
    """The person confirms the steps: an event, or the reason why it is none."""
    key = _key(call)
    try:
        said = SentSteps.model_validate_json(call.field("said"))
    except ValidationError as error:
        why = error.errors(include_url=False)[0]
        raise GoldError(f"{key}: expected steps with their times, found {why['msg']}.") from error
    try:
        event = confirm_steps(
            call.home,
            key,
            said.steps,
            who=call.who.who,
            at=call.now,
            run_id=f"desk-{call.who.who}",
            based_on=said.based_on,
            proposed=Proposed(said.proposed.steps, said.proposed.by),
            independent=said.independent,
        )
    except MarkConflict as error:
        _, gold = _gold(call)
        words = error.ja if call.language is Language.JA else str(error)
        return JSONResponse({"error": words, "counts": _counts(gold), "based_on": gold.based_on}, 409)
    task, gold = _gold(call)
    return JSONResponse(
        {
            "new": event is not None,
            "based_on": gold.based_on,
            "scored": task.scored,
            "next": _next(task, gold),
        }
    )


def _key(call: Call) -> PartitionKey:
    return PartitionKey.parse(call.param("key"))


def _gold(call: Call) -> tuple[MarkedTask, MarkedGold]:
    key = _key(call)
    recording = marked_gold(call.home, key)
    task = marked_task(call.home, load_task(call.home.tasks / f"{key.task_id}.yaml"))
    return task, task.gold(str(recording.key))


def _next(task: MarkedTask, gold: MarkedGold) -> str | None:
    """Where the next gold of the task without steps is marked."""
    found = (one for one in task.golds if not one.steps and one.recording.key != gold.recording.key)
    waits = next(found, None)
    return None if waits is None else f"/golds/{waits.recording.key}/steps"


def marking_data(call: Call, task: MarkedTask, gold: MarkedGold, *, alone: bool) -> dict[str, object]:
    """What the scripts of the marking page need to know; nothing of what others marked where the person marks
    ``alone``. ``address`` is where film, strip and proposal lie.
    """
    japanese = call.language is Language.JA
    before = task.task.predecessors()
    return {
        "key": str(gold.recording.key),
        "address": f"/golds/{gold.recording.key}",
        "promotes": False,
        "who": call.who.who,
        "alone": alone,
        "steps": [
            {
                "id": step.id,
                "name": (step.name_ja if japanese and step.name_ja else step.name),
                "after": sorted(before[step.id]),
                "colour": step_colour(place),
            }
            for place, step in enumerate(task.task.steps)
        ],
        "usual_s": usual_seconds(task.task, task.inputs, without=gold.recording.key.video_id),
        "counts": None if alone or not gold.steps else _counts(gold, task),
        "based_on": gold.based_on,
        "history": {} if alone else _history(gold.history),
        "next": _next(task, gold),
    }


def _counts(gold: MarkedGold, task: MarkedTask | None = None) -> dict[str, object]:
    steps: Iterable[ConfirmedStep] = () if gold.mark is None else gold.mark.steps
    if task is not None:
        steps = confirmed_of(task.task, gold.steps)
    return {"steps": [one.model_dump() for one in steps], "who": gold.who, "at": gold.at}


def _history(history: Iterable[SaidSteps]) -> dict[str, object]:
    return {one.event.event_id: [step.model_dump() for step in one.event.steps] for one in history}


ROUTES: Final[tuple[DeskRoute, ...]] = (
    DeskRoute("/golds", golds, TRAINERS),
    DeskRoute("/golds/{key}/steps", marking, TRAINERS),
    DeskRoute("/golds/{key}/steps", confirm, TRAINERS, ("POST",)),
    DeskRoute("/golds/{key}/film", film, TRAINERS),
    DeskRoute("/golds/{key}/strip", strip, TRAINERS),
    DeskRoute("/golds/{key}/proposal", proposal, TRAINERS),
)
