"""Promotions: trainee recordings that people made golds of their task, and took back, as chains of events.

A promoted recording keeps its partition key. Nothing is overwritten: a demotion is an event too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Self

import pandas as pd
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from sopilot_assets.errors import GoldError
from sopilot_assets.store.chain import CHAIN_COLUMNS, Chain, ChainDraft, ChainEvent, Key, Who
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Ledger, plain_rows

COLUMNS: Final = {
    **CHAIN_COLUMNS,
    "key": pa.string(),
    "who": pa.string(),
    "at": pa.string(),
    "change": pa.string(),
    "why": pa.string(),
    "steps": pa.string(),
    "steps_from": pa.string(),
}
"""``steps`` is a JSON list of `ConfirmedStep`."""

WHY_LETTERS: Final = 500


class PromotionChange(StrEnum):
    """What an event does to a recording."""

    PROMOTE = "promote"
    DEMOTE = "demote"


class ConfirmedStep(BaseModel):
    """When a step of the task begins and ends in a promoted recording, in seconds from its beginning."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    step: str
    start_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    end_s: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class PromotionDraft(ChainDraft):
    """Who makes a recording a gold, or takes that back, when and why.

    ``steps`` are the steps that the person confirms, in order of time, and ``steps_from`` where they come
    from: a file, or the alignment with a reference. A demotion has neither.
    """

    key: Key
    who: Who
    change: Annotated[PromotionChange, Field(strict=False)]
    why: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=WHY_LETTERS)]
    steps: Annotated[tuple[ConfirmedStep, ...], Field(strict=False)] = ()
    steps_from: str = ""

    @model_validator(mode="after")
    def _steps_of_a_gold(self) -> Self:
        if bool(self.steps) is not (self.change is PromotionChange.PROMOTE):
            raise ValueError("expected steps where a recording is promoted, and none where it is demoted")
        return self


class PromotionEvent(PromotionDraft, ChainEvent):
    """A draft in its place in the chain of its task."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """That a recording counts as a gold now: who promoted it, when (ISO 8601 in UTC) and why."""

    who: str
    at: str
    why: str


def promotions_ledger(home: Home) -> Ledger:
    """The ledger of promotions and demotions of all tasks."""
    return Ledger(home.ledgers, "promotions", COLUMNS, "event_id")


def promotions_chain(home: Home) -> Chain[PromotionDraft, PromotionEvent]:
    """The chains of promotions of a home; what is broken is a `GoldError`."""
    return Chain(promotions_ledger(home), PromotionEvent, ("steps",), lambda draft: draft.key, GoldError)


def promoted_golds(home: Home, *, before: str | None = None) -> dict[str, Promotion]:
    """The recordings that are promoted now, or were at the moment ``before`` (ISO 8601 in UTC), by key.

    The chains are not verified here; a reference is made of verified ones only.
    """
    cut = pd.DataFrame({"moment": [before]}, dtype="string")
    found = promotions_ledger(home).query(
        'select key, who, "at", change, why from all_rows, cut '
        "where cut.moment is null or written_at < cut.moment order by task_id, seq",
        cut=cut,
    )
    newest = {str(row["key"]): row for row in plain_rows(found)}
    return {
        key: Promotion(*(str(row[name]) for name in ("who", "at", "why")))
        for key, row in newest.items()
        if row["change"] == PromotionChange.PROMOTE.value
    }


def ever_promoted(home: Home) -> frozenset[str]:
    """The keys of all recordings that were made golds at any time, taken back or not."""
    return frozenset(promotions_ledger(home).query("select distinct key from all_rows")["key"])


def confirmed_steps(home: Home, task_id: str) -> Mapping[str, tuple[ConfirmedStep, ...]]:
    """The steps of the task's promoted recordings, by key, from its verified chain; raises `GoldError` where
    that is broken.
    """
    newest = {event.key: event for event in promotions_chain(home).read(task_id)}
    return {key: one.steps for key, one in newest.items() if one.change is PromotionChange.PROMOTE}
