"""The list of recordings: searched, filtered, sorted and cut into pages where the rows lie, in the ledgers.

What somebody may not see is left out, or hidden, before anything is searched or filtered, so that no filter
says more than the rows it gives.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import pandas as pd
import pyarrow as pa

from sopilot_assets.capture.ledgers import videos_ledger
from sopilot_assets.capture.promotions import promoted_golds, promotions_ledger
from sopilot_assets.labels.chain import labels_ledger
from sopilot_assets.labels.contests import contested
from sopilot_assets.scoring.ledger import row_source, scores_ledger
from sopilot_assets.scoring.limits import GOLDS
from sopilot_assets.scoring.verdict import URGENCY, Verdict, verdict_of_row
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, Row, moment_sql, plain_rows, query_together
from sopilot_assets.tasks import DeviationType, Severity, TaskSpec
from sopilot_assets.texts.names import composed

PER_PAGE: Final = 50
NOT_JUDGED: Final = "not_judged"
"""What stands for a decision where there is none yet."""


class ListOrder(StrEnum):
    """What the list is sorted by."""

    NEWEST = "newest"
    OLDEST = "oldest"
    NAME = "name"
    PERSON = "person"
    SITE = "site"
    URGENT = "urgent"
    LOWEST = "lowest"


@dataclass(frozen=True, slots=True)
class Eyes:
    """Whose eyes look: with ``own_only`` only the recordings of ``person`` are there (none where that is
    None); of what ``rater`` has not labeled yet there is no result, name or person.
    """

    own_only: bool = False
    person: str | None = None
    rater: str | None = None


@dataclass(frozen=True, slots=True)
class ListFilter:
    """Which recordings are listed. ``text`` is searched in file name, key, person and site. ``decision`` is
    one of `Decision` or `NOT_JUDGED`. ``since`` and ``until`` are dates (both included) of when it was
    recorded, or taken in where nobody knows. None, empty or False: all.
    """

    text: str = ""
    task: str | None = None
    decision: str | None = None
    deviation: DeviationType | None = None
    person: str | None = None
    site: str | None = None
    since: str | None = None
    until: str | None = None
    contested: bool = False
    order: ListOrder = ListOrder.NEWEST


@dataclass(frozen=True, slots=True)
class ListedRecording:
    """A line of the list. ``at`` is when it was recorded (ISO 8601), or taken in where ``recorded`` is
    False; ``verdict``, and ``decided_by``, the source of the limits that decided, are None where it was not
    judged yet, and where ``hidden`` says that nobody may tell.
    """

    key: str
    task_id: str
    role: str
    name: str
    person: str | None
    site: str | None
    duration_s: float
    at: str
    recorded: bool
    hidden: bool
    contested: bool
    verdict: Verdict | None
    decided_by: str | None
    score: float | None
    deviations: tuple[tuple[DeviationType, Severity, int], ...]


@dataclass(frozen=True, slots=True)
class RecordingPage:
    """One page of the list, counted from 1; ``total`` is how many recordings all pages hold."""

    rows: tuple[ListedRecording, ...]
    page: int
    total: int

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // PER_PAGE))


def list_recordings(
    home: Home, eyes: Eyes, wanted: ListFilter, *, page: int = 1, tasks: Mapping[str, TaskSpec] | None = None
) -> RecordingPage:
    """A page of the recordings that count, as ``eyes`` may see them; the last one where there are fewer
    pages. ``tasks`` tell the limits that a verdict names.
    """
    found = _page(home, eyes, wanted, max(page, 1))
    if not found and page > 1:
        total = _page(home, eyes, wanted, 1)
        page = 1 if not total else -(-int(total[0]["total"] or 0) // PER_PAGE)
        found = _page(home, eyes, wanted, page)
    rows = tuple(_listed(row, tasks or {}) for row in found)
    return RecordingPage(rows, max(page, 1), int(found[0]["total"] or 0) if found else 0)


def a_policy_decided(rows: Iterable[ListedRecording]) -> bool:
    """Whether a policy decided any of them; as long as none did, all were decided alike."""
    return any(row.decided_by not in (None, GOLDS) for row in rows)


@dataclass(frozen=True, slots=True)
class ListChoices:
    """What there is to choose from in the filters, each sorted."""

    tasks: tuple[str, ...]
    persons: tuple[str, ...]
    sites: tuple[str, ...]


def list_choices(home: Home, eyes: Eyes) -> ListChoices:
    """The tasks, persons and sites of the recordings that ``eyes`` may see; a rater chooses no person."""
    rows = query_together(
        {},
        "select distinct task_id, person, site from known, asked "
        "where asked.its_own is null or known.person = asked.its_own_person",
        known=known_recordings(home),
        asked=_asked(own="yes" if eyes.own_only else None, own_person=eyes.person),
    )
    persons = () if eyes.rater else tuple(sorted(set(rows["person"].dropna())))
    return ListChoices(
        tuple(sorted(set(rows["task_id"]))), persons, tuple(sorted(set(rows["site"].dropna())))
    )


def known_recordings(home: Home) -> pa.Table:
    """What lists need of every recording that counts, and of its newest result.

    ``at_text`` is when it was recorded, or taken in where nobody knows, ``taken_as`` the role that it came
    in by, ``role`` the one that it has now.
    """
    ledgers = (videos_ledger(home), scores_ledger(home), promotions_ledger(home))
    return _known_in(home, *(tuple(one.files()) for one in ledgers))


@functools.lru_cache(maxsize=1)
def _known_in(home: Home, *_: tuple[str, ...]) -> pa.Table:
    """Kept as long as the ledgers have the same files, which are never written twice."""
    frame = query_together(
        {"videos": videos_ledger(home), "scores": scores_ledger(home)},
        _KNOWN,
        promoted=_keys(promoted_golds(home)),
    )
    return pa.Table.from_pandas(frame, preserve_index=False)


_RESULT: Final = (
    "decision",
    "cause",
    "reason_en",
    "reason_ja",
    "score",
    "deviation_types",
    "deviations",
    "suspected",
    "decided_by",
)
_KNOWN: Final = f"""
select key, videos.task_id, videos.video_id, videos.original_name, videos.person, videos.site, duration_s,
    recorded_at, coalesce(recorded_at, videos.first_written_at) as at_text, videos.role as taken_as,
    case when promoted.key is not null then 'gold' else videos.role end as role,
    {", ".join(_RESULT)}
