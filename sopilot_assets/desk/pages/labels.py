"""Labels: each person's queue of recordings to judge without seeing the result, one after the other."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from sopilot_assets.capture.registry import Recording
from sopilot_assets.desk.accounts import list_accounts
from sopilot_assets.desk.call import Call
from sopilot_assets.desk.pages.media import video_task
from sopilot_assets.desk.roles import LABELERS, TRAINERS, Role
from sopilot_assets.desk.routing import DeskRoute
from sopilot_assets.desk.turns import take_turn
from sopilot_assets.desk.viewing import visible_recording
from sopilot_assets.errors import LabelError
from sopilot_assets.evidence.blind_labels import (
    BlindAnswer,
    blind_queues,
    give_blind_label,
    last_blind_word,
)
from sopilot_assets.labels.agreement import RaterAgreement, rater_agreement
from sopilot_assets.labels.cells import answer_text
from sopilot_assets.labels.disputes import Dispute, disputes
from sopilot_assets.labels.events import LabelEvent, RaterAnswer, Source
from sopilot_assets.labels.history import finding_name, moment_of
from sopilot_assets.labels.queues import GivenAnswer, RaterProgress, TaskLabels
from sopilot_assets.labels.saying import events_of
from sopilot_assets.scoring.review.words import TYPES
from sopilot_assets.stations.marking_media import film_of
from sopilot_assets.stations.media import video_of
from sopilot_assets.store.home import plain_id
from sopilot_assets.tasks import DeviationType, TaskSpec, find_tasks, load_task
from sopilot_assets.texts.languages import Language, Text

HERE: Final = "/label"
_NEWEST: Final = 10
_LISTED: Final = 20
_MOST_SEEN: Final = 100
_STEPS_NAMED: Final = {DeviationType.FREEZE: 0, DeviationType.ORDER_SWAP: 2}
"""How many steps a deviation is about, where it is not one."""
ANSWERS: Final = {
    "yes": Text("Yes, a critical deviation", "重大な逸脱がある"),
    "no": Text("No critical deviation", "重大な逸脱はない"),
    "unsure": Text("Cannot tell", "判断できない"),
}


@dataclass(frozen=True, slots=True)
class TaskToLabel:
    """What a task's part of the overview shows. ``may_settle`` counts the open disputes that who asks may
    settle, ``open_disputes`` all that they may know of, ``disputed`` the first of these, each with whether
    they may settle it; it says who differs and not who said what. ``given_last`` are their newest labels;
    ``agreement`` is None for who may not see it yet. Nobody is told of a dispute of their own before they
    have finished: it says what the other one answered.
    """

    task_id: str
    name: Text
    own: RaterProgress
    others: int
    open_disputes: int
    may_settle: int
    disputed: Sequence[tuple[Dispute, bool]]
    progress: Sequence[RaterProgress]
    given_last: Sequence[GivenAnswer]
    agreement: RaterAgreement | None


def overview(call: Call) -> Response:
    """What there is to label for who asks, and how far everybody is."""
    tasks = find_tasks(call.home.root).tasks
    found = [
        _task_to_label(call, labels, tasks[task_id])
        for task_id, labels in blind_queues(call.home).items()
        if task_id in tasks
    ]
    asked = call.request.query_params
    return call.page(
        "labels.html.j2",
        title=Text("Label", "評価"),
        values={
            "tasks": found,
            "answers": ANSWERS,
            "answer_of": _answer_of,
            "done": asked.get("done"),
            "held": asked.get("held"),
        },
    )


def next_one(call: Call) -> Response:
    """To the next recording of a task's queue."""
    asked = call.request.query_params
    labels = _labels(call, asked.get("task", ""))
    return call.go(_next_path(call, labels, after=asked.get("after"), others="others" in asked))


def next_dispute(call: Call) -> Response:
    """To the next dispute that who asks may settle."""
    asked = call.request.query_params
    labels = _labels(call, asked.get("task", ""))
    return call.go(_next_dispute(call, labels, after=asked.get("after")))


def label(call: Call) -> Response:
    """The page of one recording to label, or of a label of one's own to correct."""
    return _form(call, _recording(call), settles=False)


def settle(call: Call) -> Response:
    """The page of one recording that others disagree on."""
    return _form(call, _recording(call), settles=True)


def label_sent(call: Call) -> Response:
    """A label was given."""
    return _sent(call, settles=False)


def settle_sent(call: Call) -> Response:
    """A dispute was settled."""
    return _sent(call, settles=True)


def settled(call: Call) -> Response:
    """What the two said, and the third: shown to the third, once they have answered."""
    recording = _recording(call)
    events = events_of(call.home, recording.key)
    own = last_blind_word(events, call.who.who, settling=True)
    if own is None:
        raise HTTPException(404)
    dispute = disputes(events).get(str(recording.key))
    who = () if dispute is None else dispute.who
    said = [last_blind_word(events, one) for one in who]
    labels = _labels(call, recording.task_id)
    more = labels.may_settle(call.who.who)
    return call.page(
        "label_settled.html.j2",
        title=_title(recording),
        values={
            "recording": recording,
            "said": [_told(call, one) for one in said if one is not None],
            "own": _told(call, own),
            "next": _query(f"{HERE}/next-dispute", task=recording.task_id) if more else None,
        },
    )


