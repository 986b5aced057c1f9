"""Promotions: recordings that people call right made golds, taken back, and what that did."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field, ValidationError
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response

from sopilot_assets.capture.promotions import WHY_LETTERS, PromotionEvent
from sopilot_assets.capture.registry import Recording, Registry, active_keys, registered_recording
from sopilot_assets.desk.call import Call
from sopilot_assets.desk.pages.marking import SentSteps, marking_data
from sopilot_assets.desk.pages.media import KEPT
from sopilot_assets.desk.roles import TRAINERS
from sopilot_assets.desk.routing import DeskRoute, failed
from sopilot_assets.errors import ConfigError, GoldError, LabelError
from sopilot_assets.evidence.results import held_out_cases
from sopilot_assets.labels.chain import read_chain
from sopilot_assets.labels.events import LabelEvent
from sopilot_assets.settings import load_settings
from sopilot_assets.stations.gold_candidates import GoldCandidate, listed_candidates
from sopilot_assets.stations.gold_effects import GoldEffect, GoldRound, gold_effect, gold_rounds
from sopilot_assets.stations.gold_history import gold_history, promotions_of, references_made
from sopilot_assets.stations.gold_lift import GoldsNow, golds_now, lifts
from sopilot_assets.stations.gold_marks import Proposed
from sopilot_assets.stations.gold_power import try_gold
from sopilot_assets.stations.gold_promotions import (
    CONFIRMED,
    CORRECTED,
    demote_recording,
    promotable_recording,
    promote_recording,
    proposed_to_promote,
)
from sopilot_assets.stations.marked_golds import MarkedGold, MarkedTask, marked_task
from sopilot_assets.stations.marking_media import film_of, strip_of
from sopilot_assets.store.home import Home, PartitionKey, plain_id
from sopilot_assets.tasks import TaskSpec, find_tasks, load_task
from sopilot_assets.texts.languages import Language, Text

SHOWN: Final = 20
"""So many candidates of a task are shown at once."""
_EFFECTS: Final = 5
"""For so many changes of golds the page of their history computes what they did."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    candidate: GoldCandidate
    lifts: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class _Task:
    """A task on the list: its golds, its candidates, and the newest change of its golds with what it did."""

    task_id: str
    name: Text
    now: GoldsNow
    candidates: tuple[_Candidate, ...]
    count: int
    promoted: tuple[Recording, ...]
    newest: GoldRound | None
    effect: GoldEffect | None
    names: Mapping[str, str]
    problem: Text | None


class _Sent(SentSteps):
    """What the confirming page sends: the steps, and why the recording becomes a gold."""

    why: Annotated[str, Field(max_length=4 * WHY_LETTERS)] = ""


def promotions(call: Call) -> Response:
    """The candidates of all tasks, and what the last promotions did."""
    return _list(call)


def _list(call: Call, *, refused: tuple[str, str, Text] | None = None) -> Response:
    """The list; ``refused`` is a recording that was not taken back, what was typed, and why not."""
    home, tasks = call.home, find_tasks(call.home.root).tasks
    registry, active = Registry.read_golds(home), active_keys(home)
    golds = {task_id: registry.golds(task_id) for task_id in tasks}
    now = golds_now(home, golds)
    shown = [_task(home, task, golds[task.task_id], now[task.task_id], active) for task in tasks.values()]
    taken = _parsed(call.request.query_params.get("back", ""))
    back = None if taken is None else registered_recording(home, taken)
    return call.page(
        "promotions.html.j2",
        title=Text("New golds", "お手本の追加"),
        status=200 if refused is None else 422,
        values={
            "tasks": [one for one in shown if one.now.golds or one.count],
            "names": {key: name for one in shown for key, name in one.names.items()},
            "refused": refused,
            "back": back,
            "scored": 0 if back is None else _count(active, back.task_id),
            "letters": WHY_LETTERS,
        },
    )


def _count(active: Mapping[str, str], task_id: str) -> int:
    """How many recordings of a task count."""
    return sum(its == task_id for its in active.values())


