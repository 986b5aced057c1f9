"""The limits on the probability of a critical deviation by which a recording is decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from sopilot_assets.tasks import TaskSpec
from sopilot_assets.texts.languages import Text

MISSED_BELOW: Final = (
    (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5),
    (0.0, 0.024, 0.034, 0.051, 0.074, 0.111, 0.145, 0.169),
)
"""Limits on the probability, and the share of critical recordings that lay below each on the development
sets (296, with golds of several persons and of one). From the probabilities alone .026 .054 .078 .096 .126
.167 .187 were foretold: low ones are a little too high.
"""
ALARMS_FROM: Final = (
    (0.95, 0.8, 0.7, 0.6, 0.5),
    (0.003, 0.014, 0.02, 0.029, 0.042),
)
"""Limits on the probability, and the share of recordings without a critical deviation from each on: the mean
of what was found on the development sets (908; .035 at .6) and what was foretold (.023 there).
"""
GOLDS: Final = "golds"
"""The source of limits that follow from the task and its golds alone."""


@dataclass(frozen=True, slots=True)
class DecisionLimits:
    """From which critical probability on something happens, 0 <= review <= fail <= 1.

    From ``fail`` on a recording fails; from ``review`` on a person has to look. ``source`` says who set them:
    `GOLDS`, or ``policy <id>``. Raises `ValueError` for limits out of order.
    """

    fail: float
    review: float
    source: str

    def __post_init__(self) -> None:
        if not 0.0 <= self.review <= self.fail <= 1.0:
            raise ValueError(
                f"limits of {self.source}: expected 0 <= review <= fail <= 1, found review {self.review:g} "
                f"and fail {self.fail:g}."
            )


def source_text(source: str) -> Text:
    """Who set the limits, as people read it."""
    if source == GOLDS:
        return Text("the golds' own rule", "お手本による基準")
    policy_id = source.removeprefix("policy ")
    return Text(f"adopted policy {policy_id}", f"採用したポリシー {policy_id}")


def policy_source(policy_id: str) -> str:
    """How rows and pages name the policy that decided."""
    return f"policy {policy_id}"


def golds_limits(task: TaskSpec) -> DecisionLimits:
    """The limits of a task where no policy sets them, from what the task accepts.

    `MISSED_BELOW` and `ALARMS_FROM` say, of the development sets, which share of all critical recordings lies
    below a limit and which of the others reaches it. Where probabilities are calibrated, both can be foretold
    from them alone: the sums of p and of 1 - p on one side against those of all.
    """
    review = np.interp(task.accepted_miss, MISSED_BELOW[1], MISSED_BELOW[0])
    fail = np.interp(task.accepted_alarm, ALARMS_FROM[1], ALARMS_FROM[0])
    return DecisionLimits(round(float(max(review, fail)), 4), round(float(review), 4), GOLDS)