def film(call: Call) -> Response:
    """When the pictures of the recording's video are displayed."""
    return JSONResponse(film_of(call.home, _recording(call)).model_dump(include={"frames_ms", "end_ms"}))


@dataclass(frozen=True, slots=True)
class _Typed:
    """What stands in the form: the cells of a blind sheet, and what was said last as far as it was shown."""

    critical: str = ""
    seen: tuple[str, ...] = ()
    note: str = ""
    before: str = ""

    @classmethod
    def sent(cls, call: Call) -> _Typed:
        """What was sent."""
        seen = [word for word in call.form.getlist("seen") if isinstance(word, str) and word]
        return cls(call.field("critical"), tuple(seen[:_MOST_SEEN]), call.field("note"), call.field("before"))

    @classmethod
    def said(cls, event: LabelEvent | None) -> _Typed:
        """What was said before."""
        if event is None:
            return cls()
        return cls(_answer_of(event), tuple(map(str, event.seen)), event.note, event.event_id)


def _form(
    call: Call,
    recording: Recording,
    *,
    settles: bool,
    typed: _Typed | None = None,
    refused: LabelError | None = None,
) -> Response:
    """The form of one label: empty, with what was said before, or with what was typed and why it was
    ``refused``.
    """
    labels, task = _labels(call, recording.task_id), _task(call, recording.task_id)
    who, key, others = call.who.who, str(recording.key), _others(call)
    own = last_blind_word(events_of(call.home, recording.key), who, settling=settles)
    if settles and own is None and refused is None and key not in {one.key for one in labels.may_settle(who)}:
        raise HTTPException(404)
    if refused is None and own is None:
        take_turn(call.home, who, [key], at=call.now)
    queue = labels.queue(who)
    following = [] if settles else queue.in_order(after=key, others=others)[:1]
    left = labels.may_settle(who) if settles else (queue.others if others else queue.asked)
    typed = typed or _Typed.said(own)
    answer = call.page(
        "label.html.j2",
        title=_title(recording),
        status=200 if refused is None else 422,
        values={
            "recording": recording,
            "task": task,
            "settles": settles,
            "corrects": own is not None,
            "others": others,
            "left": len(left),
            "back": None if settles else _before(labels, who, key),
            "skip": _address(f"{HERE}/next-dispute" if settles else f"{HERE}/next", task, key, others=others),
            "answers": ANSWERS,
            "typed": typed,
            "refused": None if refused is None else Text(str(refused), refused.ja or str(refused)),
            "next_video": next((f"/media/{one}" for one in following if one != key), ""),
            "data": _data(call, task, recording, typed),
        },
    )
    answer.background = video_task(call, recording, video_of(call.home, recording))
    return answer


def _sent(call: Call, *, settles: bool) -> Response:
    """The form was sent: go on, or show it again with why it was refused and all that was typed."""
    recording, typed = _recording(call), _Typed.sent(call)
    task, key = _task(call, recording.task_id), str(recording.key)
    said = BlindAnswer(typed.critical, typed.seen, typed.note, settles=settles, before=typed.before)
    at = call.now.isoformat(timespec="seconds")
    try:
        give_blind_label(call.home, task, recording, said, who=call.who.who, at=at)
    except LabelError as error:
        if _by_script(call):
            raise
        return _form(call, recording, settles=settles, typed=typed, refused=error)
    if settles:
        return _gone(call, f"{HERE}/{key}/settled")
    return _gone(call, _next_path(call, _labels(call, task.task_id), after=key, others=_others(call)))


def _next_path(call: Call, labels: TaskLabels, *, after: str | None, others: bool) -> str:
    """Where the next recording is labeled that nobody else looks at; the overview where there is none."""
    keys = labels.queue(call.who.who).in_order(after=after, others=others)
    chosen = take_turn(call.home, call.who.who, keys, at=call.now)
    if chosen is not None:
        return f"{HERE}/{chosen}?others=yes" if others else f"{HERE}/{chosen}"
    return _query(HERE, **{"held" if keys else "done": labels.task_id})


def _next_dispute(call: Call, labels: TaskLabels, *, after: str | None) -> str:
    """The same of disputes, the longest open first; ``after`` comes last."""
    keys = [one.key for one in labels.may_settle(call.who.who)]
    place = keys.index(after) + 1 if after in keys else 0
    chosen = take_turn(call.home, call.who.who, [*keys[place:], *keys[:place]], at=call.now)
    if chosen is not None:
        return f"{HERE}/{chosen}/settle"
    return _query(HERE, **{"held" if keys else "done": labels.task_id})