from videos left join scores using (key) left join promoted using (key)
where status = 'active'
"""  # noqa: S608 - constants of ours
_MOMENT: Final = moment_sql("at_text")
_ORDERS: Final[Mapping[ListOrder, str]] = {
    ListOrder.NEWEST: f"{_MOMENT} desc",
    ListOrder.OLDEST: _MOMENT,
    ListOrder.NAME: "lower(name)",
    ListOrder.PERSON: f"person nulls last, {_MOMENT} desc",
    ListOrder.SITE: f"site nulls last, {_MOMENT} desc",
    ListOrder.URGENT: f"contested desc, urgency, score nulls first, {_MOMENT} desc",
    ListOrder.LOWEST: f"score nulls last, {_MOMENT} desc",
}
_RANKS: Final = " ".join(f"when '{one.value}' then {rank}" for rank, one in enumerate(URGENCY))
_JUDGED: Final = ", ".join(f"case when not hidden then every.{name} end as {name}" for name in _RESULT)
_LISTED: Final = f"""
with every as (
    select known.*, asked.its_rater is not null and taken_as = 'trainee' and labeled.key is null as hidden
    from known left join labeled using (key), asked
    where asked.its_own is null or known.person = asked.its_own_person
), seen as (
    select key, task_id, role, site, duration_s, hidden, recorded_at, at_text,
        case when hidden then video_id else original_name end as name,
        case when not hidden then every.person end as person,
        {_JUDGED},
        not hidden and objected.key is not null as contested,
        case case when not hidden then every.decision end {_RANKS} else {len(URGENCY)} end as urgency
    from every left join objected using (key)
) select seen.*, count(*) over () as total from seen, asked
where (asked.its_task is null or task_id = asked.its_task)
    and (asked.its_decision is null
        or (not hidden and coalesce(decision, '{NOT_JUDGED}') = asked.its_decision))
    and (asked.its_deviation is null
        or list_contains(string_split(deviation_types, ','), asked.its_deviation))
    and (asked.its_person is null or seen.person = asked.its_person)
    and (asked.its_site is null or site = asked.its_site)
    and (asked.its_since is null or substr(at_text, 1, 10) >= asked.its_since)
    and (asked.its_until is null or substr(at_text, 1, 10) <= asked.its_until)
    and (asked.its_contested is null or contested)
    and (asked.its_text is null
        or contains(lower(concat_ws(' ', name, key, seen.person, site)), asked.its_text))
