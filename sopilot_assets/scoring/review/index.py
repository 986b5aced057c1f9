"""The index of all review pages: what needs a person first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from sopilot_assets.scoring.result import Decision, Objection
from sopilot_assets.scoring.review import words
from sopilot_assets.scoring.review.document import render
from sopilot_assets.scoring.verdict import DECISIONS, URGENCY
from sopilot_assets.tasks import DeviationType, Severity
from sopilot_assets.texts.languages import Text
from sopilot_assets.texts.times import minute, utc


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One line of the index: a scored recording and where its page is, relative to the index.

    ``deviations`` are the type and severity of each; ``score`` is None where nothing can be said, and
    ``interval`` the range that holds it with 90 % probability. ``points_decide`` says whether the score led
    to the decision. ``noise_floor`` is what the task's golds score at least. ``recorded_at`` and
    ``taken_in_at`` are ISO 8601; ``objections`` is what people say against the decision.
    """

    video_id: str
    page: str
    task: str
    file_name: str
    score: float | None
    decision: Decision
    deviations: tuple[tuple[DeviationType, Severity], ...] = ()
    person: str | None = None
    site: str | None = None
    is_gold: bool = False
    task_name: Text | None = None
    interval: tuple[float, float] | None = None
    noise_floor: float | None = None
    points_decide: bool = True
    recorded_at: str | None = None
    taken_in_at: str | None = None
    objections: tuple[Objection, ...] = ()


def index_page(rows: Sequence[IndexRow]) -> str:
    """One HTML file that links all review pages: a table, what is contested, the gravest decision and the
    lowest score first.

    The order does not depend on the order of ``rows``; links are relative; it works from the disk and with
    scripts off (then without filter and sorting).
    """
    ordered = sorted(rows, key=_rank)
    tasks = {row.task: Text(row.task, row.task) for row in ordered}
    tasks |= {row.task: row.task_name for row in ordered if row.task_name is not None}
    counts = Counter(row.decision for row in ordered)
    values: Mapping[str, object] = {
        "rows": [_line(row, tasks[row.task]) for row in ordered],
        "tasks": sorted(tasks.items()),
        "decisions": [(d.value, DECISIONS[d], counts[d]) for d in URGENCY if counts[d]],
        "contested": sum(bool(row.objections) for row in ordered),
        "types": [(kind.value, words.TYPES[kind]) for kind in DeviationType],
    }
    return render("index.html.j2", styles=("base.css", "index.css"), script="index.js", values=values)


def _rank(row: IndexRow) -> tuple[bool, int, float, str, str, str]:
    score = -1.0 if row.score is None else row.score
    urgency = URGENCY.index(row.decision)
    return not row.objections, urgency, score, row.task, row.file_name, row.video_id


def _line(row: IndexRow, task_name: Text) -> dict[str, object]:
    made = row.recorded_at or row.taken_in_at
    counts = Counter(row.deviations)
    found = [(kind, severity, counts[kind, severity]) for severity in Severity for kind in DeviationType]
    return {
        "href": quote(row.page, safe="/._-"),
        "file_name": row.file_name,
        "video_id": row.video_id,
        "task": row.task,
        "task_name": task_name,
        "score": None if row.score is None else f"{row.score:.1f}",
        "interval": None if row.interval is None else words.interval_range(row.interval),
        "noise_floor": None if row.noise_floor is None else words.short_noise_floor(row.noise_floor),
        "points_decide": row.points_decide,
        "recorded": None if row.recorded_at is None else minute(row.recorded_at),
        "taken_in": None if row.taken_in_at is None else minute(row.taken_in_at),
        "when": "" if made is None else utc(made),
        "contested": ", ".join(one.who for one in row.objections),
        "urgency": URGENCY.index(row.decision),
        "decision": row.decision.value,
        "decision_name": DECISIONS[row.decision],
        "deviations": [
            (kind.value, words.TYPES[kind], severity.value, count) for kind, severity, count in found if count
        ],
        "person": row.person or "–",
        "site": row.site or "–",
        "is_gold": row.is_gold,
        "search": " ".join(filter(None, (row.file_name, row.video_id, row.person, row.site))).lower(),
    }