def _task_to_label(call: Call, labels: TaskLabels, task: TaskSpec) -> TaskToLabel:
    who, trains = call.who.who, call.who.role in TRAINERS
    raters = [one.who for one in list_accounts(call.home) if one.role is Role.RATER] if trains else []
    progress = labels.progress([*raters, who])
    own = next(one for one in progress if one.who == who)
    settles = {one.key for one in labels.may_settle(who)}
    newest = {event.key: event for event in labels.events if _is_own(event, who)}
    by_time = sorted(newest.values(), key=lambda event: -event.seq)
    finished = own.to_give == 0 and (own.given > 0 or trains)
    known = [one for one in labels.disputed.values() if trains and (finished or who not in one.who)]
    return TaskToLabel(
        task_id=task.task_id,
        name=task.names,
        own=own,
        others=len(labels.queue(who).others),
        open_disputes=len(known),
        may_settle=len(settles),
        disputed=[(one, one.key in settles) for one in known[:_LISTED]],
        progress=[one for one in progress if one.given or one.who in raters] if trains else [],
        given_last=by_time[:_NEWEST],
        agreement=_agreement(labels) if finished else None,
    )


@functools.lru_cache(maxsize=32)
def _agreement(labels: TaskLabels) -> RaterAgreement:
    """Kept as long as nobody labeled anything since."""
    return rater_agreement(labels.events)


def _is_own(event: RaterAnswer, who: str) -> bool:
    return event.who == who and event.source is Source.BLIND_HUMAN and not event.adjudicates


def _before(labels: TaskLabels, who: str, key: str) -> str | None:
    """Where the label is corrected that a person gave before this recording."""
    own = [event for event in labels.events if _is_own(event, who)]
    place = next((n for n, event in enumerate(own) if event.key == key), len(own))
    return f"{HERE}/{own[place - 1].key}" if place else None


def _told(call: Call, event: LabelEvent) -> dict[str, object]:
    """What an event says, in words."""
    task = find_tasks(call.home.root).tasks.get(event.task_id)
    return {
        "who": event.who,
        "at": event.at,
        "answer": ANSWERS[_answer_of(event)],
        "seen": [(finding_name(one, task), moment_of(one)) for one in event.seen],
        "note": event.note,
    }


def _data(call: Call, task: TaskSpec, recording: Recording, typed: _Typed) -> dict[str, object]:
    """What the page's script needs to know."""
    japanese = call.language is Language.JA
    return {
        "key": str(recording.key),
        "types": [
            {"id": one.value, "name": name.ja if japanese else name.en, "steps": _STEPS_NAMED.get(one, 1)}
            for one, name in TYPES.items()
        ],
        "steps": [
            {"id": step.id, "name": step.name_ja if japanese and step.name_ja else step.name}
            for step in task.steps
        ],
        "seen": [_parts(word) for word in typed.seen],
    }


def _parts(word: str) -> dict[str, object]:
    """A deviation as the script shows it, whatever was typed."""
    named, _, at = word.partition("@")
    kind, _, steps = named.partition(":")
    return {"type": kind, "steps": [step for step in steps.split("+") if step], "at": at or None}


def _answer_of(event: RaterAnswer) -> str:
    return answer_text(event.critical_expected)


def _title(recording: Recording) -> Text:
    """The blind name of a recording: a part of its hash."""
    return Text(f"Recording {recording.key.video_id}", f"録画 {recording.key.video_id}")


def _recording(call: Call) -> Recording:
    """The trainee recording that the path names."""
    found = visible_recording(call)
    if found is None or found.key.role != "trainee" or found.retired is not None:
        raise HTTPException(404)
    return found


def _labels(call: Call, task_id: str) -> TaskLabels:
    found = blind_queues(call.home).get(task_id)
    if found is None:
        raise HTTPException(404)
    return found


def _task(call: Call, task_id: str) -> TaskSpec:
    """The task of a recording; raises its ``TaskError`` where the file cannot be used."""
    return load_task(call.home.tasks / f"{plain_id(task_id, 'task')}.yaml")


def _others(call: Call) -> bool:
    return "others" in call.request.query_params or bool(call.field("others"))


def _by_script(call: Call) -> bool:
    return "application/json" in call.request.headers.get("accept", "")


def _gone(call: Call, path: str) -> Response:
    return JSONResponse({"go": path}) if _by_script(call) else call.go(path)


def _address(path: str, task: TaskSpec, after: str, *, others: bool) -> str:
    more = {"others": "yes"} if others else {}
    return _query(path, task=task.task_id, after=after, **more)


def _query(path: str, **fields: str) -> str:
    return f"{path}?{urlencode(fields)}"


ROUTES: Final = (
    DeskRoute(HERE, overview, LABELERS),
    DeskRoute(f"{HERE}/next", next_one, LABELERS),
    DeskRoute(f"{HERE}/next-dispute", next_dispute, LABELERS),
    DeskRoute(HERE + "/{key}", label, LABELERS),
    DeskRoute(HERE + "/{key}", label_sent, LABELERS, ("POST",)),
    DeskRoute(HERE + "/{key}/film", film, LABELERS),
    DeskRoute(HERE + "/{key}/settle", settle, LABELERS),
    DeskRoute(HERE + "/{key}/settle", settle_sent, LABELERS, ("POST",)),
    DeskRoute(HERE + "/{key}/settled", settled, LABELERS),
)
