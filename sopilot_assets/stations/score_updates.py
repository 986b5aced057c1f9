"""Scores brought up to date, whatever recordings they belong to and wherever those stand in the registration.

Everything goes through the stations in the order that a run of their assets would keep: all embeddings, then
the references, then alignments and scores. So golds that change bring one new reference, not several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.alignments import align_videos
from sopilot_assets.stations.captured_videos import describe_videos
from sopilot_assets.stations.clip_embeddings import embed_videos
from sopilot_assets.stations.gold_references import refresh_references
from sopilot_assets.stations.outcome import Progress, ReferenceOutcome, StationOutcome
from sopilot_assets.stations.rescoring_plan import ScoringStart, ScoringWork
from sopilot_assets.stations.scores import score_videos
from sopilot_assets.stations.step_times import step_times
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell, plain_rows

CAPTURED: Final = "captured_videos"
EMBEDDED: Final = "clip_embeddings"
ALIGNED: Final = "alignments"
SCORED: Final = "scores"
TIMED: Final = "step_times"


class StationProgress(Protocol):
    """Makes a progress callback for one kind of work, e.g. ``aligned``, of which some is done already."""

    def __call__(self, doing: str, *, before: int, total: int) -> Progress: ...


@dataclass(frozen=True, slots=True)
class Passed:
    """Recordings that passed a station (the name of its asset), or the references that were refreshed."""

    station: str
    outcomes: Sequence[StationOutcome] = ()
    references: Sequence[ReferenceOutcome] = ()


@dataclass(frozen=True, slots=True)
class ScoreChange:
    """What an update did to one recording's score; None where there was, or is, no score."""

    key: str
    why: str
    score_before: float | None
    score: float | None
    decision_before: str | None
    decision: str

    @property
    def by(self) -> float | None:
        """The difference, None where one of the scores is missing."""
        if self.score is None or self.score_before is None:
            return None
        return self.score - self.score_before

    def row(self) -> dict[str, Cell]:
        """The change as a row of a table."""
        return {
            "key": self.key,
            "why": self.why,
            "score_before": self.score_before,
            "score": self.score,
            "change": self.by,
            "decision_before": self.decision_before,
            "decision": self.decision,
        }


def update_scores(
    home: Home,
    work: Sequence[ScoringWork],
    *,
    at_once: int,
    processes: int,
    run_id: str,
    written_at: Callable[[], str],
    says: StationProgress,
) -> Iterator[Passed]:
    """Take all recordings of ``work`` through the stations they need, and say after each part what passed.

    ``at_once`` recordings are judged together; what was judged stays when the process dies. ``written_at``
    says the time whenever rows are published.
    """
    new, unembedded, keys = (
        _keys(work, ScoringStart.NEW),
        _keys(work, ScoringStart.NEW, ScoringStart.EMBED),
        _keys(work, *ScoringStart),
    )
    for part in _parts(new, at_once):
        yield Passed(CAPTURED, describe_videos(home, part))
    for place, part in enumerate(_parts(unembedded, at_once)):
        progress = says("embedded", before=place * at_once, total=len(unembedded))
        yield Passed(
            EMBEDDED,
            embed_videos(
                home,
                part,
                processes=processes,
                on_progress=progress,
                run_id=run_id,
                written_at=written_at(),
            ),
        )
    if keys:
        task_ids = sorted({key.task_id for key in keys})
        refreshed = refresh_references(home, task_ids, run_id=run_id, written_at=written_at())
        yield Passed(ALIGNED, references=refreshed)
    for place, part in enumerate(_parts(keys, at_once)):
        progress = says("aligned", before=place * at_once, total=len(keys))
        yield Passed(ALIGNED, align_videos(home, part, processes=processes, on_progress=progress))
        progress = says("scored", before=place * at_once, total=len(keys))
        scored = score_videos(
            home,
            part,
            processes=processes,
            part_of=len(keys),
            on_progress=progress,
            run_id=run_id,
            written_at=written_at,
        )
        yield Passed(SCORED, scored)
        yield Passed(TIMED, step_times(home, part))


def scores_before(home: Home, work: Sequence[ScoringWork]) -> Mapping[str, Mapping[str, Cell]]:
    """The newest score row of each recording of ``work`` that has one: key, score and decision."""
    keys = {key for one in work for key in one.why}
    rows = plain_rows(scores_ledger(home).query("select key, score, decision from latest"))
    return {str(row["key"]): row for row in rows if row["key"] in keys}


def without_reference(home: Home) -> set[str]:
    """The recordings whose newest row says that their task had no reference: as soon as it has one, the
    capture sensor takes them for new ones.
    """
    return set(scores_ledger(home).query("select key from latest where reference_id is null")["key"])


def changes(
    before: Mapping[str, Mapping[str, Cell]], work: Sequence[ScoringWork], scored: Sequence[StationOutcome]
) -> list[ScoreChange]:
    """What became of each score, changed decisions first, then by how much the score changed."""
    why = {key: reason for one in work for key, reason in one.why.items()}
    found = [_change(before.get(str(outcome.key), {}), why[str(outcome.key)], outcome) for outcome in scored]
    return sorted(found, key=lambda one: (one.decision == one.decision_before, -abs(one.by or 0), one.key))


def _change(before: Mapping[str, Cell], why: str, outcome: StationOutcome) -> ScoreChange:
    decision, score = before.get("decision"), outcome.metadata.get("score")
    return ScoreChange(
        str(outcome.key),
        why,
        _number(before.get("score")),
        _number(score),
        None if decision is None else str(decision),
        str(outcome.metadata["decision"]),
    )


def _number(value: Cell) -> float | None:
    return None if value is None else float(value)


def _keys(work: Sequence[ScoringWork], *starts: ScoringStart) -> list[PartitionKey]:
    """The keys that begin at one of these points, golds first, as intake registers them."""
    keys = (PartitionKey.parse(key) for one in work if one.start in starts for key in one.why)
    return sorted(keys)


def _parts(keys: Sequence[PartitionKey], size: int) -> list[Sequence[PartitionKey]]:
    return [keys[start : start + size] for start in range(0, len(keys), size)]
