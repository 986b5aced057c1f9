"""The alignment station: every video of a batch against its task's current reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from threadpoolctl import threadpool_limits

from sopilot_assets.alignment.align import align
from sopilot_assets.alignment.calibration import Calibration
from sopilot_assets.alignment.spans import Alignment, SpanKind
from sopilot_assets.alignment.stored import save_alignment
from sopilot_assets.embedding.clips import load_embedding
from sopilot_assets.errors import GoldError, SopilotError
from sopilot_assets.operations.embed import embedding_problem
from sopilot_assets.operations.outcome import Outcome, Progress
from sopilot_assets.operations.references import current_calibration, current_reference
from sopilot_assets.reference.model import Reference
from sopilot_assets.store.home import Home, PartitionKey


def align_videos(
    home: Home, keys: Sequence[PartitionKey], *, on_progress: Progress | None = None
) -> list[Outcome]:
    """Align every video of a batch; golds are aligned with the other golds. One bad video does not stop the
    others.
    """
    outcomes = []
    references, unusable = References(home), embedding_problem(home, keys)
    # one thread per process: sums come out the same on every machine, and small matrices are faster so
    with threadpool_limits(limits=1):
        for done, key in enumerate(keys, start=1):
            problem = unusable.get(key)
            outcomes.append(Outcome(key, problem=problem) if problem else _align_one(home, key, references))
            if on_progress:
                on_progress(done, len(keys))
    return outcomes


class References:
    """The current reference of each task, loaded once; a task without one gives its reason every time it is
    asked for.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        self._known: dict[str, Reference | GoldError] = {}
        self._calibrations: dict[str, Calibration] = {}

    def __getitem__(self, task_id: str) -> Reference:
        if task_id not in self._known:
            try:
                self._known[task_id] = current_reference(self.home, task_id)
            except GoldError as error:
                self._known[task_id] = error
        found = self._known[task_id]
        if isinstance(found, GoldError):
            raise found
        return found

    def calibration(self, task_id: str) -> Calibration:
        """The calibration of the task's current reference."""
        if task_id not in self._calibrations:
            self._calibrations[task_id] = current_calibration(self.home, self[task_id])
        return self._calibrations[task_id]

    def get(self, task_id: str) -> Reference | None:
        """The current reference of a task, None when it has none."""
        try:
            return self[task_id]
        except GoldError:
            return None


def _align_one(home: Home, key: PartitionKey, references: References) -> Outcome:
    try:
        current = references[key.task_id]
        reference = current.without(key.video_id)
        if reference is None:
            raise GoldError(
                f"{key}: the only gold of its task has nothing to be compared with. Add a second gold "
                "recording."
            )
        embedding = load_embedding(home.embedding(current.model_id, key.video_id))
        prices = references.calibration(key.task_id).prices
        alignment = align(key.video_id, embedding, reference, prices=prices)
    except SopilotError as error:
        return Outcome(key, problem=str(error))
    save_alignment(home.alignment(current.reference_id, key.video_id), alignment)
    return Outcome(key, metadata=_scalars(alignment), table=list(_rows(alignment, current.step_ids)))


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
