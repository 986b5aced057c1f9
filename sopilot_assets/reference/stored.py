"""References on disk: what was learnt from the golds, without their embeddings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from upath import UPath

from sopilot_assets.embedding.clips import ClipEmbedding
from sopilot_assets.errors import StoreError
from sopilot_assets.reference.annotations import StepInterval
from sopilot_assets.reference.durations import Durations
from sopilot_assets.reference.evidence import Evidence, GoldClips
from sopilot_assets.reference.model import Gold, Reference
from sopilot_assets.segments import Segment
from sopilot_assets.store.arrays import load_arrays, save_arrays

FORMAT: Final = "sopilot-reference-1"
_REMEDY: Final = "Materialize gold_references for this task again."


def save_reference(path: Path | UPath, reference: Reference) -> None:
    """Publish a reference as an ``.npz``; equal references give identical bytes."""
    evidence, durations = reference.evidence, reference.durations
    facts = {
        "format": FORMAT,
        "reference_id": reference.reference_id,
        "task_id": reference.task_id,
        "step_ids": reference.step_ids,
        "model_id": reference.model_id,
        "orders": reference.orders,
        "golds": [_gold_facts(gold) for gold in reference.golds],
        "stack": evidence.stack,
        "held_out": evidence.held_out,
        "gold_match": evidence.gold_match,
        "log_mean": durations.log_mean,
        "spread": durations.spread,
        "tempo_spread": durations.tempo_spread,
    }
    arrays = {
        "facts": np.array(json.dumps(facts)),
        "rows": evidence.clips.rows,
        "step": evidence.clips.step,
        "gold": evidence.clips.gold,
        "person": evidence.clips.person,
        "weights": evidence.weights,
        "bias": evidence.bias,
    }
    save_arrays(path, arrays)


def load_reference(path: Path | UPath, embedding_of: Callable[[str], ClipEmbedding]) -> Reference:
    """The reference stored at ``path``; ``embedding_of`` gives the embedding of a gold by its video id."""
    arrays = load_arrays(path, what="a reference", remedy=_REMEDY)
    facts = json.loads(str(arrays["facts"]))
    if facts["format"] != FORMAT:
        raise StoreError(f"{path}: expected a reference of format {FORMAT}, found {facts['format']}. {_REMEDY}")
    clips = GoldClips(
        arrays["rows"].astype(np.float32),
        arrays["step"].astype(np.int64),
        arrays["gold"].astype(np.int64),
        arrays["person"].astype(np.int64),
        len(facts["step_ids"]),
    )
    a, b, c, d = facts["stack"]
    evidence = Evidence(
        clips, arrays["weights"].astype(np.float64), arrays["bias"].astype(np.float64), (a, b, c, d), facts["held_out"], tuple(facts["gold_match"])
    )
    return Reference(
        reference_id=facts["reference_id"],
        task_id=facts["task_id"],
        step_ids=tuple(facts["step_ids"]),
        model_id=facts["model_id"],
        golds=tuple(_gold(gold, embedding_of) for gold in facts["golds"]),
        evidence=evidence,
        durations=Durations(tuple(facts["log_mean"]), tuple(facts["spread"]), facts["tempo_spread"]),
        orders=tuple(tuple(order) for order in facts["orders"]),
    )


def _gold_facts(gold: Gold) -> dict[str, object]:
    return {
        "video_id": gold.video_id,
        "person": gold.person,
        "site": gold.site,
        "confirmed": gold.confirmed,
        "intervals": [[i.step, i.segment.start_s, i.segment.end_s] for i in gold.intervals],
    }


def _gold(facts: dict[str, object], embedding_of: Callable[[str], ClipEmbedding]) -> Gold:
    intervals: list[tuple[int, float, float]] = facts["intervals"]  # type: ignore[assignment]
    video_id = str(facts["video_id"])
    return Gold(
        video_id=video_id,
        person=None if facts["person"] is None else str(facts["person"]),
        site=str(facts["site"]),
        embedding=embedding_of(video_id),
        intervals=tuple(StepInterval(step, Segment(start_s, end_s)) for step, start_s, end_s in intervals),
        confirmed=bool(facts["confirmed"]),
    )
