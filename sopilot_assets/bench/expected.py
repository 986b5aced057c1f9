"""Whether a score says what the labels of its recording say: simulated and public labeled recordings alike.

A label names the edits that were made to a recording; each has to be found as a deviation of its type and
steps. What an edit hides or brings along may be reported too. Anything else that is reported is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from sopilot_assets.errors import ConfigError
from sopilot_assets.scoring.result import Decision
from sopilot_assets.tasks import DeviationType

NOT_THIS_TASK: Final = ("other_task", "empty_bench")
"""Types of edits, and variants, that make the recording show something else than the task."""

_OF_STEPS: Final = ("missing_step", "wrong_step", "over_time")
_CUTS: Final = ("cut_tail", "skip_start")
_ADDED: Final = ("step_deviation", "extra", "insert", "repeat", "added", "additional", "unexpected")
"""Words in the types of edits that add something between the steps."""

_BARELY_SHOWN: Final = 0.3
"""A step of which less than this share is in the recording has to be reported as missing."""

_Step = Annotated[int, Field(ge=0)]


class LabeledDeviation(BaseModel):
    """One edit of a label; the fields that its type has."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: str
    gold_step: _Step | None = None
    gold_steps: tuple[_Step, ...] = ()
    missing_gold_steps: tuple[_Step, ...] = ()
    partial_gold_steps: tuple[_Step, ...] = ()
    visible_fraction: dict[int, float] = {}

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps it is about, as far as it names them."""
        return self.gold_steps or (() if self.gold_step is None else (self.gold_step,))


class RecordingLabel(BaseModel):
    """One line of ``labels.jsonl``, as far as it is compared with scores."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    file: str
    task: str
    role: str
    variant: str
    site: str
    sop_steps: tuple[str, ...]
    deviations: tuple[LabeledDeviation, ...]

    @property
    def name(self) -> str:
        """The file name of the recording, as it is dropped."""
        return Path(self.file).name


def scored_as(edit_type: str) -> DeviationType | None:
    """The deviation that an edit of this type has to be reported as; None when nothing is known about it.

    >>> scored_as("cut_tail"), scored_as("extra_step"), scored_as("dropped_tool")
    (<DeviationType.MISSING_STEP: 'missing_step'>, <DeviationType.STEP_DEVIATION: 'step_deviation'>, None)
    """
    if edit_type in _CUTS:
        return DeviationType.MISSING_STEP
    if edit_type in tuple(DeviationType):
        return DeviationType(edit_type)
    return DeviationType.STEP_DEVIATION if any(word in edit_type for word in _ADDED) else None


_FOUND: Final = TypeAdapter(list[dict[str, object]])


@dataclass(frozen=True, order=True, slots=True)
class Fault:
    """A deviation as it is compared: its type, and the steps it is about."""

    type: str
    steps: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.type} {' + '.join(self.steps)}".strip()


@dataclass(frozen=True, slots=True)
class Expectation:
    """What has to be found (``needed``) and what may be (``allowed``); ``unknown_work`` means that the
    recording shows something else than the task and must not pass.
    """

    needed: frozenset[Fault]
    allowed: frozenset[Fault] = frozenset()
    unknown_work: bool = False

    def is_met(self, found: Sequence[Fault], decision: str) -> bool:
        """Whether a score with these deviations and this decision says what the label says."""
        if self.unknown_work:
            return decision in (Decision.NOT_VERIFIABLE, Decision.FAIL)
        kinds = frozenset(comparable(fault) for fault in found)
        return self.needed <= kinds <= self.needed | self.allowed and decision != Decision.NOT_VERIFIABLE


def read_labels(path: Path) -> list[RecordingLabel]:
    """The lines of a ``labels.jsonl``; raises ``ConfigError`` naming the first that is not one."""
    labels = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        try:
            labels.append(RecordingLabel.model_validate_json(line))
        except ValidationError as error:
            raise ConfigError(f"{path}, line {number}: expected a label, found {error}.") from error
    return labels


def expectation(label: RecordingLabel) -> Expectation:
    """What a score of the labeled recording has to say."""
    if any(edit.type in NOT_THIS_TASK for edit in label.deviations):
        return Expectation(frozenset(), unknown_work=True)
    needed = frozenset(fault for edit in label.deviations for fault in _needed(edit, label.sop_steps))
    allowed = frozenset(fault for edit in label.deviations for fault in _hidden(edit, label.sop_steps))
    return Expectation(needed, allowed)


def reported(deviations_json: str) -> tuple[Fault, ...]:
    """The deviations in the column ``deviations`` of the scores ledger, in order of time."""
    rows = _FOUND.validate_json(deviations_json or "[]")
    return tuple(Fault(str(row["type"]), tuple(map(str, _items(row["steps"])))) for row in rows)


def _items(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def comparable(fault: Fault) -> Fault:
    """A swap has no order; which steps a standstill hides, and between which something was added, is not
    compared.
    """
    if fault.type in (DeviationType.FREEZE, DeviationType.STEP_DEVIATION):
        return Fault(fault.type, ())
    return Fault(fault.type, tuple(sorted(fault.steps)))


def _needed(edit: LabeledDeviation, sop: Sequence[str]) -> Iterator[Fault]:
    """Without steps, where the label names none."""
    kind = scored_as(edit.type)
    named = tuple(sop[step] for step in edit.steps)
    if edit.type in _CUTS:
        barely = [step for step in edit.partial_gold_steps if _share(edit, step) < _BARELY_SHOWN]
        yield from (_missing(sop[step]) for step in (*edit.missing_gold_steps, *barely))
    elif edit.type in _OF_STEPS:
        yield from (Fault(edit.type, (step,)) for step in named) if named else [Fault(edit.type, ())]
    elif kind is not None:
        yield comparable(Fault(kind, named))


def _hidden(edit: LabeledDeviation, sop: Sequence[str]) -> Iterator[Fault]:
    """What may be reported besides: steps that a freeze or a cut hides wholly or partly."""
    for step in (*edit.missing_gold_steps, *edit.partial_gold_steps):
        yield _missing(sop[step])


def _share(edit: LabeledDeviation, step: int) -> float:
    shares: Mapping[int, float] = edit.visible_fraction
    return shares.get(step, 1.0)


def _missing(step: str) -> Fault:
    return Fault(DeviationType.MISSING_STEP, (step,))
