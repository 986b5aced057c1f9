"""Alignments on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError
from upath import UPath

from sopilot_assets.alignment.spans import Alignment, Alternative, Edit, Span, Warp
from sopilot_assets.errors import StoreError
from sopilot_assets.store.arrays import load_arrays, save_arrays
from sopilot_assets.store.publish import publish_text

_REMEDY = "Materialize alignments for this video again."


class _Facts(BaseModel):
    """Everything in an alignment but its arrays."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["sopilot-alignment-2"] = "sopilot-alignment-2"
    video_id: str
    reference_id: str
    spans: tuple[Span, ...]
    edits: tuple[Edit, ...]
    alternatives: tuple[Alternative, ...]
    log_odds: float
    fit: float
    order_evidence: float | None
    gold_id: str
    normalized_cost: float
    duration_s: float
    held_out: str


def save_alignment(path: Path | UPath, alignment: Alignment) -> None:
    """Publish an alignment as an ``.npz``; equal alignments give identical bytes."""
    facts = _Facts(
        video_id=alignment.video_id,
        reference_id=alignment.reference_id,
        spans=alignment.spans,
        edits=alignment.edits,
        alternatives=alignment.alternatives,
        log_odds=alignment.log_odds,
        fit=alignment.fit,
        order_evidence=alignment.order_evidence,
        gold_id=alignment.warp.gold_id,
        normalized_cost=alignment.warp.normalized_cost,
        duration_s=alignment.duration_s,
        held_out=alignment.held_out,
    )
    arrays = {
        "facts": np.array(facts.model_dump_json()),
        "gold_s": alignment.warp.gold_s,
        "trainee_s": alignment.warp.trainee_s,
        "clip_middle_s": alignment.clip_middle_s,
        "posterior": alignment.posterior,
    }
    save_arrays(path, arrays)


def load_alignment(path: Path | UPath) -> Alignment:
    """The alignment stored at ``path``; `StoreError` when it is missing, damaged or of another format."""
    arrays = load_arrays(path, what="an alignment", remedy=_REMEDY)
    try:
        facts = _Facts.model_validate_json(str(arrays["facts"]))
        gold_s, trainee_s, middles = (
            _floats(arrays[name]) for name in ("gold_s", "trainee_s", "clip_middle_s")
        )
        posterior = arrays["posterior"].astype(np.float32)
    except (KeyError, ValidationError) as error:
        raise StoreError(
            f"{path}: expected an alignment, found something else ({error}). {_REMEDY}"
        ) from error
    return Alignment(
        video_id=facts.video_id,
        reference_id=facts.reference_id,
        spans=facts.spans,
        edits=facts.edits,
        log_odds=facts.log_odds,
        fit=facts.fit,
        order_evidence=facts.order_evidence,
        warp=Warp(facts.gold_id, gold_s, trainee_s, facts.normalized_cost),
        clip_middle_s=middles,
        posterior=posterior,
        duration_s=facts.duration_s,
        held_out=facts.held_out,
        alternatives=facts.alternatives,
    )


class _Problem(BaseModel):
    """Why a video could not be aligned, in English and, where it is known, in Japanese."""

    model_config = ConfigDict(extra="forbid")

    en: str
    ja: str | None


def problem_path(path: UPath) -> UPath:
    """Where the reason lies why there is no alignment at ``path``."""
    return path.with_suffix(".problem.json")


def save_problem(path: UPath, en: str, ja: str | None) -> None:
    """Publish the reason why a video could not be aligned; ``path`` is where its alignment would lie."""
    publish_text(problem_path(path), _Problem(en=en, ja=ja).model_dump_json(indent=1) + "\n")


def load_problem(path: UPath) -> tuple[str, str | None] | None:
    """The reason why there is no alignment at ``path``, in English and Japanese; None where none is known."""
    stored = problem_path(path)
    if path.exists() or not stored.exists():
        return None
    try:
        found = _Problem.model_validate_json(stored.read_bytes())
    except ValidationError as error:
        raise StoreError(f"{stored}: expected a reason, found something else ({error}). {_REMEDY}") from error
    return found.en, found.ja


def _floats(array: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    return array.astype(np.float64)
