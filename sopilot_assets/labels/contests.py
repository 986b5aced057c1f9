"""Which decisions people contest: a person says that one is wrong, and nobody has answered yet.

An objection is a label with the verdict ``disagree``. It is open until an event after it settles the
recording (``adjudicates``), or the same person says something else of it with the findings in view. Who
contests does not answer themselves, unless nobody else may: with a single trainer it would stay open for
ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sopilot_assets.labels.chain import labels_ledger
from sopilot_assets.labels.disputes import disputes
from sopilot_assets.labels.events import Draft, LabelEvent, RaterVerdict, Source
from sopilot_assets.scoring.result import Objection
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, plain_rows

_NAMED: Final = 5
"""Recordings that a line names; the list of all has the others."""

_NEEDED: Final = (
    'select task_id, key, who, "at", seq, source, verdict, note, adjudicates from all_rows '
    "where source = 'human' or adjudicates order by task_id, seq"
)


def contested(home: Home) -> dict[str, tuple[Objection, ...]]:
    """The open objections now, by partition key.

    The chain of events is not verified here: a page shows an objection also where the chain is broken.
    """
    return open_objections(plain_rows(labels_ledger(home).query(_NEEDED)))


def open_objections(events: Iterable[Mapping[str, Cell]]) -> dict[str, tuple[Objection, ...]]:
    """The open objections among rows of the ledger of labels, by partition key, the oldest first."""
    said: dict[str, dict[str, Mapping[str, Cell]]] = {}
    for event in sorted(events, key=lambda row: (str(row["task_id"]), int(row["seq"] or 0))):
        words = said.setdefault(str(event["key"]), {})
        if event["adjudicates"]:
            words.clear()
        elif event["source"] == Source.HUMAN.value:
            words.pop(str(event["who"]), None)
            words[str(event["who"])] = event
    found = {key: _objections(list(words.values())) for key, words in said.items()}
    return {key: objections for key, objections in found.items() if objections}


def objections_to(key: str, events: Iterable[LabelEvent]) -> tuple[Objection, ...]:
    """The open objections to the decision of one recording, of which ``events`` are what was said."""
    rows = [
        {**event.model_dump(mode="json", include=_SAID), "source": event.source.value} for event in events
    ]
    return open_objections(rows).get(key, ())


def opens_or_answers(draft: Draft, events: Iterable[LabelEvent]) -> bool:
    """Whether a draft opens an objection that is not open now, or answers those that are, and so says
    something although its person said the same before; ``events`` are those of its recording.
    """
    who = {one.who for one in objections_to(draft.key, events)}
    if draft.adjudicates:
        return bool(who)
    return draft.verdict is RaterVerdict.DISAGREE and draft.who not in who


def answers_an_objection(draft: Draft, events: Sequence[LabelEvent]) -> bool:
    """Whether a draft answers who contests, and settles no dispute of raters: then its person knows what was
    decided; ``events`` are those of its recording.
    """
    dispute = disputes(events).get(draft.key)
    is_open = dispute is not None and dispute.settled_by is None
    return draft.adjudicates and not is_open and bool(objections_to(draft.key, events))


_SAID: Final = {"task_id", "key", "who", "at", "seq", "verdict", "note", "adjudicates"}


def in_a_line(names: Sequence[str]) -> str:
    """The first names of contested recordings, and whether there are more."""
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")


def _objections(words: Sequence[Mapping[str, Cell]]) -> tuple[Objection, ...]:
    return tuple(
        Objection(
            task_id=str(event["task_id"]),
            key=str(event["key"]),
            who=str(event["who"]),
            at=str(event["at"]),
            note=str(event["note"] or ""),
        )
        for event in words
        if event["verdict"] == RaterVerdict.DISAGREE.value
    )
