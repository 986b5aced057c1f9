"""A condition: something that is wrong, how bad it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from sopilot_assets.store.ledgers import Cell
from sopilot_assets.texts.names import printable

Key: TypeAlias = tuple[str, str]
Figures: TypeAlias = Mapping[str, int | float | str]


class ConditionSeverity(StrEnum):
    """How bad it is: a ``problem`` stops something, or makes results untrustworthy; a ``warning`` will."""

    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that needs attention. ``kind`` and ``subject`` together are its identity; ``what`` says what
    is wrong, ``action`` what to do.

    ``occurrence`` names what made it (e.g. the id of a run) where it may happen again and again.
    """

    kind: str
    subject: str
    severity: ConditionSeverity
    what: str
    action: str
    occurrence: str = ""

    @property
    def key(self) -> Key:
        """Kind and subject, as the journal of alerts has them."""
        return self.kind, printable(self.subject)


def problem(kind: str, subject: str, what: str, action: str) -> Condition:
    """A condition that stops something."""
    return Condition(kind, subject, ConditionSeverity.PROBLEM, what, action)


def warning(kind: str, subject: str, what: str, action: str) -> Condition:
    """A condition that is worth a look."""
    return Condition(kind, subject, ConditionSeverity.WARNING, what, action)


@dataclass(frozen=True, slots=True)
class Fine:
    """Something that was looked at and is as it should be."""

    kind: str
    subject: str
    what: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question: what is wrong and what is fine, in the order to read it.

    ``rows`` tell one by one what is wrong, all with the same columns; ``figures`` are to be followed over
    time.
    """

    told: tuple[Condition | Fine, ...]
    rows: Sequence[Mapping[str, Cell]] = ()
    figures: Figures = field(default_factory=dict)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What is wrong."""
        return tuple(one for one in self.told if isinstance(one, Condition))

    @property
    def severity(self) -> ConditionSeverity:
        """That of the worst condition; a warning where there is none."""
        found = {one.severity for one in self.conditions}
        worst = ConditionSeverity.PROBLEM
        return worst if worst in found else ConditionSeverity.WARNING


def found(
    conditions: Iterable[Condition],
    fine: Fine,
    *,
    rows: Sequence[Mapping[str, Cell]] = (),
    figures: Figures | None = None,
) -> Answer:
    """The answer that tells the conditions, or that all is fine where there are none."""
    return Answer(tuple(conditions) or (fine,), rows, figures or {})
