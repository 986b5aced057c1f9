"""References on disk: what was learnt from the golds, without their embeddings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from upath import UPath

from sopilot_assets.embedding.clips import ClipEmbedding
from sopilot_assets.errors import StoreError
from sopilot_assets.reference.annotations import StepInterval
from sopilot_assets.reference.borders import Borders
from sopilot_assets.reference.durations import Durations
from sopilot_assets.reference.evidence import Evidence, GoldClips, along_components
from sopilot_assets.reference.model import Gold, Reference
from sopilot_assets.reference.motion import Motion
from sopilot_assets.store.arrays import load_arrays, save_arrays

_REMEDY: Final = "Materialize gold_references for this task again."


class _GoldFacts(BaseModel):
    model_config = ConfigDict(extra="forbid")

    video_id: str
    person: str | None
    site: str
    confirmed: bool
    intervals: tuple[StepInterval, ...]


class _Facts(BaseModel):
    """Everything in a reference but its arrays and the golds' embeddings."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["sopilot-reference-2", "sopilot-reference-3"] = "sopilot-reference-3"
    reference_id: str
    task_id: str
    step_ids: tuple[str, ...]
    model_id: str
    task_orders: tuple[tuple[int, ...], ...]
    orders: tuple[tuple[int, ...], ...]
    golds: tuple[_GoldFacts, ...]
    stack: tuple[float, float, float, float]
    held_out: str
    gold_match: tuple[float, ...]
    durations: Durations
    motion: Motion
    borders: Borders


def save_reference(path: Path | UPath, reference: Reference) -> None:
    """Publish a reference as an ``.npz``; equal references give identical bytes."""
    evidence = reference.evidence
    facts = _Facts(
        reference_id=reference.reference_id,
        task_id=reference.task_id,
        step_ids=reference.step_ids,
        model_id=reference.model_id,
        task_orders=reference.task_orders,
        orders=reference.orders,
        golds=tuple(_gold_facts(gold) for gold in reference.golds),
        stack=evidence.stack,
        held_out=evidence.held_out,
        gold_match=evidence.gold_match,
        durations=reference.durations,
        motion=reference.motion,
        borders=reference.borders,
    )
    arrays = {
        "facts": np.array(facts.model_dump_json()),
        "components": evidence.components,
        "rows": evidence.clips.rows,
        "step": evidence.clips.step,
        "gold": evidence.clips.gold,
        "person": evidence.clips.person,
        "weights": evidence.weights,
        "bias": evidence.bias,
        "looks": evidence.looks,
    }
    save_arrays(path, arrays)


def stored_steps(path: Path | UPath) -> tuple[str, ...]:
    """The ids of the steps that the reference stored at ``path`` knows; raises `StoreError` as
    `load_reference` does.
    """
    arrays = load_arrays(path, what="a reference", remedy=_REMEDY)
    try:
        return _Facts.model_validate_json(str(arrays["facts"])).step_ids
    except (KeyError, ValidationError) as error:
        raise _no_reference(path, error) from error


def load_reference(path: Path | UPath, embedding_of: Callable[[str], ClipEmbedding]) -> Reference:
    """The reference stored at ``path``; ``embedding_of`` gives the embedding of a gold by its video id.

    Raises `StoreError` when the file is missing, damaged or of another format.
    """
    arrays = load_arrays(path, what="a reference", remedy=_REMEDY)
    try:
        facts = _Facts.model_validate_json(str(arrays["facts"]))
        clips = GoldClips(
            arrays["rows"].astype(np.float32),
            arrays["step"].astype(np.int64),
            arrays["gold"].astype(np.int64),
            arrays["person"].astype(np.int64),
            len(facts.step_ids),
        )
        weights, bias, looks = (arrays[name].astype(np.float64) for name in ("weights", "bias", "looks"))
        if facts.format == "sopilot-reference-2":  # kept all features of clips
            components, clips = along_components(clips)
            weights = components.T @ weights
        else:
            components = arrays["components"].astype(np.float32)
    except (KeyError, ValidationError) as error:
        raise _no_reference(path, error) from error
    return Reference(
        reference_id=facts.reference_id,
        task_id=facts.task_id,
        step_ids=facts.step_ids,
        model_id=facts.model_id,
        golds=tuple(_gold(gold, embedding_of(gold.video_id)) for gold in facts.golds),
        evidence=Evidence(
            components, clips, weights, bias, facts.stack, facts.held_out, looks, facts.gold_match
        ),
        durations=facts.durations,
        motion=facts.motion,
        borders=facts.borders,
        task_orders=facts.task_orders,
        orders=facts.orders,
    )


def _no_reference(path: Path | UPath, error: Exception) -> StoreError:
    return StoreError(f"{path}: expected a reference, found something else ({error}). {_REMEDY}")


def _gold_facts(gold: Gold) -> _GoldFacts:
    return _GoldFacts(
        video_id=gold.video_id,
        person=gold.person,
        site=gold.site,
        confirmed=gold.confirmed,
        intervals=gold.intervals,
    )


def _gold(facts: _GoldFacts, embedding: ClipEmbedding) -> Gold:
    return Gold(facts.video_id, facts.person, facts.site, embedding, facts.intervals, facts.confirmed)
