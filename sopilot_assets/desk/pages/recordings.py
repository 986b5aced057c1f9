"""Recordings: the list of all, with search, filters and pages."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Final, TypeVar
from urllib.parse import urlencode

from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, Response

from sopilot_assets.capture.ledgers import quarantine_ledger, videos_ledger
from sopilot_assets.capture.registry import registered_recording
from sopilot_assets.desk.call import Call
from sopilot_assets.desk.pages.media import thumbnail_address
from sopilot_assets.desk.roles import EVERYBODY
from sopilot_assets.desk.routing import DeskRoute
from sopilot_assets.desk.viewing import eyes_of
from sopilot_assets.labels.chain import labels_ledger
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.scoring.limits import source_text
from sopilot_assets.scoring.result import Decision
from sopilot_assets.scoring.review.words import TYPES
from sopilot_assets.scoring.verdict import DECISIONS, URGENCY
from sopilot_assets.stations.media import make_stills, still_of, thumbnail_ms
from sopilot_assets.stations.recording_list import (
    NOT_JUDGED,
    ListedRecording,
    ListFilter,
    ListOrder,
    RecordingPage,
    a_policy_decided,
    list_choices,
    list_recordings,
)
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.tasks import DeviationType, find_tasks
from sopilot_assets.texts.languages import Text

HERE: Final = "/recordings"
ORDERS: Final[Mapping[ListOrder, Text]] = {
    ListOrder.NEWEST: Text("Newest first", "新しい順"),
    ListOrder.OLDEST: Text("Oldest first", "古い順"),
    ListOrder.URGENT: Text("What needs a person first", "対応が必要な順"),
    ListOrder.LOWEST: Text("Lowest score first", "得点の低い順"),
    ListOrder.NAME: Text("By file name", "ファイル名順"),
    ListOrder.PERSON: Text("By person", "作業者順"),
    ListOrder.SITE: Text("By site", "拠点順"),
}
DECISION_CHOICES: Final = (
    *((one.value, DECISIONS[one]) for one in URGENCY),
    (NOT_JUDGED, Text("Not judged yet", "未判定")),
)
_TEXT_LETTERS: Final = 100
Choice = TypeVar("Choice", bound=StrEnum)


def recordings(call: Call) -> Response:
    """A page of the list; what it shows stands in its address."""
    wanted, tasks = asked_for(call.request.query_params), find_tasks(call.home.root).tasks
    eyes = eyes_of(call.who)
    found = list_recordings(call.home, eyes, wanted, page=call.page_number, tasks=tasks)
    choices = list_choices(call.home, eyes)
    names = {task_id: task.names for task_id, task in tasks.items()}
    answer = call.page(
        "recordings.html.j2",
        title=Text("Recordings", "録画"),
        values={
            "found": found,
            "wanted": wanted,
            "filtered": wanted != ListFilter(order=wanted.order),
            "choices": choices,
            "task_names": {task_id: names.get(task_id, Text(task_id, task_id)) for task_id in choices.tasks},
            "decisions": DECISION_CHOICES,
            "types": TYPES,
            "orders": ORDERS,
            "pages": _page_links(found, wanted),
            "waits": any(row.verdict is None and not row.hidden for row in found.rows),
            "thumbnail": thumbnail_address,
            "source_text": source_text,
            "a_policy_decided": a_policy_decided(found.rows),
        },
    )
    answer.background = BackgroundTask(_make_thumbnails, call.home, found.rows)
    return answer


def changes(call: Call) -> Response:
    """A stamp that is another one once anything was taken in, refused, judged or said; reads no table."""
    return JSONResponse({"stamp": stamp(call.home)})


def stamp(home: Home) -> str:
    """See `changes`: a hash of the names of the ledgers' files, which are never written twice."""
    ledgers = (videos_ledger(home), scores_ledger(home), labels_ledger(home), quarantine_ledger(home))
    names = "\n".join(name for one in ledgers for name in one.files())
    return hashlib.sha256(names.encode()).hexdigest()[:16]


def asked_for(query: Mapping[str, str]) -> ListFilter:
    """What a query asks for; what cannot be asked for is left out, so that an old link still shows
    something.
    """

    def text(name: str) -> str | None:
        return query.get(name, "").strip()[:_TEXT_LETTERS] or None

    decision = text("decision")
    return ListFilter(
        text=text("q") or "",
        task=text("task"),
        decision=decision if decision in {*Decision, NOT_JUDGED} else None,
        deviation=_choice(DeviationType, text("deviation")),
        person=text("person"),
        site=text("site"),
        since=_date(text("since")),
        until=_date(text("until")),
        contested=text("contested") is not None,
        order=_choice(ListOrder, text("order")) or ListOrder.NEWEST,
    )


def address_of(wanted: ListFilter, *, page: int = 1) -> str:
    """The address of a page of the list, the same for the same filter."""
    fields = {
        "q": wanted.text,
        "task": wanted.task,
        "decision": wanted.decision,
        "deviation": wanted.deviation,
        "person": wanted.person,
        "site": wanted.site,
        "since": wanted.since,
        "until": wanted.until,
        "contested": "yes" if wanted.contested else None,
        "order": None if wanted.order is ListOrder.NEWEST else wanted.order,
        "page": None if page == 1 else page,
    }
    query = urlencode({name: str(value) for name, value in fields.items() if value})
    return f"{HERE}?{query}" if query else HERE


def _page_links(found: RecordingPage, wanted: ListFilter) -> dict[str, str | None]:
    last = found.pages
    return {
        "previous": address_of(wanted, page=found.page - 1) if found.page > 1 else None,
        "next": address_of(wanted, page=found.page + 1) if found.page < last else None,
        "first": address_of(wanted) if found.page > 2 else None,
        "last": address_of(wanted, page=last) if found.page < last - 1 else None,
    }


def _make_thumbnails(home: Home, rows: tuple[ListedRecording, ...]) -> None:
    """Make the pictures that this page shows, all of them by one child process."""
    found = (registered_recording(home, PartitionKey.parse(row.key)) for row in rows if _lacks(home, row))
    make_stills(home, [(one, thumbnail_ms(one.duration_s)) for one in found if one is not None])


def _lacks(home: Home, row: ListedRecording) -> bool:
    key = PartitionKey.parse(row.key)
    return still_of(home, key, thumbnail_ms(row.duration_s)).waits


def _date(text: str | None) -> str | None:
    try:
        return None if text is None else date.fromisoformat(text).isoformat()
    except ValueError:
        return None


def _choice(kind: type[Choice], text: str | None) -> Choice | None:
    return kind(text) if text in set(kind) else None


ROUTES: Final = (
    DeskRoute(HERE, recordings, EVERYBODY),
    DeskRoute("/changes", changes, EVERYBODY),
)
