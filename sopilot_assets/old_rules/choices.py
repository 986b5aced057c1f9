"""What a study file may choose of the old rules: the shares of a split and the grid of a fit."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Share = Annotated[float, Field(ge=0.01, le=0.98, allow_inf_nan=False)]
Limit = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Limits = Annotated[tuple[Limit, ...], Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SplitRatios(_Section):
    """The share of cases that each split should get; they add up to 1."""

    dev: Share = 0.6
    test: Share = 0.2
    challenge: Share = 0.2

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = self.dev + self.test + self.challenge
        if abs(total - 1) > 1e-9:
            raise ValueError(f"expected shares that add up to 1, found {total:g}")
        return self

    def shares(self) -> dict[str, float]:
        """The share of each split by its name."""
        return {"dev": self.dev, "test": self.test, "challenge": self.challenge}


class FittingGrid(_Section):
    """The guardrails that are tried: DTW cost, mean distance and mean span; by default 6 x 7 x 7 points."""

    min_dtw: Limits = (0.015, 0.02, 0.025, 0.03, 0.035, 0.04)
    max_distance: Limits = (0.08, 0.09, 0.10, 0.11, 0.12, 0.13, 0.14)
    max_span: Limits = (1.0, 1.2, 1.4, 1.5, 1.6, 1.8, 2.0)

    @field_validator("min_dtw", "max_distance", "max_span")
    @classmethod
    def _rising(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if any(after <= before for before, after in pairwise(values)):
            raise ValueError(f"expected rising numbers, found {list(values)}")
        return values