"""  # noqa: S608 - constants of ours; what is asked for stands in a table


def _page(home: Home, eyes: Eyes, wanted: ListFilter, page: int) -> list[dict[str, Cell]]:
    asked = _asked(
        own="yes" if eyes.own_only else None,
        own_person=eyes.person,
        rater=eyes.rater,
        task=wanted.task,
        decision=wanted.decision,
        deviation=None if wanted.deviation is None else wanted.deviation.value,
        person=wanted.person,
        site=wanted.site,
        since=wanted.since,
        until=wanted.until,
        contested="yes" if wanted.contested else None,
        text=composed(wanted.text.strip()).lower() or None,
    )
    order = f"order by {_ORDERS[wanted.order]}, key limit {PER_PAGE} offset {(page - 1) * PER_PAGE}"
    frame = query_together(
        {},
        f"{_LISTED} {order}",
        known=known_recordings(home),
        labeled=_labeled_by(home, eyes.rater),
        objected=_keys(contested(home)),
        asked=asked,
    )
    return plain_rows(frame)


def _labeled_by(home: Home, rater: str | None) -> pd.DataFrame:
    """The recordings that a rater labeled, by their key."""
    if rater is None:
        return _keys({})
    return labels_ledger(home).query(
        "select distinct key from all_rows, asked "
        "where who = asked.its_rater and source in ('human', 'blind_human')",
        asked=_asked(rater=rater),
    )


def _listed(row: Row, tasks: Mapping[str, TaskSpec]) -> ListedRecording:
    stored = json.loads(str(row["deviations"] or "[]"))
    counts = Counter((DeviationType(one["type"]), Severity(one["severity"])) for one in stored)
    kinds = [(kind, severity) for severity in Severity for kind in DeviationType]
    task_id = str(row["task_id"])
    return ListedRecording(
        key=str(row["key"]),
        task_id=task_id,
        role=str(row["role"]),
        name=str(row["name"]),
        person=_text(row["person"]),
        site=_text(row["site"]),
        duration_s=float(row["duration_s"] or 0.0),
        at=str(row["at_text"]),
        recorded=row["recorded_at"] is not None,
        hidden=bool(row["hidden"]),
        contested=bool(row["contested"]),
        verdict=None if row["decision"] is None else verdict_of_row(row, tasks.get(task_id)),
        decided_by=None if row["decision"] is None else row_source(row),
        score=None if row["score"] is None else float(row["score"]),
        deviations=tuple((*one, counts[one]) for one in kinds if counts[one]),
    )


def _asked(**values: str | None) -> pd.DataFrame:
    """One row that a query joins: each value as the column ``its_<name>``."""
    return pd.DataFrame({f"its_{name}": [value] for name, value in values.items()}, dtype="string")


def _keys(keyed: Mapping[str, object]) -> pd.DataFrame:
    return pd.DataFrame({"key": list(keyed)}, dtype="string")


def _text(value: Cell) -> str | None:
    return None if value is None else str(value)
