"""The limits on the probability of a critical deviation by which a recording is decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sopilot_assets.texts.languages import Text

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
