"""What a task file says, as frozen models: the steps of a procedure and how a recording of it is judged."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from itertools import islice
from typing import Annotated, Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from sopilot_assets.documents.faults import IDENTIFIER_PATTERN
from sopilot_assets.tasks.order import check_order, legal_orders, predecessors
from sopilot_assets.tasks.privacy import TaskPrivacy
from sopilot_assets.texts.languages import Text

TASK_ID_PATTERN: Final = r"^[a-z][a-z0-9_]{0,47}$"
MOST_ORDERS: Final = 50
"""Legal orders that are compared with a recording; a task that allows more is judged by the first ones."""


Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120, pattern=r"^[^\r\n]*$")
]
Sentence = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400, pattern=r"^[^\r\n]*$")
]
StepId = Annotated[str, StringConstraints(pattern=IDENTIFIER_PATTERN)]
Points = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, lt=0.5, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Luma = Annotated[float, Field(ge=0, le=255, allow_inf_nan=False)]
Takt = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]

JUDGING_NOBODY: Final = frozenset({"takt_s", "privacy"})
"""Fields that planning sets anew whenever demand changes, and those about the people who are filmed. No score
depends on them, and they may change in a locked version.
"""
EXPLAINED: Final = frozenset({"instruction", "instruction_ja"})
"""Fields of steps that tell people how they are done: the same holds for them."""


class DeviationType(StrEnum):
    """The ways in which a recording can differ from the procedure."""

    MISSING_STEP = "missing_step"
    ORDER_SWAP = "order_swap"
    WRONG_STEP = "wrong_step"
    STEP_DEVIATION = "step_deviation"
    OVER_TIME = "over_time"
    FREEZE = "freeze"


class Severity(StrEnum):
    """How much a deviation matters: ``critical`` fails the recording, except for a frozen picture, which is
    filmed again; the others cost points.
    """

    CRITICAL = "critical"
    QUALITY = "quality"
    EFFICIENCY = "efficiency"


class EmbedderName(StrEnum):
    """The embedding backends a task can ask for."""

    LITE0_BOX = "lite0_box"
    LITE0_FLOW = "lite0_flow"
    COLOR_MOTION = "color_motion"
    VJEPA2 = "vjepa2"


NEW_TASKS_USE: Final = EmbedderName.LITE0_BOX
"""What new task files name. One that names none means `EmbedderName.LITE0_FLOW`, which was the only choice
when it was written.
"""

DEFAULT_SEVERITY: Final[Mapping[DeviationType, Severity]] = {
    DeviationType.MISSING_STEP: Severity.CRITICAL,
    DeviationType.ORDER_SWAP: Severity.QUALITY,
    DeviationType.WRONG_STEP: Severity.QUALITY,
    DeviationType.STEP_DEVIATION: Severity.QUALITY,
    DeviationType.OVER_TIME: Severity.EFFICIENCY,
    DeviationType.FREEZE: Severity.CRITICAL,
}


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Step(_Section):
    """One step of a procedure.

    ``after`` names the steps that must be done before this one. Left out, it is the step above; an empty list
    means that the step may be done at any time. ``instruction`` says in a sentence how the step is done, for
    the work instruction; nothing is judged by it.
    """

    id: StepId
    name: Name
    name_ja: Name | None = None
    instruction: Sentence | None = None
    instruction_ja: Sentence | None = None
    critical: bool = True
    after: tuple[StepId, ...] | None = None

    @property
    def names(self) -> Text:
        """Its name in both languages; the English one stands in where there is no Japanese one."""
        return Text(self.name, self.name_ja or self.name)


class Weights(_Section):
    """How much each kind of fault takes from the score; only the proportions count."""

    miss: Amount = 0.40
    swap: Amount = 0.25
    deviation: Amount = 0.25
    time: Amount = 0.10

    @model_validator(mode="after")
    def _some_weight(self) -> Self:
        if self.total <= 0:
            raise ValueError("expected at least one weight above 0, found 0 for all of them")
        return self

    @property
    def total(self) -> float:
        """The sum of the four weights as written."""
        return self.miss + self.swap + self.deviation + self.time

    @property
    def normalised(self) -> Weights:
        """The same proportions with a sum of 1.

        >>> Weights(miss=2, swap=1, deviation=1, time=0).normalised
        Weights(miss=0.5, swap=0.25, deviation=0.25, time=0.0)
        """
        return Weights(
            miss=self.miss / self.total,
            swap=self.swap / self.total,
            deviation=self.deviation / self.total,
            time=self.time / self.total,
        )


class QualityGate(_Section):
    """The recording quality a task asks for: golds outside the limits are refused, trainee videos flagged.

    Brightness is the mean luma (0 to 255), sharpness the variance of the Laplacian of the grey image at 480
    pixels width, stability the camera's shake in percent of the image width; ``min_duration_s`` is in
    seconds.
    """

    enabled: bool
    brightness_min: Luma = 30.0
    brightness_max: Luma = Field(default=220.0, validate_default=True)
    sharpness_min: Amount = 5.0
    stability_max: Amount = 3.0
    min_width: int = Field(default=320, ge=16)
    min_height: int = Field(default=240, ge=16)
    min_duration_s: Amount = 5.0

    @field_validator("brightness_max")
    @classmethod
    def _above_minimum(cls, value: float, info: ValidationInfo) -> float:
        minimum = info.data.get("brightness_min")
        if minimum is not None and value <= minimum:
            raise ValueError(f"expected more than brightness_min ({minimum:g}), found {value:g}")
        return value


class TaskSpec(_Section):
    """One procedure: its steps, the scores that decide, weights, severities, embedder, recording limits.

    ``accepted_miss`` is the share of recordings with a critical deviation that may pass unseen,
    ``accepted_alarm`` that of those without one that may fail; from them follow the limits of the decision.
    ``takt_s`` is the takt time in seconds: how often one is needed, which its time is compared with.
    """

    task_id: Annotated[str, StringConstraints(pattern=TASK_ID_PATTERN)]
    name: Name
    name_ja: Name | None = None
    version: int = Field(ge=1, le=9999)
    steps: tuple[Step, ...] = Field(min_length=1)
    pass_score: Points = 90.0
    retrain_score: Points = Field(default=80.0, validate_default=True)
    accepted_miss: Share = 0.05
    accepted_alarm: Share = 0.03
    takt_s: Takt | None = None
    weights: Weights = Weights()
    severity: dict[DeviationType, Severity] = Field(default_factory=lambda: dict(DEFAULT_SEVERITY))
    embedder: EmbedderName = EmbedderName.LITE0_FLOW
    quality_gate: QualityGate = QualityGate(enabled=False)
    privacy: TaskPrivacy = TaskPrivacy()

    @field_validator("steps")
    @classmethod
    def _orderable(cls, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        check_order([(step.id, step.after) for step in steps])
        return steps

    @field_validator("retrain_score")
    @classmethod
    def _not_above_pass(cls, value: float, info: ValidationInfo) -> float:
        pass_score = info.data.get("pass_score")
        if pass_score is not None and value > pass_score:
            raise ValueError(f"expected at most pass_score ({pass_score:g}), found {value:g}")
        return value

    @field_validator("severity")
    @classmethod
    def _complete(cls, given: dict[DeviationType, Severity]) -> dict[DeviationType, Severity]:
        return {kind: given.get(kind, default) for kind, default in DEFAULT_SEVERITY.items()}

    @property
    def names(self) -> Text:
        """Its name in both languages; the English one stands in where there is no Japanese one."""
        return Text(self.name, self.name_ja or self.name)

    @property
    def step_ids(self) -> tuple[str, ...]:
        """The ids of the steps, in the order of the file."""
        return tuple(step.id for step in self.steps)

    @property
    def critical_ids(self) -> frozenset[str]:
        """The ids of the steps whose absence is critical."""
        return frozenset(step.id for step in self.steps if step.critical)

    def step(self, step_id: str) -> Step:
        """The step with this id; ``KeyError`` when there is none."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)

    def predecessors(self) -> dict[str, frozenset[str]]:
        """For every step, all steps that must come before it, directly or through others."""
        return dict(_predecessors(tuple((step.id, step.after) for step in self.steps)))

    def directly_before(self, step_id: str) -> tuple[Step, ...]:
        """The steps it comes after, in the file's order; not those that another of them comes after."""
        before = self.predecessors()
        implied = frozenset[str]().union(*(before[other] for other in before[step_id]))
        return tuple(step for step in self.steps if step.id in before[step_id] - implied)

    def legal_orders(self) -> tuple[tuple[int, ...], ...]:
        """The orders in which all steps may be done, as indices into ``steps``: at most `MOST_ORDERS`, the
        one closest to the file's first.
        """
        found = islice(legal_orders(self.predecessors()), MOST_ORDERS)
        return tuple(tuple(self.step_ids.index(step_id) for step_id in order) for order in found)

    def agreed(self) -> dict[str, object]:
        """What a lock holds, as plain data: everything but what judges nobody and what only explains."""
        content = self.model_dump(mode="json", exclude=set(JUDGING_NOBODY))
        content["steps"] = [
            {name: value for name, value in step.items() if name not in EXPLAINED}
            for step in content["steps"]
        ]
        return content

    def fingerprint(self) -> str:
        """A SHA-256 (64 hex digits) over everything in the task that can change a score or a decision.

        Names, instructions, version, quality gate, takt time and privacy are left out: names and
        number only label a score, the gate decides what is recorded and not how it is judged, and the others
        judge nobody. ``after`` enters as the order it implies, so that spelling out a default changes
        nothing.
        """
        judged = self.model_dump(mode="json", exclude=set(_NOT_JUDGED | JUDGING_NOBODY))
        before = self.predecessors()
        judged["steps"] = [[step.id, step.critical, sorted(before[step.id])] for step in self.steps]
        return canonical_sha256(judged)


_predecessors: Final = functools.lru_cache(maxsize=64)(predecessors)
"""Asked for every recording that is judged, of a few tasks."""

_NOT_JUDGED: Final = frozenset({"name", "name_ja", "version", "quality_gate", "steps"})


def canonical_sha256(content: Mapping[str, object]) -> str:
    """The SHA-256 (64 hex digits) of plain data, whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
