"""What can be verified: one row a step, one column a type of deviation, and below it why not and what would
help.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sopilot_assets.scoring.result import Verifiability
from sopilot_assets.scoring.review import words
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.tasks import DeviationType, TaskSpec
from sopilot_assets.texts.languages import Text

_NOT: Final = "✕"


@dataclass(frozen=True, slots=True)
class VerifiabilityCell:
    """One cell: the shares as text, what they rest on, and the number of the `VerifiabilityNote` that says
    why it is not verifiable (None when it is).
    """

    shares: str
    basis: str
    note: int | None


@dataclass(frozen=True, slots=True)
class VerifiabilityNote:
    """Why something cannot be verified and what would help, and all that it applies to; ``here`` is what of
    it was lacking in the recording at hand, None for nothing.
    """

    number: int
    reason: Text
    remedy: Text
    concerns: Text
    here: Text | None


@dataclass(frozen=True, slots=True)
class VerifiabilityTable:
    """The whole table; ``rows`` are a step's name and its cells, one for each of ``types`` (None where
    nothing was examined).
    """

    types: tuple[DeviationType, ...]
    rows: tuple[tuple[Text, tuple[VerifiabilityCell | None, ...]], ...]
    notes: tuple[VerifiabilityNote, ...]


def verifiability_table(
    task: TaskSpec, verifiability: Sequence[Verifiability], *, unverifiable: Sequence[Verifiability] = ()
) -> VerifiabilityTable:
    """The table of a task's reference, with what was ``unverifiable`` in one recording among its notes."""
    here = {(item.step_id, item.type): item for item in unverifiable}
    known = {(item.step_id, item.type): item for item in verifiability}
    notes = _notes(task, {**known, **here}, here)
    number_of = {
        (item.step_id, item.type): number
        for number, items in enumerate(_grouped({**known, **here}.values()).values(), start=1)
        for item in items
    }
    types = _types(verifiability)
    rows = tuple(
        (
            words.numbered(task, index),
            tuple(
                None if item is None else _cell(item, number_of.get((step_id, kind)))
                for kind in types
                for item in (known.get((step_id, kind)),)
            ),
        )
        for index, step_id in enumerate(task.step_ids)
        if verifiability
    )
    return VerifiabilityTable(types, rows, notes)


def verifiability_rows(verifiability: Sequence[Verifiability]) -> list[dict[str, Cell]]:
    """The same table as plain rows: per step the share found and the share of false alarms of each type
    (``100 % / 0 %``, with a cross where that does not verify it), and what is not verifiable in both
    languages.
    """
    types = _types(verifiability)
    steps: dict[str, dict[DeviationType, Verifiability]] = {}
    for item in verifiability:
        steps.setdefault(item.step_id, {})[item.type] = item
    return [
        {
            "step": step_id,
            **{kind.value: _plain(of_step.get(kind)) for kind in types},
            **_why_not(of_step.values()),
        }
        for step_id, of_step in steps.items()
    ]


def shares(item: Verifiability) -> str:
    """The share found and the share of false alarms; a dash where it is not known."""
    return f"{_percent(item.power)} / {_percent(item.false_rate)}"


def _types(verifiability: Iterable[Verifiability]) -> tuple[DeviationType, ...]:
    there = {item.type for item in verifiability}
    return tuple(kind for kind in DeviationType if kind in there)


def _grouped(items: Iterable[Verifiability]) -> Mapping[tuple[Text, Text], list[Verifiability]]:
    """What is not verifiable, by reason and remedy, in the order of the first of each."""
    groups: dict[tuple[Text, Text], list[Verifiability]] = {}
    for item in items:
        if not item.verifiable:
            groups.setdefault((item.reason, item.remedy), []).append(item)
    return groups


def _notes(
    task: TaskSpec,
    items: Mapping[tuple[str, DeviationType], Verifiability],
    here: Mapping[tuple[str, DeviationType], Verifiability],
) -> tuple[VerifiabilityNote, ...]:
    return tuple(
        VerifiabilityNote(
            number=number,
            reason=reason,
            remedy=remedy,
            concerns=concerns(task, group),
            here=_here(task, [item for item in group if (item.step_id, item.type) in here]),
        )
        for number, ((reason, remedy), group) in enumerate(_grouped(items.values()).items(), start=1)
    )


def _here(task: TaskSpec, items: Sequence[Verifiability]) -> Text | None:
    return concerns(task, items) if items else None


def concerns(task: TaskSpec, items: Sequence[Verifiability]) -> Text:
    """Each type with the numbers of its steps."""
    en, ja = [], []
    for kind in _types(items):
        steps = sorted(task.step_ids.index(item.step_id) + 1 for item in items if item.type is kind)
        listed, name = ", ".join(map(str, steps)), words.TYPES[kind]
        en.append(f"{name.en} ({'step' if len(steps) == 1 else 'steps'} {listed})")
        ja.append(f"{name.ja}（手順 {listed}）")
    return Text(", ".join(en), "、".join(ja))


def _cell(item: Verifiability, note: int | None) -> VerifiabilityCell:
    upper = "" if item.false_upper is None else f", ≤ {item.false_upper * 100:.0f} %"
    return VerifiabilityCell(
        shares=shares(item),
        basis=f"{item.cases} / {item.golds}{upper}",
        note=note,
    )


def _plain(item: Verifiability | None) -> str:
    if item is None:
        return "–"
    return shares(item) if item.verifiable else f"{_NOT} {shares(item)}"


def _why_not(items: Iterable[Verifiability]) -> dict[str, Cell]:
    lacking = [item for item in items if not item.verifiable]
    en = [f"{words.TYPES[item.type].en}: {item.reason.en} {item.remedy.en}" for item in lacking]
    ja = [f"{words.TYPES[item.type].ja}: {item.reason.ja}{item.remedy.ja}" for item in lacking]
    return {"not_verifiable_en": " | ".join(en), "not_verifiable_ja": " | ".join(ja)}


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:.0f} %"
