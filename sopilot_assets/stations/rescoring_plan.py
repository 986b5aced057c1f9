"""What to score: which recordings, why, and how much of the way each has to go again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sopilot_assets.capture.registry import active_recordings, find_recordings
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.clip_embeddings import embedding_problem
from sopilot_assets.stations.key_ranges import KeyRange, contiguous_ranges
from sopilot_assets.stations.staleness import stale_scores
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell, Row, plain_rows


class ScoringStart(StrEnum):
    """How far back scoring a recording begins; plans say it in their column ``job``."""

    NEW = "score_new_recordings"
    EMBED = "embed_again"
    RESCORE = "rescore"


@dataclass(frozen=True, slots=True)
class ScoringWork:
    """The keys whose scoring begins at the same point, and why each: ``new``, ``asked for``, or what is
    stale about its score.
    """

    start: ScoringStart
    why: dict[str, str]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys, ascending."""
        return tuple(sorted(self.why))


@dataclass(frozen=True, slots=True)
class RescoringPlan:
    """Everything whose score is missing or out of date, and what it takes to mend that.

    ``stale`` has a row for each recording (see `stale_scores`, with ``job``), ``ranges`` are the runs that a
    backfill of the same recordings would need. All of them together are one run of the job `rescore_stale`.
    """

    stale: tuple[Row, ...]
    ranges: tuple[KeyRange, ...]

    @property
    def runs(self) -> int:
        """The fewest runs: one for any selection, none where all is up to date."""
        return 1 if self.stale else 0

    def groups(self) -> list[dict[str, Cell]]:
        """How many recordings have to go again, by task, reason and versions; the most first."""
        names = ("task_id", "why", "also", "scored_with", "current", "job")
        counts = Counter(tuple(row[name] for name in names) for row in self.stale)
        return [
            {**dict(zip(names, group, strict=True)), "recordings": count}
            for group, count in counts.most_common()
        ]


def rescoring_plan(
    home: Home, registered: Sequence[str], *, task_id: str | None = None, leave_out: Collection[str] = ()
) -> RescoringPlan:
    """What has to be scored again, and why; ``registered`` are the partitions in their order, ``leave_out``
    keys that a run is at work on.
    """
    rows = [
        {**row, "job": _start(row).value}
        for row in plain_rows(stale_scores(home))
        if task_id in (None, row["task_id"]) and row["key"] not in leave_out
    ]
    ranges = contiguous_ranges(registered, (str(row["key"]) for row in rows))
    return RescoringPlan(tuple(rows), tuple(ranges))


def plan_scoring(
    home: Home,
    *,
    names: Sequence[str] = (),
    task_id: str | None = None,
    stale: bool = False,
    everything: bool = False,
    leave_out: Collection[str] = (),
) -> list[ScoringWork]:
    """The work that gives the chosen recordings a score that is up to date.

    ``names`` chooses recordings (see `find_recordings`), ``stale`` those with an outdated score,
    ``everything`` all; without any of them it is those that have no score yet. ``task_id`` leaves out other
    tasks, ``leave_out`` keys that a run is at work on.
    """
    entries = active_recordings(home, task_id)
    if not (names or stale or everything):
        done = {*scores_ledger(home).query("select key from latest")["key"], *leave_out}
        return _by_start({key: (ScoringStart.NEW, "new") for key in entries if key not in done})
    outdated = {
        str(row["key"]): (_start(row), _reason(row))
        for row in plain_rows(stale_scores(home))
        if row["key"] in entries
    }
    chosen = find_recordings(entries, names) if names else list(entries if everything else outdated)
    asked = (ScoringStart.RESCORE, "asked for")
    found = {key: outdated.get(key, asked) for key in chosen if key not in leave_out}
    if names or everything:  # what could not be embedded may be by now
        for key in embedding_problem(home, [PartitionKey.parse(key) for key in found]):
            start, reason = found[str(key)]
            found[str(key)] = (ScoringStart.EMBED if start is ScoringStart.RESCORE else start, reason)
    return _by_start(found)


def _by_start(why: dict[str, tuple[ScoringStart, str]]) -> list[ScoringWork]:
    starts = {
        start: {key: reason for key, (its, reason) in why.items() if its is start} for start in ScoringStart
    }
    return [ScoringWork(start, reasons) for start, reasons in starts.items() if reasons]


def _reason(row: Row) -> str:
    why = "new" if row["why"] == "missing" else str(row["why"])
    return ", ".join(filter(None, (why, str(row["also"]))))


def _start(row: Row) -> ScoringStart:
    """How far back a stale recording has to begin: its embedding decides, since a run that died may have
    made it already.
    """
    if row["why"] == "missing":
        return ScoringStart.NEW
    return ScoringStart.RESCORE if row["embedded"] else ScoringStart.EMBED
