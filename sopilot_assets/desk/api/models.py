"""What the API answers, as models: the OpenAPI description is made from them, and every answer is one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from sopilot_assets.scoring.result import Cause, Decision
from sopilot_assets.tasks import DeviationType, Severity
from sopilot_assets.times.occurrences import OccurrenceKind

KEY_PATTERN: Final = r"^[a-z][a-z0-9_]{0,47}-[gt]-[0-9a-f]{12}$"
GOLD_OR_TRAINEE: Final = r"^(gold|trainee)$"


def _in_utc(moment: datetime) -> str:
    at = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return at.isoformat().replace("+00:00", "Z")


Moment = Annotated[
    datetime,
    PlainSerializer(_in_utc, return_type=str),
    Field(json_schema_extra={"format": "date-time"}),
]
"""A time; answers have it in UTC."""


class ApiAnswer(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(ApiAnswer):
    """A text in both languages."""

    en: str
    ja: str


class StepOut(ApiAnswer):
    """A step of a task."""

    id: str
    name: Words
    critical: bool


class TaskOut(ApiAnswer):
    """A procedure as its file says it now."""

    task: str = Field(description="The id by which recordings name it.")
    name: Words
    version: int
    pass_score: float
    retrain_score: float
    steps: list[StepOut]


class Tasks(ApiAnswer):
    """All procedures whose files can be used, by id."""

    tasks: list[TaskOut]


class ResultOut(ApiAnswer):
    """The newest result of a recording, in short."""

    score_id: str = Field(description="The row of the ledger of scores.")
    judged_at: Moment
    decision: Decision
    cause: Cause | None = Field(description="What led to the decision; null in results of old versions.")
    score: float | None = Field(description="0 to 100; null where nothing can be said.")
    score_low: float | None = Field(description="With score_high the range that holds it at 90 %.")
    score_high: float | None
    critical_deviations: int
    quality_deviations: int
    efficiency_deviations: int
    deviation_types: list[DeviationType]
    decided_by: str = Field(description="Whose limits decided: the golds' own, or a policy.")
    task_version: int | None


class Links(ApiAnswer):
    """Where more is told, as paths of the desk."""

    api: str = Field(description="The recording with its result here.")
    page: str = Field(description="Its page for people.")


class RecordingOut(ApiAnswer):
    """A recording that counts, with its newest result."""

    key: str = Field(pattern=KEY_PATTERN)
    task: str
    role: str = Field(pattern=GOLD_OR_TRAINEE)
    file: str | None = Field(description="The file's name; null without the scope persons.")
    person: str | None = Field(description="Who is seen; null without the scope persons, or unknown.")
    session: str | None = Field(description="Null without the scope persons, or unknown.")
    site: str | None
    camera: str | None
    duration_s: float
    recorded_at: Moment | None = Field(description="Null where nobody knows.")
    taken_at: Moment = Field(description="When it was taken in.")
    contested: bool = Field(description="A person calls the decision wrong, and nobody has answered.")
    result: ResultOut | None = Field(description="Null where it was not judged yet.")
    links: Links


class Recordings(ApiAnswer):
    """A part of the list; next is null at its end, else the cursor of the part after it."""

    recordings: list[RecordingOut]
    next: str | None


class DeviationOut(ApiAnswer):
    """A deviation, found or suspected."""

    type: DeviationType
    severity: Severity
    steps: list[str]
    start_s: float = Field(description="In the recording; the same as end_s where something is missing.")
    end_s: float
    confidence: float = Field(description="How probable it is, 0 to 1.")
    text: Words


class FullResult(ResultOut):
    """A result with all that was found."""

    reason: Words
    deviations: list[DeviationOut]
    suspected: list[DeviationOut] = Field(description="Not found, and not ruled out either.")
    critical_probability: float | None
    not_scored: str | None = Field(
        description="Why it could not be scored, in full with the scope persons; null where it was."
    )
    task_fingerprint: str | None
    reference_id: str | None
    algorithm: str | None


class RecordingWithResult(RecordingOut):
    """A recording with its newest result and all that was found."""

    result: FullResult | None


class ScoreHistory(ApiAnswer):
    """All results that a recording ever had, the newest first."""

    key: str = Field(pattern=KEY_PATTERN)
    results: list[FullResult]


class StretchOut(ApiAnswer):
    """A stretch of a recording: a step, other work, or waiting."""

    kind: OccurrenceKind
    step: str | None = Field(description="Of waiting, the step that it stands before or within.")
    occurrence: int | None = Field(description="Counts how often a step was done, from 1.")
    rework: bool
    whole: bool = Field(description="Whether it was seen from its beginning to its end.")
    begin_s: float
    end_s: float
    seconds: float
    usual_s: float | None = Field(description="The golds' median at their own pace, and with low_s")
    low_s: float | None = Field(description="and high_s their shortest and longest; null for all but steps.")
    high_s: float | None


class RecordingTimes(ApiAnswer):
    """How long each step of a recording took."""

    key: str = Field(pattern=KEY_PATTERN)
    cycle_s: float | None = Field(description="From the first step to the last one; null without times.")
    complete: bool = Field(description="Whether every step was done and seen whole.")
    stretches: list[StretchOut]


class TimeFigures(ApiAnswer):
    """Figures over recordings, in seconds; null where there are too few."""

    recordings: int
    n: int = Field(description="How many times the figures rest on.")
    mean_s: float | None
    sd_s: float | None
    min_s: float | None
    median_s: float | None
    max_s: float | None


class StepFigures(TimeFigures):
    """Those of one step."""

    step: str
    rework_n: int
    waiting_n: int
    usual_s: float | None
    low_s: float | None
    high_s: float | None


class TaskTimesOut(ApiAnswer):
    """How long a task and its steps take."""

    task: str
    cycle: TimeFigures
    steps: list[StepFigures]


class ConditionOut(ApiAnswer):
    """Something that is wrong and that people were told of."""

    kind: str
    subject: str
    severity: str = Field(pattern=r"^(warning|problem)$")
    what: str
    action: str
    since: Moment
    count: int = Field(description="How often it happened.")


class Conditions(ApiAnswer):
    """What is not over, the longest open first."""

    conditions: list[ConditionOut]


class ParameterFault(ApiAnswer):
    """What is wrong with one parameter."""

    parameter: str
    why: str


class Problem(ApiAnswer):
    """Why there is no answer (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[ParameterFault] = []
