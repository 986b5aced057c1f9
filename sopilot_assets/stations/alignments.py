"""The alignment station: every video of a batch against its task's current reference."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from threadpoolctl import threadpool_limits

from sopilot_assets.alignment.align import align
from sopilot_assets.alignment.spans import Alignment, SpanKind
from sopilot_assets.alignment.stored import save_alignment, save_problem
from sopilot_assets.embedding.clips import load_embedding
from sopilot_assets.errors import GoldError, SopilotError, StoreUnavailable
from sopilot_assets.processes.limited import MEMORY_LIMIT_BYTES, map_limited
from sopilot_assets.reference.ledger import current_reference_ids
from sopilot_assets.stations.clip_embeddings import embedding_problem
from sopilot_assets.stations.judging import References
from sopilot_assets.stations.outcome import Progress, StationOutcome
from sopilot_assets.store.home import Home, PartitionKey

TIME_LIMIT_S: Final = 900.0
WORTH_A_PROCESS: Final = 40
"""Videos that take as long as a child process takes to start."""


def align_videos(
    home: Home, keys: Sequence[PartitionKey], *, processes: int = 1, on_progress: Progress | None = None
) -> list[StationOutcome]:
    """Align every video of a batch; golds are aligned with the other golds. One bad video does not stop the
    others.

    Up to ``processes`` child processes share a large batch; the results do not depend on it.
    """
    outcomes: list[StationOutcome] = []
    unusable = embedding_problem(home, keys)
    usable = [key for key in keys if key not in unusable]
    aligned = _aligned(home, usable, processes=min(processes, len(usable) // WORTH_A_PROCESS))
    for key in keys:
        outcomes.append(StationOutcome(key, problem=unusable[key]) if key in unusable else next(aligned))
        if on_progress:
            on_progress(len(outcomes), len(keys))
    return outcomes


@dataclass(frozen=True, slots=True)
class _Work:
    """One video, and the current references by task, which are the same for the whole batch."""

    home: Home
    key: PartitionKey
    references: tuple[tuple[str, str], ...]


def _aligned(home: Home, keys: Sequence[PartitionKey], *, processes: int) -> Iterator[StationOutcome]:
    """The outcome of each video, in their order; in this process where children are not worth it."""
    # one thread per process (as children have): sums come out the same on every machine, and small matrices
    # are faster so
    if processes < 2:
        references = References(home)
        with threadpool_limits(limits=1):
            yield from (_align_one(home, key, references) for key in keys)
        return
    ids = tuple(sorted(current_reference_ids(home).items()))
    results = map_limited(
        align_one,
        [_Work(home, key, ids) for key in keys],
        processes=processes,
        time_limit_s=TIME_LIMIT_S,
        memory_limit_bytes=MEMORY_LIMIT_BYTES,
    )
    for work, result in results:
        if isinstance(result, StoreUnavailable):
            raise result
        if isinstance(result, SopilotError):
            yield _not_aligned(home, work.key, dict(ids).get(work.key.task_id), result)
        else:
            yield result


def align_one(work: _Work) -> StationOutcome:
    """Align one video and publish the alignment; runs in a child process."""
    return _align_one(work.home, work.key, _references(work.home, work.references))


@functools.lru_cache(maxsize=1)
def _references(home: Home, references: tuple[tuple[str, str], ...]) -> References:
    return References(home, dict(references))


def _align_one(home: Home, key: PartitionKey, references: References) -> StationOutcome:
    current_id: str | None = None
    try:
        current = references[key.task_id]
        current_id = current.reference_id
        reference = references.against(key)
        embedding = load_embedding(home.embedding(current.model_id, key.video_id))
        prices = references.calibration(key.task_id).prices
        alignment = align(key.video_id, embedding, reference, prices=prices)
    except StoreUnavailable:  # no fault of the recording
        raise
    except SopilotError as error:
        return _not_aligned(home, key, current_id, error)
    save_alignment(home.alignment(current.reference_id, key.video_id), alignment)
    return StationOutcome(key, metadata=_scalars(alignment), table=list(_rows(alignment, current.step_ids)))


def _not_aligned(
    home: Home, key: PartitionKey, reference_id: str | None, error: SopilotError
) -> StationOutcome:
    """The outcome with the reason, which is kept where the alignment would be, for the score's row."""
    if reference_id is not None:
        ja = error.ja if isinstance(error, GoldError) else None
        save_problem(home.alignment(reference_id, key.video_id), home.relative_text(str(error)), ja)
    return StationOutcome(key, problem=str(error))


def _scalars(alignment: Alignment) -> dict[str, str | float | int]:
    return {
        "reference_id": alignment.reference_id,
        "compared_with": alignment.warp.gold_id,
        "dtw_normalized_cost": round(alignment.warp.normalized_cost, 6),
        "log_odds": round(alignment.log_odds, 3),
        "fit": round(alignment.fit, 4),
        "edits": len(alignment.edits),
    }


def _rows(alignment: Alignment, step_ids: Sequence[str]) -> Iterator[dict[str, str | float | None]]:
    for span in alignment.spans:
        yield {
            "from_s": round(span.segment.start_s, 2),
            "to_s": round(span.segment.end_s, 2),
            "shows": span.kind.value
            if span.kind is not SpanKind.STEP or span.step is None
            else step_ids[span.step],
            "evidence": round(span.evidence, 3),
        }
