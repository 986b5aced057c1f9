"""Which golds support a finding: each gold's own clips, put to the same two explanations."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sopilot_assets.alignment.decode import FLOOR, OVERLAP, Candidate, ClipScores, Decoding, Floats, Mask
from sopilot_assets.alignment.explanations import UNKNOWN, Change
from sopilot_assets.alignment.spans import Vote
from sopilot_assets.embedding.clips import Features
from sopilot_assets.reference.model import Reference


class GoldVotes:
    """The votes of a reference's golds on the changes of a decoding.

    The best explanation with a change is compared with the best one without it, as both were segmented with
    all golds. Only the clips' evidence counts, with the nearest clips of one gold instead of all.
    """

    def __init__(
        self, reference: Reference, rows: Features, clips: ClipScores, decoding: Decoding, *, usable: Mask
    ) -> None:
        self.decoding, self.clips = decoding, clips
        self.scores: dict[str, Floats] = {}
        if any(decoding.best.explanation.changes):
            for index, gold in enumerate(reference.golds):
                posterior = reference.evidence.log_posterior_of_gold(rows, index, usable=usable)
                self.scores[gold.video_id] = reference.evidence.emission(posterior)

    def __call__(self, change: Change) -> tuple[Vote, ...]:
        """One vote a gold, by its id."""
        with_it = next(c for c in self.decoding.candidates if change in c.explanation.changes)
        without = next((c for c in self.decoding.candidates if change not in c.explanation.changes), with_it)
        return tuple(
            Vote(gold_id, round(self._total(with_it, scores) - self._total(without, scores), 3))
            for gold_id, scores in sorted(self.scores.items())
        )

    def _total(self, candidate: Candidate, scores: Floats) -> float:
        """The evidence of all clips for the states they were counted to; idle clips do not count."""
        states = np.array([state.step for state in candidate.explanation.states])
        columns = np.where(states == UNKNOWN, scores.shape[1] - 1, states)
        total = 0.0
        for column, start, end in zip(columns.tolist(), candidate.start, candidate.end, strict=True):
            live: npt.NDArray[np.bool_] = ~self.clips.frozen[start:end]
            total += float(np.maximum(scores[start:end, column], FLOOR)[live].sum())
        return self.clips.trust * OVERLAP * total
