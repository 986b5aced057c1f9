"""Which golds support a finding: each gold's own clips, put to the same two explanations."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sopilot_assets.alignment.decode import (
    FLOOR,
    OVERLAP,
    ClipScores,
    DecodedExplanation,
    Decoding,
    Floats,
    Mask,
)
from sopilot_assets.alignment.explanations import UNKNOWN, PlannedEdit
from sopilot_assets.alignment.spans import EditKind, Vote
from sopilot_assets.reference.evidence import ClipComparison
from sopilot_assets.reference.model import Reference


class GoldVotes:
    """The votes of a reference's golds on the changes of a decoding.

    The best explanation with a change is compared with the best one without any of its kind, as both were
    segmented with all golds (``log_posterior``), at their prices. The clips' evidence (``compared``) is
    that of one gold instead of all.
    """

    def __init__(
        self,
        reference: Reference,
        compared: ClipComparison,
        clips: ClipScores,
        decoding: Decoding,
        log_posterior: Floats,
        *,
        usable: Mask,
        scale: float,
    ) -> None:
        self.decoding, self.clips, self.scale = decoding, clips, scale
        self.scores: dict[str, Floats] = {}
        if any(decoding.best.explanation.changes):
            evidence = reference.evidence
            besides = clips.states - evidence.emission(log_posterior)
            by_golds = evidence.judge_by_golds(compared, len(reference.golds), usable=usable)
            for gold, posterior in zip(reference.golds, by_golds, strict=True):
                self.scores[gold.video_id] = evidence.emission(posterior) + besides

    def __call__(self, change: PlannedEdit) -> tuple[Vote, ...]:
        """One vote a gold, by its id."""
        with_it = next(c for c in self.decoding.candidates if change in c.explanation.changes)
        without = next((c for c in self.decoding.candidates if _lacks(c, change)), with_it)
        by_all = self._difference(with_it, without, self.clips.states)
        return tuple(
            Vote(
                gold_id,
                round(with_it.score - without.score + self._difference(with_it, without, scores) - by_all, 3),
            )
            for gold_id, scores in sorted(self.scores.items())
        )

    def _difference(self, one: DecodedExplanation, other: DecodedExplanation, scores: Floats) -> float:
        return self.scale * (self._total(one, scores) - self._total(other, scores))

    def _total(self, candidate: DecodedExplanation, scores: Floats) -> float:
        """The evidence of all clips for the states they were counted to; idle clips do not count."""
        states = np.array([state.step for state in candidate.explanation.states])
        columns = np.where(states == UNKNOWN, scores.shape[1] - 1, states)
        total = 0.0
        for column, start, end in zip(columns.tolist(), candidate.start, candidate.end, strict=True):
            live: npt.NDArray[np.bool_] = ~self.clips.frozen[start:end]
            total += float(np.maximum(scores[start:end, column], FLOOR)[live].sum())
        return self.clips.trust * OVERLAP * total


def _lacks(candidate: DecodedExplanation, change: PlannedEdit) -> bool:
    """Whether an explanation has no edit of a change's kind; where a step is cut short, not that change."""
    if change.kind is EditKind.PARTIAL:
        return change not in candidate.explanation.changes
    return all(other.kind is not change.kind for other in candidate.explanation.changes)