def _task(
    home: Home, task: TaskSpec, golds: Sequence[Recording], now: GoldsNow, active: Mapping[str, str]
) -> _Task:
    task_id, name = task.task_id, task.names
    promoted = tuple(one for one in golds if one.promotion is not None)
    try:
        events, labels = promotions_of(home, task_id), read_chain(home, task_id)
    except (GoldError, LabelError) as error:
        why = Text(str(error), getattr(error, "ja", None) or str(error))
        return _Task(task_id, name, now, (), 0, promoted, None, None, {}, why)
    found = listed_candidates(home, labels, golds)
    newest = next(iter(gold_rounds(events, references_made(home, task_id))), None)
    return _Task(
        task_id,
        name,
        now,
        tuple(_Candidate(one, lifts(now, one)) for one in found[:SHOWN]),
        len(found),
        promoted,
        newest,
        None if newest is None else _effect(home, newest, labels, active),
        {} if newest is None else _names(home, newest),
        None,
    )


def _effect(
    home: Home, one: GoldRound, labels: list[LabelEvent], active: Collection[str]
) -> GoldEffect | None:
    return gold_effect(home, one, labels, load_settings(home).audit, active=active)


def _names(home: Home, one: GoldRound) -> dict[str, str]:
    """The file names of the recordings that were promoted or taken back."""
    found = (registered_recording(home, PartitionKey.parse(event.key)) for event in one.changes)
    return {str(recording.key): recording.original_name for recording in found if recording is not None}


def history(call: Call) -> Response:
    """How the golds of a task came and went, and what each change did."""
    task_id = plain_id(call.param("task"), "procedure")
    task = find_tasks(call.home.root).tasks.get(task_id)
    if task is None:
        why = Text(f"There is no procedure {task_id}.", f"手順書 {task_id} はありません。")
        return failed(call, 404, why)
    events: list[PromotionEvent] = promotions_of(call.home, task_id)
    references, labels = references_made(call.home, task_id), read_chain(call.home, task_id)
    rounds = gold_rounds(events, references)
    active, happened = active_keys(call.home), gold_history(call.home, task_id, events)
    name = task.names
    return call.page(
        "gold_history.html.j2",
        title=Text(f"History of the golds: {name.en}", f"お手本の履歴：{name.ja}"),
        values={
            "events": happened,
            "names": {one.key: one.name for one in happened},
            "references": tuple(reversed(references)),
            "rounds": [(one, _effect(call.home, one, labels, active)) for one in rounds[:_EFFECTS]],
            "more": max(0, len(rounds) - _EFFECTS),
        },
    )


def confirming(call: Call) -> Response:
    """The page on which a person looks at a candidate and its steps, and promotes it."""
    key = _key(call)
    try:
        recording = promotable_recording(call.home, key)
    except GoldError:
        known = registered_recording(call.home, key)
        if known is not None and known.role == "gold" and known.retired is None:
            return call.go(f"/golds/{key}/steps")  # somebody promoted it meanwhile
        raise
    task = marked_task(call.home, load_task(call.home.tasks / f"{key.task_id}.yaml"))
    golds = Registry.read_golds(call.home).golds(key.task_id)
    found = listed_candidates(call.home, read_chain(call.home, key.task_id), golds)
    candidate = next(one for one in found if one.recording.key == key)
    now = golds_now(call.home, {key.task_id: golds})[key.task_id]
    gold = MarkedGold(recording, (), "", "", (), None)
    name = recording.original_name
    return call.page(
        "marking.html.j2",
        title=Text(f"Make {name} a gold", f"{name} をお手本にする"),
        values={
            "task": task,
            "gold": gold,
            "alone": False,
            "history": (),
            "data": _data(call, task, gold),
            "promotes": {
                "candidate": candidate,
                "lifts": lifts(now, candidate),
                "studies": held_out_cases(call.home).get(str(key), []),
                "letters": WHY_LETTERS,
            },
        },
    )


def _data(call: Call, task: MarkedTask, gold: MarkedGold) -> dict[str, object]:
    address = f"/promotions/{gold.recording.key}"
    data = marking_data(call, task, gold, alone=False)
    return {**data, "address": address, "promotes": True, "next": None}


