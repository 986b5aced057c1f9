"""Alignments on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from upath import UPath

from sopilot_assets.alignment.spans import Alignment, Alternative, Edit, EditKind, Span, SpanKind, Warp
from sopilot_assets.errors import StoreError
from sopilot_assets.segments import Segment
from sopilot_assets.store.arrays import load_arrays, save_arrays

FORMAT: Final = "sopilot-alignment-1"


def save_alignment(path: Path | UPath, alignment: Alignment) -> None:
    """Publish an alignment as an ``.npz``; equal alignments give identical bytes."""
    facts = {
        "format": FORMAT,
        "video_id": alignment.video_id,
        "reference_id": alignment.reference_id,
        "spans": [[s.kind, s.segment.start_s, s.segment.end_s, s.step, s.evidence] for s in alignment.spans],
        "edits": [[e.kind, list(e.steps), e.where.start_s, e.where.end_s, e.log_odds] for e in alignment.edits],
        "alternatives": [[[[kind, list(steps)] for kind, steps in a.edits], a.log_odds] for a in alignment.alternatives],
        "log_odds": alignment.log_odds,
        "fit": alignment.fit,
        "gold_id": alignment.warp.gold_id,
        "normalized_cost": alignment.warp.normalized_cost,
        "duration_s": alignment.duration_s,
    }
    arrays = {
        "facts": np.array(json.dumps(facts)),
        "gold_s": alignment.warp.gold_s,
        "trainee_s": alignment.warp.trainee_s,
        "clip_middle_s": alignment.clip_middle_s,
        "posterior": alignment.posterior,
    }
    save_arrays(path, arrays)


def load_alignment(path: Path | UPath) -> Alignment:
    """The alignment stored at ``path``; `StoreError` when it is missing, damaged or of another format."""
    arrays = load_arrays(path, what="an alignment", remedy="Materialize alignments for this video again.")
    try:
        facts = json.loads(str(arrays["facts"]))
        if facts["format"] != FORMAT:
            raise ValueError(f"its format is {facts['format']}")
        return _from(facts, arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: not an alignment of format {FORMAT} ({error}). Materialize alignments for this video again.") from error


# the shape of the facts is the one written above; anything else fails with one of the errors caught by the caller
def _from(facts: Mapping[str, object], arrays: Mapping[str, npt.NDArray[np.generic]]) -> Alignment:
    parsed: dict[str, list[list[object]]] = facts  # type: ignore[assignment]
    numbers: dict[str, float] = facts  # type: ignore[assignment]
    spans = tuple(
        Span(SpanKind(str(kind)), Segment(float(start), float(end)), step, float(evidence))  # type: ignore[arg-type]
        for kind, start, end, step, evidence in parsed["spans"]
    )
    edits = tuple(
        Edit(EditKind(str(kind)), tuple(steps), Segment(float(start), float(end)), float(odds))  # type: ignore[arg-type]
        for kind, steps, start, end, odds in parsed["edits"]
    )
    alternatives = tuple(
        Alternative(tuple((EditKind(kind), tuple(steps)) for kind, steps in changes), float(odds))  # type: ignore[attr-defined,arg-type]
        for changes, odds in parsed["alternatives"]
    )
    return Alignment(
        video_id=str(facts["video_id"]),
        reference_id=str(facts["reference_id"]),
        spans=spans,
        edits=edits,
        log_odds=numbers["log_odds"],
        fit=numbers["fit"],
        warp=Warp(str(facts["gold_id"]), _floats(arrays["gold_s"]), _floats(arrays["trainee_s"]), numbers["normalized_cost"]),
        clip_middle_s=_floats(arrays["clip_middle_s"]),
        posterior=arrays["posterior"].astype(np.float32),
        duration_s=numbers["duration_s"],
        alternatives=alternatives,
    )


def _floats(array: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    return array.astype(np.float64)
