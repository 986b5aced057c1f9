"""Which policy decides for a task: adopted, withdrawn, or lapsed since a condition was gone, as a chain of
events for each task.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, Final

import pyarrow as pa
from pydantic import Field, StringConstraints, ValidationError

from sopilot_assets.errors import LedgerError, StudyError
from sopilot_assets.store.chain import CHAIN_COLUMNS, Chain, ChainDraft, ChainEvent, Hash
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Ledger

COLUMNS: Final = {
    **CHAIN_COLUMNS,
    "happened": pa.string(),
    "who": pa.string(),
    "at": pa.string(),
    "reason": pa.string(),
    "study_id": pa.string(),
    "policy_id": pa.string(),
    "detector": pa.string(),
    "review": pa.float64(),
    "dossier_id": pa.string(),
    "dossier_sha256": pa.string(),
    "signer": pa.string(),
    "task_version": pa.int64(),
    "task_fingerprint": pa.string(),
    "model_id": pa.string(),
    "algorithm": pa.string(),
    "reference_id": pa.string(),
}

LAPSED_BY: Final = "sopilot"
"""Who says that a policy lapsed."""

_Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class AdoptionHappening(StrEnum):
    """What an event says: a policy decides from now on, somebody took it back, or a condition was gone."""

    ADOPTED = "adopted"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


class AdoptionDraft(ChainDraft):
    """One word on the policy of a task: who said it, when, why, and of which policy.

    ``review`` is the policy's threshold as a critical probability of score rows. ``dossier_sha256`` is the
    hash of the dossier's ``manifest.json``, which holds the hashes of all its files; ``signer`` the
    fingerprint of the key that signed it. The next four are the conditions under which the policy was fitted
    and decides: version and fingerprint of the task, embedding model, algorithm. ``reference_id`` is the
    reference by which the study's recordings were scored; None in events from before it was kept.
    """

    later_fields: ClassVar[frozenset[str]] = frozenset({"reference_id"})

    happened: Annotated[AdoptionHappening, Field(strict=False)]
    who: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    reason: _Said
    study_id: str
    policy_id: str
    detector: str
    review: Annotated[float, Field(ge=0, le=1)]
    dossier_id: str
    dossier_sha256: Hash
    signer: str
    task_version: int
    task_fingerprint: str
    model_id: str
    algorithm: str
    reference_id: str | None = None


class AdoptionEvent(AdoptionDraft, ChainEvent):
    """A draft in its place in the chain of its task."""


def adoptions(home: Home) -> Chain[AdoptionDraft, AdoptionEvent]:
    """The chains of adoptions; each word on the policy of a task replaces the one before it."""
    ledger = Ledger(home.ledgers, "adoptions", COLUMNS, "event_id")
    return Chain(ledger, AdoptionEvent, (), lambda draft: draft.task_id, LedgerError)


def last_adoption(home: Home, task_id: str) -> AdoptionEvent | None:
    """The last word on the policy of a task; None where none was ever adopted."""
    events = adoptions(home).read(task_id)
    return events[-1] if events else None


def say_adoption(
    home: Home, task_id: str, fields: Mapping[str, object], *, run_id: str, written_at: str
) -> AdoptionEvent:
    """The word on the policy of a task that these fields say, as an event at the end of its chain.

    Raises `StudyError` for fields that cannot be, `LedgerError` where the chain is broken.
    """
    try:
        draft = AdoptionDraft.model_validate({**fields, "task_id": task_id, "at": written_at})
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = {"who": "--by", "reason": "--reason"}.get(str(fault["loc"][0]), str(fault["loc"][0]))
        raise StudyError(
            f"{where}: {fault['msg']}; found {str(fault['input'])[:60]!r}.",
            ja="理由を 1〜2000 文字で入力してください。" if where == "--reason" else None,
        ) from error
    chain = adoptions(home)
    added = chain.append([draft], run_id=run_id, written_at=written_at)
    # who says the same as somebody else at the same moment said nothing new
    return added[0] if added else chain.read(task_id)[-1]


def ended(
    home: Home,
    adoption: AdoptionEvent,
    happened: AdoptionHappening,
    *,
    who: str,
    reason: str,
    run_id: str,
    written_at: str,
) -> AdoptionEvent:
    """The event that ends an adoption."""
    said = {**adoption.says(), "happened": happened.value, "who": who, "reason": reason}
    return say_adoption(home, adoption.task_id, said, run_id=run_id, written_at=written_at)
