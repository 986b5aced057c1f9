"""What recordings are judged by: the tasks, their current references, and the registry."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from threadpoolctl import threadpool_limits

from sopilot_assets.alignment.align import align
from sopilot_assets.alignment.calibration import Calibration
from sopilot_assets.alignment.spans import Alignment
from sopilot_assets.capture.registry import Registry
from sopilot_assets.embedding.clips import ClipEmbedding
from sopilot_assets.errors import GoldError, SopilotError
from sopilot_assets.reference.ledger import current_reference_ids
from sopilot_assets.reference.model import Reference
from sopilot_assets.scoring.limits import DecisionLimits, golds_limits
from sopilot_assets.scoring.result import Score
from sopilot_assets.scoring.score import score_alignment
from sopilot_assets.stations.adoptions import adopted_limits
from sopilot_assets.stations.clip_embeddings import task_embedder
from sopilot_assets.stations.gold_inputs import GoldInputs, task_inputs
from sopilot_assets.stations.gold_references import current_calibration, read_reference, require_steps
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.tasks import load_task


class References:
    """The current reference of each task, loaded once; a task without one gives its reason every time it is
    asked for. ``ids`` are those of the current ones by task, else they are looked up.
    """

    def __init__(self, home: Home, ids: Mapping[str, str] | None = None) -> None:
        self.home = home
        self._ids = current_reference_ids(home) if ids is None else ids
        self._known: dict[str, Reference | GoldError] = {}
        self._calibrations: dict[str, Calibration] = {}
        # building what judges a gold anew for every repeat of it would be a waste
        self.against = functools.lru_cache(maxsize=4)(self._against)

    def __getitem__(self, task_id: str) -> Reference:
        if task_id not in self._known:
            try:
                self._known[task_id] = read_reference(self.home, task_id, self._ids.get(task_id))
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

    def _against(self, key: PartitionKey) -> Reference:
        """What a recording is compared with: its task's current reference, a gold's without itself."""
        try:
            reference = self[key.task_id].without(key.video_id)
        except GoldError as error:
            raise GoldError(
                f"{key}: a gold is judged by the other golds, and these alone do not do: {error}",
                ja=f"{key}：お手本はほかのお手本と比べますが、それだけでは足りません。{error.ja or error}",
            ) from error
        if reference is None:
            raise GoldError(
                f"{key}: the only gold of its task has nothing to be compared with. Add a second gold "
                "recording.",
                ja=f"{key}：お手本が 1 本だけで、比べる相手がありません。もう 1 本追加してください。",
            )
        return reference

    def get(self, task_id: str) -> Reference | None:
        """The current reference of a task, None when it has none."""
        try:
            return self[task_id]
        except GoldError:
            return None


class Judge:
    """Scores recordings by what counts now; nothing is published. ``registry`` and ``references``: what was
    read of them already: all golds, and whatever else is asked for.
    """

    def __init__(
        self, home: Home, *, registry: Registry | None = None, references: References | None = None
    ) -> None:
        self.home = home
        self.registry = Registry.read(home) if registry is None else registry
        self.references = References(home) if references is None else references
        self.task = functools.cache(lambda task_id: load_task(home.tasks / f"{task_id}.yaml"))
        self.embedder = functools.cache(lambda task_id: task_embedder(home, task_id))
        self.limits = functools.cache(self._limits)
        self.golds = functools.cache(self._golds)

    def _golds(self, task_id: str) -> GoldInputs:
        return task_inputs(self.home, {task_id: self.task(task_id)}, self.registry)[task_id]

    def reference(self, task_id: str) -> Reference:
        """The current reference of a task; `GoldError` where it has none of its steps."""
        found = self.references[task_id]
        require_steps(self.task(task_id), found.step_ids)
        return found

    def score(self, key: PartitionKey, alignment: Alignment) -> Score:
        """What an alignment of a recording with its task's current reference scores."""
        return score_alignment(
            self.task(key.task_id),
            self.reference(key.task_id),
            alignment,
            self.references.calibration(key.task_id),
            self.limits(key.task_id),
            damaged=self.registry[key].damaged,
        )

    def decided_by(self, task_id: str) -> str:
        """Whose limits decide for a task."""
        return self.limits(task_id).source

    def _limits(self, task_id: str) -> DecisionLimits:
        reference, task = self.references.get(task_id), self.task(task_id)
        model_id = None if reference is None else reference.model_id
        return adopted_limits(self.home, task, model_id=model_id) or golds_limits(task)

    def score_embedding(
        self, key: PartitionKey, embedded: ClipEmbedding | SopilotError
    ) -> Score | SopilotError:
        """What another embedding of a recording, or of a copy of it, scores; or why it has no score."""
        if isinstance(embedded, SopilotError):
            return embedded
        try:
            # one thread: sums come out the same on every machine
            with threadpool_limits(limits=1):
                against, prices = (
                    self.references.against(key),
                    self.references.calibration(key.task_id).prices,
                )
                return self.score(key, align(key.video_id, embedded, against, prices=prices))
        except SopilotError as error:
            return error
