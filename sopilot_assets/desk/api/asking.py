"""What a program may ask: the parameters of each endpoint, as models that refuse everything else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)

from sopilot_assets.desk.api.models import KEY_PATTERN
from sopilot_assets.scoring.result import Decision
from sopilot_assets.stations.recording_feed import PLACE_PATTERN
from sopilot_assets.tasks import DeviationType
from sopilot_assets.tasks.spec import TASK_ID_PATTERN
from sopilot_assets.texts.languages import Text

MOST: Final = 200
USUAL: Final = 100
PARAMETERS: Final[Mapping[str, Text]] = {
    "key": Text("The key of a recording.", "録画のキー。"),
    "task": Text("The id of a task.", "手順書の ID。"),
    "role": Text("Golds or trainees.", "お手本（gold）または受講者（trainee）。"),
    "decision": Text("With this decision, or not judged yet.", "この判定のもの、または未判定。"),
    "deviation": Text("With a deviation of this type.", "この種類の逸脱があるもの。"),
    "person": Text(
        "Of this person; needs the scope persons.", "この作業者のもの。persons の権限が必要です。"
    ),
    "site": Text("Made at this site.", "この拠点のもの。"),
    "since": Text(
        "Recorded, or taken in where that is unknown, on this day (UTC) or after.",
        "録画日（不明なら受付日、UTC）がこの日以降のもの。",
    ),
    "until": Text("The same on this day (UTC) or before.", "同じくこの日以前のもの。"),
    "judged_since": Text(
        "With a newest result from this time on: what has changed since.",
        "最新の判定がこの時刻以降のもの。前回からの変更がわかります。",
    ),
    "contested": Text("Only contested ones, or only others.", "異議のあるものだけ、またはないものだけ。"),
    "since_week": Text("In this ISO week or after, such as 2026-W05.", "この ISO 週以降（例 2026-W05）。"),
    "until_week": Text("In this ISO week or before.", "この ISO 週以前。"),
    "limit": Text(f"How many at most: 1 to {MOST}.", f"最大件数（1 から {MOST}）。"),
    "cursor": Text("What next said in the part before.", "前の応答の next の値。"),
}
"""What each parameter means, for the description and for the page of it."""

EXPECTED: Final[Mapping[str, str]] = {
    "task": "the id of a task",
    "since": "a day such as 2026-02-23",
    "until": "a day such as 2026-02-23",
    "judged_since": "a time with its zone, such as 2026-02-23T09:30:00Z (in an address + is %2B)",
    "since_week": "an ISO week such as 2026-W05",
    "until_week": "an ISO week such as 2026-W05",
    "person": "a name without control characters",
    "site": "a name without control characters",
    "cursor": "what next said in the part before",
}
"""What a parameter looks like that has a pattern, for whoever sent another."""


def _day(text: str) -> str:
    date.fromisoformat(text)
    return text


def _moment(text: str) -> str:
    moment = datetime.fromisoformat(text.upper())
    if moment.tzinfo is None:
        raise ValueError("expected a time with its zone, such as 2026-02-23T09:30:00Z")
    try:
        return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    except OverflowError:
        raise ValueError("expected a time in a year of UTC from 1 to 9999") from None


def _digits(said: object) -> object:
    if isinstance(said, str) and not (said.isascii() and said.isdecimal() and len(said) < 10):
        raise ValueError(f"expected a whole number from 1 to {MOST}")
    return said


def _true_or_false(said: object) -> object:
    if isinstance(said, str) and said not in ("true", "false"):
        raise ValueError("expected true or false")
    return said


_Day = Annotated[
    str,
    StringConstraints(pattern=r"^\d{4}-\d\d-\d\d$"),
    AfterValidator(_day),
    WithJsonSchema({"type": "string", "format": "date"}),
]
_Moment = Annotated[
    str,
    StringConstraints(pattern=r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$"),
    AfterValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
_Week = Annotated[str, StringConstraints(pattern=r"^\d{4}-W(0[1-9]|[1-4]\d|5[0-3])$")]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
_Count = Annotated[
    int,
    BeforeValidator(_digits),
    Field(ge=1, le=MOST),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST}),
]
_Flag = Annotated[bool, BeforeValidator(_true_or_false), WithJsonSchema({"type": "boolean"})]


def _asked(name: str) -> Any:
    return Field(default=None, description=PARAMETERS[name].en)


class Query(BaseModel):
    """Base of all queries: a parameter that is not listed is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoQuery(Query):
    """No parameters."""


class RecordingQuery(Query):
    """Which recordings, and which part of them."""

    task: Annotated[str, StringConstraints(pattern=TASK_ID_PATTERN)] | None = _asked("task")
    role: Literal["gold", "trainee"] | None = _asked("role")
    decision: Decision | Literal["not_judged"] | None = _asked("decision")
    deviation: DeviationType | None = _asked("deviation")
    person: _Name | None = _asked("person")
    site: _Name | None = _asked("site")
    since: _Day | None = _asked("since")
    until: _Day | None = _asked("until")
    judged_since: _Moment | None = _asked("judged_since")
    contested: _Flag | None = _asked("contested")
    limit: _Count = Field(default=USUAL, description=PARAMETERS["limit"].en)
    cursor: Annotated[str, StringConstraints(pattern=PLACE_PATTERN)] | None = _asked("cursor")


class TimesQuery(Query):
    """Which recordings the figures are of."""

    site: _Name | None = _asked("site")
    since_week: _Week | None = _asked("since_week")
    until_week: _Week | None = _asked("until_week")


class TaskPath(BaseModel):
    """A task in the path."""

    task: Annotated[str, StringConstraints(pattern=TASK_ID_PATTERN)] = Field(
        description=PARAMETERS["task"].en
    )


class RecordingPath(BaseModel):
    """A recording in the path."""

    key: Annotated[str, StringConstraints(pattern=KEY_PATTERN)] = Field(description=PARAMETERS["key"].en)


class NoPath(BaseModel):
    """Nothing in the path."""
