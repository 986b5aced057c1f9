"""Today: what waits for the person who looks."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Final

from starlette.responses import Response

from sopilot_assets.desk.call import YEAR_S, Call
from sopilot_assets.desk.pages.media import thumbnail_address
from sopilot_assets.desk.roles import EVERYBODY, LABELERS, TRAINERS
from sopilot_assets.desk.routing import DeskRoute
from sopilot_assets.desk.viewing import eyes_of
from sopilot_assets.evidence.blind_labels import labels_waiting
from sopilot_assets.scoring.limits import source_text
from sopilot_assets.scoring.review.words import TYPES
from sopilot_assets.stations.recording_list import NOT_JUDGED, ListFilter, a_policy_decided, list_recordings
from sopilot_assets.tasks import find_tasks
from sopilot_assets.texts.languages import Text
from sopilot_assets.upkeep.today import waiting_now

_NEWEST: Final = 10
_ANOTHER_VISIT: Final = timedelta(minutes=30)
"""Who was away for so long comes again."""


def today(call: Call) -> Response:
    """The first page."""
    since, latest = _visits(call)
    trains = call.who.role in TRAINERS
    eyes, tasks = eyes_of(call.who), find_tasks(call.home.root).tasks
    own = None if trains else list_recordings(call.home, eyes, ListFilter(), tasks=tasks)
    to_label = labels_waiting(call.home, call.who.who) if call.who.role in LABELERS else []
    waiting = waiting_now(call.home, call.now, since=since) if trains else None
    answer = call.page(
        "today.html.j2",
        title=Text("Today", "今日"),
        values={
            "waiting": waiting,
            "to_label": [one for one in to_label if one.task_id in tasks],
            "task_names": {task_id: task.names for task_id, task in tasks.items()},
            "types": TYPES,
            "own": None if own is None else own.rows[:_NEWEST],
            "own_count": 0 if own is None else own.total,
            "since": since,
            "waits": waiting.not_judged > 0 or any(task.renewing or task.behind for task in waiting.progress)
            if waiting
            else any(row.verdict is None and not row.hidden for row in (own.rows if own else ())),
            "not_judged": NOT_JUDGED,
            "thumbnail": thumbnail_address,
            "source_text": source_text,
            "a_policy_decided": own is not None and a_policy_decided(own.rows[:_NEWEST]),
        },
    )
    answer.set_cookie(
        _cookie(call),
        f"{since or ''}~{latest}",
        max_age=YEAR_S,
        httponly=True,
        secure=call.config.secure,
        samesite="lax",
    )
    return answer


def _visits(call: Call) -> tuple[str | None, str]:
    """When the visit before this one ended, None where nobody knows, and when this one was seen last: now."""
    before, _, latest = call.request.cookies.get(_cookie(call), "").strip('"').partition("~")
    now, since, seen = call.now, _moment(before), _moment(latest)
    if seen is not None and now - seen > _ANOTHER_VISIT:
        since = seen
    return None if since is None else since.isoformat(), now.isoformat(timespec="seconds")


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _cookie(call: Call) -> str:
    """The cookie of this person in this browser."""
    return f"sopilot_visit_{hashlib.sha256(call.who.who.encode()).hexdigest()[:12]}"


ROUTES: Final = (DeskRoute("/", today, EVERYBODY),)
