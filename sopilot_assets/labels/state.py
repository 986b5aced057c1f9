"""What all labels of a task say together, recording by recording."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from sopilot_assets.errors import LabelError
from sopilot_assets.labels.events import LabelEvent, RaterAnswerT, Source
from sopilot_assets.store.ledgers import Cell, among

STATE_COLUMNS: Final = {
    "key": "str",
    "expected": "float64",
    "label_source": "str",
    "raters": "int64",
    "rater_ids": "str",
    "adjudicated": "bool",
    "disagree": "bool",
    "labelled_at": "str",
    "events": "int64",
}
"""``expected`` is 1 where a critical deviation is there, 0 where it is not, NaN where nobody can say or
raters disagree. ``label_source`` is the strongest source among the labels that count, ``raters`` how many
people labeled from it, ``rater_ids`` who, comma-separated. ``disagree`` holds until it is adjudicated.
``labelled_at`` is the time of the newest label that counts, ``events`` how many the recording has in all.
"""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many of the recordings have a label.

    ``labelled`` have one that says yes or no, ``blind`` one from blind raters only; ``cannot_say`` are
    recordings that were looked at without an answer, ``disputed`` those on which raters disagree.
    ``unknown_keys`` counts labels of recordings that are not among them.
    """

    recordings: int
    labelled: int
    positives: int
    negatives: int
    blind: int
    two_raters: int
    cannot_say: int
    disputed: int
    unlabelled: int
    unknown_keys: int


def counting_events(
    events: Sequence[RaterAnswerT], sources: Iterable[Source | str]
) -> list[tuple[RaterAnswerT, Source]]:
    """The events of these sources, in order, each with the source it counts as.

    A blind label that follows one by the same person about the same recording with the findings in view is
    not blind any more: it counts as ``human``.
    """
    wanted = parse_sources(sources)
    with_findings: set[tuple[str, str]] = set()
    counting = []
    for event in events:
        source = event.source
        if source is Source.BLIND_HUMAN and (event.who, event.key) in with_findings:
            source = Source.HUMAN
        if source is Source.HUMAN:
            with_findings.add((event.who, event.key))
        if source in wanted:
            counting.append((event, source))
    return counting


def deciding_events(events: Sequence[RaterAnswerT], sources: Iterable[Source | str]) -> list[RaterAnswerT]:
    """The events of these sources, in order, of each recording those of the strongest source alone."""
    counting = counting_events(events, sources)
    strongest: dict[str, Source] = {}
    for event, source in counting:
        if event.key not in strongest or source.strength > strongest[event.key].strength:
            strongest[event.key] = source
    return [event for event, source in counting if source is strongest[event.key]]


def newest_labels(
    events: Sequence[RaterAnswerT], sources: Iterable[Source | str]
) -> dict[str, dict[str, RaterAnswerT]]:
    """By recording and person the newest label of the strongest source that counts there; those that
    adjudicate are left out.
    """
    newest: dict[str, dict[str, RaterAnswerT]] = {}
    for event in deciding_events(events, sources):
        if not event.adjudicates:
            newest.setdefault(event.key, {})[event.who] = event
    return newest


def label_state(
    events: Sequence[LabelEvent], sources: Iterable[Source | str] = tuple(Source)
) -> pd.DataFrame:
    """One row of `STATE_COLUMNS` for each recording with a label that counts, by key; ``sources`` are those
    that count.

    The newest event of each person and source counts, of which the strongest source decides. What people of
    that source say differently is unknown until an event of that source adjudicates; the newest one that
    does stands, whatever others say later. Somebody who cannot say does not contradict anybody.
    """
    counting = counting_events(events, sources)
    totals: dict[str, int] = {}
    for event in events:
        totals[event.key] = totals.get(event.key, 0) + 1
    by_key: dict[str, list[tuple[LabelEvent, Source]]] = {}
    for event, source in counting:
        by_key.setdefault(event.key, []).append((event, source))
    rows = [_row(key, labels, totals[key]) for key, labels in sorted(by_key.items())]
    frame = pd.DataFrame.from_records(rows, columns=list(STATE_COLUMNS))
    return frame.astype(STATE_COLUMNS)


def label_coverage(state: pd.DataFrame, keys: Iterable[str]) -> Coverage:
    """How many of the recordings ``keys`` the labels in ``state`` cover."""
    wanted = set(keys)
    of_them = state[among(state["key"], wanted)]
    said = of_them["expected"].notna()
    return Coverage(
        recordings=len(wanted),
        labelled=int(said.sum()),
        positives=int((of_them["expected"] == 1).sum()),
        negatives=int((of_them["expected"] == 0).sum()),
        blind=int((said & (of_them["label_source"] == Source.BLIND_HUMAN.value)).sum()),
        two_raters=int((of_them["raters"] >= 2).sum()),
        cannot_say=int((~said & ~of_them["disagree"]).sum()),
        disputed=int(of_them["disagree"].sum()),
        unlabelled=len(wanted) - len(of_them),
        unknown_keys=len(state) - len(of_them),
    )


def parse_sources(names: Iterable[Source | str]) -> frozenset[Source]:
    """The sources with these names; raises ``LabelError`` for one that there is not."""
    wanted = set(map(str, names))
    unknown = sorted(wanted - set(Source))
    if unknown:
        raise LabelError(f"label sources {', '.join(unknown)}: expected some of {', '.join(Source)}.")
    return frozenset(map(Source, wanted))


def _row(key: str, labels: Sequence[tuple[LabelEvent, Source]], total: int) -> Mapping[str, Cell]:
    strongest = max((source for _, source in labels), key=lambda source: source.strength)
    of_it = [event for event, source in labels if source is strongest]
    newest = {event.who: event for event in of_it if not event.adjudicates}
    settled = [event for event in of_it if event.adjudicates]
    said = {event.critical_expected for event in newest.values()} - {None}
    agreed = next(iter(said)) if len(said) == 1 else None
    expected = settled[-1].critical_expected if settled else agreed
    return {
        "key": key,
        "expected": float("nan") if expected is None else float(expected),
        "label_source": strongest.value,
        "raters": len(newest),
        "rater_ids": ",".join(sorted(newest)),
        "adjudicated": bool(settled),
        "disagree": len(said) > 1 and not settled,
        "labelled_at": max(event.at for event in (*newest.values(), *settled)),
        "events": total,
    }
