"""Recordings on which raters disagree, and who may settle that: a third person, who is none of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sopilot_assets.errors import LabelError
from sopilot_assets.labels.events import Draft, RaterAnswer, Source
from sopilot_assets.labels.state import counting_events, newest_labels

BY_PEOPLE: Final = (Source.BLIND_HUMAN, Source.HUMAN)


@dataclass(frozen=True, slots=True)
class Dispute:
    """A recording whose raters say yes and no. ``source`` is that of their labels, ``who`` those who differ,
    by name; ``settled_by`` who settled it last, None where nobody did.
    """

    key: str
    source: Source
    who: tuple[str, ...]
    settled_by: str | None


def disputes(
    events: Sequence[RaterAnswer], sources: Iterable[Source | str] = tuple(Source)
) -> dict[str, Dispute]:
    """The recordings of a task on which raters disagree, open and settled ones, by key."""
    counting = counting_events(events, sources)
    strength: dict[str, Source] = {}
    settled: dict[tuple[str, Source], str] = {}
    for event, source in counting:
        if event.key not in strength or source.strength > strength[event.key].strength:
            strength[event.key] = source
        if event.adjudicates:
            settled[event.key, source] = event.who
    found = {}
    for key, newest in newest_labels(events, sources).items():
        who = _who_differ(newest)
        if who:
            found[key] = Dispute(key, strength[key], who, settled.get((key, strength[key])))
    return found


def refuse_own_disputes(events: Sequence[RaterAnswer], drafts: Iterable[Draft]) -> None:
    """Nothing; raises ``LabelError`` where somebody settles what they disagree on themselves. ``events`` are
    those of the drafts' task so far.
    """
    settling = [draft for draft in drafts if draft.adjudicates]
    keys = {draft.key for draft in settling}
    differ = who_differ([event for event in events if event.key in keys]) if settling else {}
    for draft in settling:
        if draft.who in differ.get(draft.key, ()):
            raise _not_a_third_person(draft, differ[draft.key])


def refuse_settled(events: Sequence[RaterAnswer], drafts: Iterable[Draft]) -> None:
    """Nothing; raises ``LabelError`` where somebody else than who settles them has settled disputes
    meanwhile: one third person decides. ``events`` are those of the drafts' task so far.
    """
    found = disputes(events)
    settled = {
        draft.key: by
        for draft in drafts
        if draft.adjudicates
        and draft.key in found
        and (by := found[draft.key].settled_by) not in (None, draft.who)
    }
    if settled:
        told = ", ".join(f"{key} by {by}" for key, by in settled.items())
        raise LabelError(
            f"{told}: expected disputes that are open, found them settled. Nothing was taken; empty these "
            "rows and try again. `sopilot label add ... --adjudicates` decides one anew.",
            ja=f"判断の不一致はすでに解決されています（{told}）。入力は保存されていません。",
        )


def who_differ(events: Sequence[RaterAnswer]) -> dict[str, tuple[str, ...]]:
    """Those who say yes and no of a recording, blind or with the result in view, by name; they settle nothing
    there. By the recording's key.
    """
    found: dict[str, set[str]] = {}
    for source in BY_PEOPLE:
        for key, dispute in disputes(events, [source]).items():
            found.setdefault(key, set()).update(dispute.who)
    return {key: tuple(sorted(who)) for key, who in found.items()}


def _who_differ(newest: Mapping[str, RaterAnswer]) -> tuple[str, ...]:
    said = {who: event.critical_expected for who, event in newest.items()}
    answers = set(said.values()) - {None}
    return (
        tuple(sorted(who for who, answer in said.items() if answer is not None)) if len(answers) > 1 else ()
    )


def _not_a_third_person(draft: Draft, differ: Sequence[str]) -> LabelError:
    return LabelError(
        f"{draft.key}: expected a third person to settle what {', '.join(differ)} disagree on, found "
        f"{draft.who}, who is one of them. Nothing was taken; ask somebody else to look at it.",
        ja=f"{'、'.join(differ)} の判断が分かれています。当事者以外の人が判断してください"
        f"（{draft.who} は当事者です）。入力は保存されていません。",
    )
