"""One recording: what was found in it, what people say of that, and its video."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from starlette.background import BackgroundTask
from starlette.responses import Response

from sopilot_assets.capture.reasons import flag_texts
from sopilot_assets.capture.registry import Recording
from sopilot_assets.desk.accounts import list_accounts
from sopilot_assets.desk.call import Call, number_in
from sopilot_assets.desk.pages.media import still_address, video_address
from sopilot_assets.desk.pages.people import results_address
from sopilot_assets.desk.roles import EVERYBODY, TRAINERS, Role
from sopilot_assets.desk.routing import DeskRoute, failed
from sopilot_assets.desk.viewing import hides_result, not_there, visible_recording
from sopilot_assets.errors import LabelError
from sopilot_assets.labels.contests import objections_to
from sopilot_assets.labels.disputes import who_differ
from sopilot_assets.labels.events import Agreement, LabelEvent, RaterVerdict, Seen
from sopilot_assets.labels.history import SaidOnce, finding_name, history
from sopilot_assets.labels.saying import Answered, events_of, own_words, reported_by
from sopilot_assets.privacy.policy import covering_for
from sopilot_assets.scoring.ledger import row_source
from sopilot_assets.scoring.limits import source_text
from sopilot_assets.scoring.result import Objection
from sopilot_assets.scoring.review.values import review_values
from sopilot_assets.stations.contests import say_and_show
from sopilot_assets.stations.media import make_stills, make_video, video_of
from sopilot_assets.stations.review_now import (
    Addresses,
    ResultNow,
    result_now,
    score_row_of,
    served_review,
    stills_shown,
)
from sopilot_assets.store.ledgers import Row
from sopilot_assets.tasks import TaskSpec, find_tasks, notice_of
from sopilot_assets.tasks.words import task_name
from sopilot_assets.texts.languages import Text

_CRITICAL: Final = {"yes": True, "no": False, "unsure": None}
_ADDRESSES: Final = Addresses(video=video_address, still=still_address)


@dataclass(frozen=True, slots=True)
class Opinion:
    """What others say of one finding: who agrees, who does not; and ``own``, what who asks says: yes, no or
    unsure, empty where they said nothing. ``comments`` are all comments on it, the newest first.
    """

    agree: tuple[str, ...]
    disagree: tuple[str, ...]
    own: str
    comments: tuple[SaidOnce, ...]


def review(call: Call) -> Response:
    """The page of a recording."""
    recording = visible_recording(call)
    if recording is None:
        return not_there(call)
    events = events_of(call.home, recording.key)
    if hides_result(call, recording, events):
        return _page(call, recording, "recording_hidden.html.j2", {}, [(recording, _ready(call, recording))])
    told = result_now(call.home, recording.key)
    if told is None:
        return _page(call, recording, "recording_waits.html.j2", {}, [(recording, _ready(call, recording))])
    return _result(call, recording, told, events)


def say(call: Call) -> Response:
    """Something was said of the result, or of a finding."""
    recording = visible_recording(call)
    events = [] if recording is None else events_of(call.home, recording.key)
    if recording is None or hides_result(call, recording, events):
        return not_there(call)
    row = score_row_of(call.home, recording.key)
    said = _answered(call, row, nobody_else=_nobody_else(call, objections_to(str(recording.key), events)))
    if said is None:
        return failed(call, 403, Text("This is not yours to say.", "この入力を行う権限がありません。"))
    say_and_show(
        call.home,
        recording.key,
        said,
        row_id=call.field("row"),
        who=call.who.who,
        at=call.now.isoformat(timespec="seconds"),
    )
    return call.go(f"/recordings/{recording.key}#said")


def _result(call: Call, recording: Recording, told: ResultNow, events: list[LabelEvent]) -> Response:
    golds = told.golds or {}
    shown: dict[str, object] = {}
    if told.work is not None:
        content = served_review(told, recording, _ADDRESSES)
        if call.who.role is Role.TRAINEE:  # who was filmed in a gold is not theirs to know
            names = {gold.gold_id: golds[gold.gold_id].original_name for gold in content.golds}
            content = replace(content, gold_names=names)
        shown = {name: value for name, value in review_values(content).items() if name != "title"}
        playing = [recording, *(golds[gold.gold_id] for gold in content.golds)]
    else:
        playing = [recording]
    own, task = own_words(events, call.who.who), find_tasks(call.home.root).tasks.get(recording.task_id)
    objections = objections_to(str(recording.key), events)
    reported, before = reported_by(told.row), _history(call, events, task)
    values = {
        **shown,
        "told": told,
        "shows": told.work is not None,
        "own": own,
        "opinions": [_opinion(one, events, call.who.who, _comments(one, before, task)) for one in reported],
        "objections": objections,
        "contests": call.who.who in {one.who for one in objections},
        "differs": call.who.who in who_differ(events).get(str(recording.key), ()),
        "nobody_else": _nobody_else(call, objections),
        "history": before,
        "may_settle": call.who.role in TRAINERS,
        "worker": call.who.role is Role.TRAINEE,
        "decided_by": source_text(row_source(told.row)),
        "policies_shown": call.who.role is not Role.TRAINEE,
    }
    answer = _page(
        call, recording, "recording.html.j2", values, [(one, _ready(call, one)) for one in playing]
    )
    answer.background = BackgroundTask(_prepare, call, stills_shown(told, recording), playing)
    return answer


def _page(
    call: Call,
    recording: Recording,
    template: str,
    values: Mapping[str, object],
    videos: Iterable[tuple[Recording, bool]],
) -> Response:
    task = find_tasks(call.home.root).tasks.get(recording.task_id)
    name = recording.original_name
    hidden = template == "recording_hidden.html.j2"
    return call.page(
        template,
        title=Text(recording.key.video_id, recording.key.video_id) if hidden else Text(name, name),
        values={
            "recording": recording,
            "task_title": task_name(task, recording.task_id),
            "hidden": hidden,
            "lacking": flag_texts(recording.flags),
            "covered": bool(covering_for(call.home, recording.task_id)),
            "notices": [(None, notice_of(call.home, task.privacy if task else None))],
            "person_address": _person_address(call, recording),
            "video": video_address(recording),
            "not_ready": [video_address(one) for one, ready in videos if not ready],
            **values,
        },
    )


def _person_address(call: Call, recording: Recording) -> str | None:
    """Where the results of the person are; None where there are none for who asks."""
    if recording.person is None or recording.key.role != "trainee" or call.who.role not in TRAINERS:
        return None
    return results_address(recording.person, recording.task_id)


def _ready(call: Call, recording: Recording) -> bool:
    return video_of(call.home, recording).path is not None


def _prepare(call: Call, stills: list[tuple[Recording, int]], videos: list[Recording]) -> None:
    """Make what the page shows, once it is sent: pictures first, they take least."""
    make_stills(call.home, stills)
    for one in videos:
        if video_of(call.home, one).waits:
            make_video(call.home, one)


def _history(call: Call, events: list[LabelEvent], task: TaskSpec | None) -> list[SaidOnce]:
    return history(events, task, blind=call.who.role is not Role.TRAINEE)


def _comments(one: Agreement, before: list[SaidOnce], task: TaskSpec | None) -> tuple[SaidOnce, ...]:
    about = finding_name(Seen(type=one.type, steps=one.steps), task)
    return tuple(said for said in before if said.note and said.about == about)


def _opinion(one: Agreement, events: list[LabelEvent], who: str, comments: tuple[SaidOnce, ...]) -> Opinion:
    newest = {event.who: event for event in events if not event.adjudicates and event.source.value == "human"}
    said = {
        name: its.agree
        for name, event in newest.items()
        for its in event.deviations
        if (its.type, its.steps, its.suspected) == (one.type, one.steps, one.suspected)
    }
    own = {True: "yes", False: "no", None: "unsure"}[said[who]] if who in said else ""
    return Opinion(
        agree=tuple(sorted(name for name, agrees in said.items() if agrees and name != who)),
        disagree=tuple(sorted(name for name, agrees in said.items() if agrees is False and name != who)),
        own=own,
        comments=comments,
    )


def _nobody_else(call: Call, objections: Sequence[Objection]) -> bool:
    """Whether nobody who may answer is there but those who contest; without accounts nobody else is known."""
    contest = {one.who for one in objections}
    return not any(one.role in TRAINERS and one.who not in contest for one in list_accounts(call.home))


def _answered(call: Call, row: Row | None, *, nobody_else: bool) -> Answered | None:
    """What the form says; None for what who asks may not say."""
    kind, note = call.field("kind"), call.field("note")
    critical = call.field("critical")
    answer = (_CRITICAL[critical],) if critical in _CRITICAL else None
    contests = kind == "whole" and call.field("verdict") == RaterVerdict.DISAGREE.value and answer is None
    if call.who.role is Role.TRAINEE and not contests:
        return None  # what else a worker says would count as if somebody had looked at the recording
    if kind == "settle":
        settled = Answered(critical=answer, note=note, settles=True, nobody_else=nobody_else)
        return settled if call.who.role in TRAINERS else None
    if kind == "finding":
        return _of_finding(call, row, note)
    verdict = RaterVerdict(said) if (said := call.field("verdict")) in set(RaterVerdict) and said else None
    if call.who.role is Role.TRAINEE and verdict is RaterVerdict.DISAGREE and not note:
        raise LabelError(
            "A reason is missing: say in a few words what is wrong with the result.",
            ja="理由が入力されていません。判定のどこが違うのかを短く書いてください。",
        )
    if verdict is None and answer is None and not note:
        raise LabelError("Nothing was said: choose an answer or write a comment.", ja=_NOTHING_JA)
    return Answered(verdict=verdict, critical=answer, note=note)


_NOTHING_JA: Final = "入力がありません。答えを選ぶか、コメントを書いてください。"


def _of_finding(call: Call, row: Row | None, note: str) -> Answered:
    reported = () if row is None else reported_by(row)
    number = number_in(call.field("finding"))
    if number is None or number >= len(reported):
        raise LabelError(
            f"finding {call.field('finding')[:20]!r}: the result reports {len(reported)} findings. Open the "
            "recording again.",
            ja="その指摘はこの判定にありません。もう一度録画を開いてください。",
        )
    one, agree = reported[number], call.field("agree")
    if agree not in _CRITICAL and not note:
        raise LabelError("Nothing was said: choose an answer or write a comment.", ja=_NOTHING_JA)
    said = one.model_copy(update={"agree": _CRITICAL[agree]}) if agree in _CRITICAL else None
    return Answered(finding=said, note=note, about=Seen(type=one.type, steps=one.steps))


ROUTES: Final = (
    DeskRoute("/recordings/{key}", review, EVERYBODY),
    DeskRoute("/recordings/{key}/say", say, EVERYBODY, ("POST",)),
)
