"""What an alignment says: which part of a video shows which step, and which edits of the procedure explain
it best.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from sopilot_assets.segments import Segment


class SpanKind(StrEnum):
    """What a stretch of video was explained as."""

    STEP = "step"
    UNKNOWN = "unknown"
    FROZEN = "frozen"


class EditKind(StrEnum):
    """How an explanation departs from the procedure."""

    MISSING = "missing"
    SWAP = "swap"
    WRONG = "wrong"
    EXTRA = "extra"
    LONG = "long"
    PARTIAL = "partial"
    FROZEN = "frozen"


FROZEN_LOG_ODDS: Final = 6.0
"""Frozen spans are read off the pixels: the odds are those of the stillness measure, not of any
explanation.
"""

DOUBTFUL_LOG_ODDS: Final = 0.0
"""Those where the picture hides steps and then goes on where it was: a camera that hung, or a rest."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of video and its explanation; ``step`` is an index into the task's steps, None unless the
    kind is STEP or what an UNKNOWN span stands in for.
    """

    kind: SpanKind
    segment: Segment
    step: int | None
    evidence: float
    """Mean log-likelihood ratio of the span's clips for this explanation, in nats; higher is clearer."""


@dataclass(frozen=True, slots=True)
class Vote:
    """What one gold alone says: ``log_odds`` (nats) of the explanation with an edit against the best one
    without any of its kind, both as they were segmented with all golds, by this gold's clips only.
    """

    gold_id: str
    log_odds: float


@dataclass(frozen=True, slots=True)
class Edit:
    """One departure from the procedure; ``steps`` are indices into the task's steps, ``where`` the stretch
    of video that shows it (empty where something is missing).
    """

    kind: EditKind
    steps: tuple[int, ...]
    where: Segment
    log_odds: float
    """How much better the video is explained with an edit of this kind than without any, in nats."""
    reported: bool = True
    """Whether that is certain enough to be reported."""
    votes: tuple[Vote, ...] = ()


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another explanation: its edits as (kind, steps), its score against the best explanation, in nats (0 for
    the best itself), and for each edit ``where`` the video shows it, if this explanation is right.
    """

    edits: tuple[tuple[EditKind, tuple[int, ...]], ...]
    log_odds: float
    where: tuple[Segment, ...] = ()
    """As many as ``edits``; empty in an alignment that was stored before places were kept."""


@dataclass(frozen=True, slots=True, eq=False)
class Warp:
    """A dynamic time warping path onto one gold: ``gold_s`` and ``trainee_s`` (p,) are clip middles in
    seconds, both rising.
    """

    gold_id: str
    gold_s: npt.NDArray[np.float64]
    trainee_s: npt.NDArray[np.float64]
    normalized_cost: float
    """Summed cosine distance divided by the path's length."""

    def to_gold_s(self, trainee_s: float) -> float:
        """The gold's time that corresponds to a trainee's time, both in seconds."""
        return float(np.interp(trainee_s, self.trainee_s, self.gold_s))


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """A video against a reference: its explained spans in order, the edits found, the warp onto the most
    similar gold and the evidence per clip.

    ``posterior`` (n, K + 1) are the calibrated probabilities that a clip shows each of the K steps, and in
    the last column none of them; rows follow ``clip_middle_s`` (n,).
    """

    video_id: str
    reference_id: str
    spans: tuple[Span, ...]
    edits: tuple[Edit, ...]
    log_odds: float
    """The best explanation against the best one without any edit, in nats; 0 when that is the best."""
    fit: float
    """How well the video's clips match gold clips, against how well held-out golds do: near 1 for the same
    procedure, low for another one.
    """
    warp: Warp
    clip_middle_s: npt.NDArray[np.float64]
    posterior: npt.NDArray[np.float32]
    duration_s: float
    held_out: str
    """What the evidence was calibrated by leaving out: ``person``, ``gold`` or, uncalibrated, ``nothing``."""
    order_evidence: float | None = None
    """How much better the best explanation is than unrelated orders of the steps are, in nats; None for
    procedures that have none (see `decode.order_evidence`).
    """
    alternatives: tuple[Alternative, ...] = ()
    """The explanations that were tried, best first, as far as they are not negligible."""