def promote(call: Call) -> Response:
    """The person makes the recording a gold with these steps."""
    key = _key(call)
    try:
        sent = _Sent.model_validate_json(call.field("said"))
    except ValidationError as error:
        why = error.errors(include_url=False)[0]
        raise GoldError(
            f"{key}: expected steps with their times and a reason, found {why['msg']}."
        ) from error
    shown = sent.proposed
    did = CONFIRMED if shown.steps == sent.steps else CORRECTED
    event = promote_recording(
        call.home,
        key,
        who=call.who.who,
        why=sent.why,
        at=call.now,
        run_id=f"desk-{call.who.who}",
        marked=Proposed(sent.steps, f"{shown.by or 'nothing'}, {did}"),
    )
    scored = _count(active_keys(call.home), key.task_id)
    based_on = "" if event is None else event.event_id
    return JSONResponse({"new": event is not None, "based_on": based_on, "scored": scored, "next": None})


def demote(call: Call) -> Response:
    """The person takes a promotion back."""
    key, why = _key(call), call.field("why")
    if not why:
        missing = Text("Say why it is taken back.", "お手本から外す理由を入力してください。")
        return _list(call, refused=(str(key), why, missing))
    try:
        demote_recording(
            call.home, key, who=call.who.who, why=why, at=call.now, run_id=f"desk-{call.who.who}"
        )
    except GoldError as error:
        return _list(call, refused=(str(key), why, Text(str(error), error.ja or str(error))))
    return RedirectResponse(f"/promotions?back={key}", status_code=303)


def film(call: Call) -> Response:
    """When the pictures of the candidate's video are displayed, and what its strip is like."""
    return JSONResponse(film_of(call.home, promotable_recording(call.home, _key(call))).model_dump())


def strip(call: Call) -> Response:
    """The small pictures of the candidate's timeline."""
    path = strip_of(call.home, promotable_recording(call.home, _key(call)))
    return FileResponse(path, media_type="image/jpeg", headers=KEPT)


def proposal(call: Call) -> Response:
    """The candidate's steps as scoring found them, else as the golds propose them."""
    key = _key(call)
    recording = promotable_recording(call.home, key)
    task = marked_task(call.home, load_task(call.home.tasks / f"{key.task_id}.yaml"))
    found = proposed_to_promote(call.home, task.task, task.inputs, recording)
    steps = [one.model_dump() for one in found.steps]
    return JSONResponse({"steps": steps, "by": found.by, "golds": len(task.golds)})


def trial(call: Call) -> Response:
    """What would be left to a person with the candidate among the golds: some recordings judged once more."""
    key = _key(call)
    done = try_gold(call.home, promotable_recording(call.home, key))
    task, japanese = load_task(call.home.tasks / f"{key.task_id}.yaml"), call.language is Language.JA
    names = {step.id: step.name_ja if japanese and step.name_ja else step.name for step in task.steps}
    now, then = done.now, done.then
    return JSONResponse(
        {
            "tried": now.n,
            "people": now.clusters,
            "left_now": round((now.point or 0.0) * now.n),
            "left_then": round((then.point or 0.0) * then.n),
            "newly_decided": done.newly_decided,
            "newly_left": done.newly_left,
            "powers": [
                {"step": names[one.step_id], "now": _percent(one.now), "then": _percent(one.then)}
                for one in done.powers
            ],
        }
    )


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{share:.0%}"


def _key(call: Call) -> PartitionKey:
    return PartitionKey.parse(call.param("key"))


def _parsed(key: str) -> PartitionKey | None:
    try:
        return PartitionKey.parse(key)
    except ConfigError:
        return None


ROUTES: Final[tuple[DeskRoute, ...]] = (
    DeskRoute("/promotions", promotions, TRAINERS),
    DeskRoute("/promotions/history/{task}", history, TRAINERS),
    DeskRoute("/promotions/{key}", confirming, TRAINERS),
    DeskRoute("/promotions/{key}", promote, TRAINERS, ("POST",)),
    DeskRoute("/promotions/{key}/demote", demote, TRAINERS, ("POST",)),
    DeskRoute("/promotions/{key}/film", film, TRAINERS),
    DeskRoute("/promotions/{key}/strip", strip, TRAINERS),
    DeskRoute("/promotions/{key}/proposal", proposal, TRAINERS),
    DeskRoute("/promotions/{key}/trial", trial, TRAINERS),
)
