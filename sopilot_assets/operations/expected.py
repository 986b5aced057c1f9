"""Whether a score says what the labels of its recording say: simulated and public labelled recordings alike.

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

_NOT_THIS_TASK: Final = ("other_task", "empty_bench")
_BARELY_SHOWN: Final = 0.3
"""A step of which less than this share is in the recording has to be reported as missing."""

_Step = Annotated[int, Field(ge=0)]


class Edit(BaseModel):
    """One edit of a label; the fields that its type has."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: str
    gold_step: _Step | None = None
    gold_steps: tuple[_Step, ...] = ()
    missing_gold_steps: tuple[_Step, ...] = ()
    partial_gold_steps: tuple[_Step, ...] = ()
    visible_fraction: dict[int, float] = {}


class Label(BaseModel):
    """One line of ``labels.jsonl``, as far as it is compared with scores."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    file: str
    task: str
    role: str
    variant: str
    site: str
    sop_steps: tuple[str, ...]
    deviations: tuple[Edit, ...]

    @property
    def name(self) -> str:
        """The file name of the recording, as it is dropped."""
        return Path(self.file).name


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
        kinds = frozenset(_comparable(fault) for fault in found)
        return self.needed <= kinds <= self.needed | self.allowed and decision != Decision.NOT_VERIFIABLE


def read_labels(path: Path) -> list[Label]:
    """The lines of a ``labels.jsonl``; raises ``ConfigError`` naming the first that is not one."""
    labels = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        try:
            labels.append(Label.model_validate_json(line))
        except ValidationError as error:
            raise ConfigError(f"{path}, line {number}: expected a label, found {error}.") from error
    return labels


def expectation(label: Label) -> Expectation:
    """What a score of the labelled recording has to say."""
    if any(edit.type in _NOT_THIS_TASK for edit in label.deviations):
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


def _comparable(fault: Fault) -> Fault:
    """Where a picture stands still is compared, not which steps that hides; a swap has no order."""
    if fault.type == DeviationType.FREEZE:
        return Fault(fault.type, ())
    return Fault(fault.type, tuple(sorted(fault.steps)))


def _needed(edit: Edit, sop: Sequence[str]) -> Iterator[Fault]:
    match edit.type:
        case "missing_step" | "wrong_step" | "over_time":
            assert edit.gold_step is not None, "the generator names the step"
            yield Fault(edit.type, (sop[edit.gold_step],))
        case "order_swap":
            yield Fault(edit.type, tuple(sorted(sop[step] for step in edit.gold_steps)))
        case "freeze":
            yield Fault(edit.type, ())
        case "cut_tail" | "skip_start":
            barely = [step for step in edit.partial_gold_steps if _share(edit, step) < _BARELY_SHOWN]
            yield from (_missing(sop[step]) for step in (*edit.missing_gold_steps, *barely))


def _hidden(edit: Edit, sop: Sequence[str]) -> Iterator[Fault]:
    """What may be reported besides: steps that a freeze or a cut hides wholly or partly."""
    for step in (*edit.missing_gold_steps, *edit.partial_gold_steps):
        yield _missing(sop[step])


def _share(edit: Edit, step: int) -> float:
    shares: Mapping[int, float] = edit.visible_fraction
    return shares.get(step, 1.0)


def _missing(step: str) -> Fault:
    return Fault(DeviationType.MISSING_STEP, (step,))
