"""How strongly a clip speaks for each step of a task, as probabilities calibrated on the golds alone.

A clip is compared with the golds in two ways: by its cosine to the nearest gold clips of each step, and by
a multinomial logistic regression over gold clips. A conditional logit (McFadden 1974) with one more
alternative, "none of the steps", stacks both. It is fitted on golds that the comparison has not seen,
leaving one person out (one gold, where all golds show the same person); what "none of the steps" looks like
is learnt by hiding each step in turn, so that the held-out clips of that step are truly unknown.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

Floats: TypeAlias = npt.NDArray[np.float64]
Features: TypeAlias = npt.NDArray[np.float32]
Indices: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Stack: TypeAlias = tuple[float, float, float, float]

NEAREST: Final = 3
"""Gold clips of a step whose cosines are averaged."""
REGULARISATION: Final = 10.0
"""Inverse strength of the logistic regression's L2 penalty (scikit-learn's ``C``)."""
SOMEBODY_ELSE: Final = 0.6
"""How well golds of different persons match, as a share of how well golds of one person do: .56 to .62 on the
development sets. It stands in where all golds show one person."""
HIDDEN: Final = -1e3
PRIOR_LOOKS: Final = 1.0
"""How many golds the assumption about what steps look like is worth."""
PRIOR_RIGHT: Final = 0.97
"""The share of a step's clips that is assumed to look like the step before any gold was held out."""
FALLBACK_STACK: Final = (12.0, 0.6, -0.08, 1.0)
"""The stack's parameters where golds cannot be held out (a single gold): medians over the tasks it was
developed on.
"""


@dataclass(frozen=True, slots=True, eq=False)
class GoldClips:
    """Clips of all golds that lie well inside one step: ``rows`` (n, D) unit vectors, and per clip its
    ``step``, ``gold`` and ``person`` (n,) as indices.
    """

    rows: Features
    step: Indices
    gold: Indices
    person: Indices
    step_count: int

    def where(self, chosen: npt.NDArray[np.bool_]) -> GoldClips:
        """Only the chosen clips."""
        return GoldClips(
            self.rows[chosen], self.step[chosen], self.gold[chosen], self.person[chosen], self.step_count
        )


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """A fitted evidence model: gold clips, the logistic regression (``weights`` (D, K), ``bias`` (K,)) and
    the stack's four parameters.

    ``stack`` = weight of the cosine, weight of the logistic score, level and slope of "none of the steps".
    """

    clips: GoldClips
    weights: Floats
    bias: Floats
    stack: Stack
    held_out: str
    """What was left out for the calibration: ``person``, ``gold`` or ``nothing``."""
    looks: Floats
    """What a state of the procedure looks like (K + 1, K + 1): row k is how often a clip of step k, or in the
    last row of none of them, is taken for each step or for none, on golds that were not seen. See `emission`.
    """
    gold_match: tuple[float, ...]
    """Of each held-out gold, the median over its clips of the best cosine to the others; empty when nothing
    could be held out.
    """

    def log_posterior(
        self, rows: Features, *, usable: Mask | None = None, hidden: int | None = None
    ) -> Floats:
        """Log-probabilities (n, K + 1) of each step, and last of none of them, for one video's clips (n, D).

        ``usable`` (n,) marks the clips that show something; the others do not count in what is usual for
        the video. ``hidden`` is a step that is treated as if no gold had shown it.
        """
        cosine, logit = similarities(rows, self.clips, self.weights, self.bias)
        if hidden is not None:
            cosine[:, hidden], logit[:, hidden] = HIDDEN, HIDDEN
        return self._stacked(cosine, logit, usable)

    def log_posterior_of_gold(self, rows: Features, gold: int, *, usable: Mask) -> Floats:
        """`log_posterior` by the clips of one gold only; a step that it does not show is impossible."""
        cosine, logit = similarities(rows, _of_gold(self.clips, gold), self.weights, self.bias)
        return self._stacked(cosine, logit, usable)

    def judged(self, rows: Features, *, usable: Mask) -> tuple[Floats, float]:
        """`log_posterior` and `match` of one video, from one comparison."""
        cosine, logit = similarities(rows, self.clips, self.weights, self.bias)
        return self._stacked(cosine, logit, usable), self._match(cosine, usable)

    def _stacked(self, cosine: Floats, logit: Floats, usable: Mask | None) -> Floats:
        # a video that matches better than any gold does must not make its weaker steps look unknown
        usual = min(_usual(cosine, usable), max(self.gold_match, default=np.inf))
        return stacked(cosine, logit, self.stack, usual=usual)

    def emission(self, log_posterior: Floats) -> Floats:
        """Log-scores (n, K + 1) of each state from `log_posterior`: the mixture of everything the state is
        known to look like.

        People do some steps in different ways. Where a held-out gold's step looked like another one or like
        none, the same in a trainee recording says little; the mixture takes that into account step by step.
        """
        return np.log(np.exp(log_posterior) @ self.looks.T)

    def match(self, rows: Features, *, usable: Mask | None = None) -> float:
        """How well a video's clips match gold clips at all, as a share of what golds of somebody else reach; 1
        when golds could not be held out.
        """
        cosine, _ = similarities(rows, self.clips, self.weights, self.bias)
        return self._match(cosine, usable)

    def _match(self, cosine: Floats, usable: Mask | None) -> float:
        if not self.gold_match:
            return 1.0
        usual = float(np.median(self.gold_match)) * (SOMEBODY_ELSE if self.held_out == "gold" else 1.0)
        return max(_usual(cosine, usable), 0.0) / max(usual, 1e-6)


def fit_evidence(clips: GoldClips) -> Evidence:
    """The evidence model of a task's golds, calibrated by leaving persons (or golds) out."""
    weights, bias = _logistic(clips)
    groups, held_out = _held_out_groups(clips)
    examples = list(_examples(clips, groups)) if groups is not None else []
    stack = _fit_stack(examples) if examples else FALLBACK_STACK
    looks = _looks(examples, stack, clips.step_count)
    match = tuple(example.usual for example in examples if example.whole)
    return Evidence(clips, weights, bias, stack, held_out, looks, match)


def _looks(examples: Sequence[_Example], stack: Stack, step_count: int) -> Floats:
    """Row-stochastic (K + 1, K + 1): the mean posterior of each step's held-out clips, one vote a gold, with
    a prior of `PRIOR_LOOKS` golds whose clips look right `PRIOR_RIGHT` of the time.
    """
    states = step_count + 1
    prior = np.full((states, states), (1 - PRIOR_RIGHT) / step_count)
    np.fill_diagonal(prior, PRIOR_RIGHT)
    total, votes = PRIOR_LOOKS * prior, np.full(states, PRIOR_LOOKS)
    for example in examples:
        posterior = np.exp(stacked(example.cosine, example.logit, stack, usual=example.usual))
        for state in np.unique(example.truth[example.truth >= 0]).tolist():
            vote = posterior[example.truth == state].mean(axis=0)
            # a hidden step cannot be taken for itself: its share goes to the others evenly
            weight = 1.0 / step_count if state == step_count else 1.0
            total[state] += weight * vote
            votes[state] += weight
    looks = total / votes[:, None]
    known = looks[-1, :-1].mean()
    looks[-1, :-1] = known
    return np.asarray(looks)


def similarities(rows: Features, clips: GoldClips, weights: Floats, bias: Floats) -> tuple[Floats, Floats]:
    """Mean cosine to the nearest gold clips of each step, and the logistic scores; both (n, K). A step
    without gold clips is hidden.
    """
    cosine = rows.astype(np.float64) @ _columns(clips)
    nearest = np.full((rows.shape[0], clips.step_count), HIDDEN)
    for step in range(clips.step_count):
        of_step = cosine[:, clips.step == step]
        if of_step.shape[1]:
            nearest[:, step] = np.sort(of_step, axis=1)[:, -NEAREST:].mean(axis=1)
    logit = rows.astype(np.float64) @ weights + bias
    return nearest, np.where(nearest > HIDDEN, logit, HIDDEN)


@functools.lru_cache(maxsize=32)
def _columns(clips: GoldClips) -> Floats:
    """The clips' rows as columns (D, n), for one video after the other."""
    return clips.rows.T.astype(np.float64)


@functools.lru_cache(maxsize=64)
def _of_gold(clips: GoldClips, gold: int) -> GoldClips:
    return clips.where(clips.gold == gold)


def stacked(cosine: Floats, logit: Floats, stack: Stack, *, usual: float) -> Floats:
    """Log-probabilities (n, K + 1) from the two scores (n, K).

    "None of the steps" is judged against how well this very video matches in general (``usual``, its median
    best cosine), so that another site or person does not look like another action.
    """
    by_cosine, by_logit, level, slope = stack
    best = cosine.max(axis=1)
    known = by_cosine * (cosine - usual) + by_logit * log_softmax(logit, axis=1)
    unknown = by_cosine * level + slope * (usual - best)
    return np.asarray(log_softmax(np.concatenate([known, unknown[:, None]], axis=1), axis=1))


def _usual(cosine: Floats, usable: Mask | None) -> float:
    best = cosine.max(axis=1)
    return float(np.median(best[usable] if usable is not None and usable.any() else best))


def _logistic(clips: GoldClips) -> tuple[Floats, Floats]:
    # the rows span at most n dimensions: fitting there gives the same penalised optimum as in D, faster
    left, scale, right = np.linalg.svd(clips.rows.astype(np.float64), full_matrices=False)
    present = np.unique(clips.step)
    weights = np.zeros((clips.rows.shape[1], clips.step_count))
    bias = np.zeros(clips.step_count)
    if present.size < 2:
        return weights, bias
    model = LogisticRegression(C=REGULARISATION, max_iter=500, tol=1e-5).fit(left * scale, clips.step)
    coefficients, intercept = model.coef_, model.intercept_
    if present.size == 2:
        coefficients, intercept = (
            np.vstack([-coefficients, coefficients]) / 2,
            np.array([-intercept[0], intercept[0]]) / 2,
        )
    weights[:, present] = right.T @ coefficients.T
    bias[present] = intercept
    return weights, bias


def _held_out_groups(clips: GoldClips) -> tuple[Indices | None, str]:
    if np.unique(clips.person).size > 1:
        return clips.person, "person"
    if np.unique(clips.gold).size > 1:
        return clips.gold, "gold"
    return None, "nothing"


@dataclass(frozen=True, slots=True, eq=False)
class _Example:
    """Scores (n, K) of one held-out gold's clips, the true alternative of each (-1: does not count), and
    whether no step was hidden.
    """

    cosine: Floats
    logit: Floats
    truth: Indices
    usual: float
    whole: bool


def _examples(clips: GoldClips, groups: Indices) -> Iterator[_Example]:
    """Per held-out gold: scores of its clips and the true alternative, once as it is and once for each step
    hidden.
    """
    steps = clips.step_count
    for group in np.unique(groups):
        seen = clips.where(groups != group)
        weights, bias = _logistic(seen)
        for gold in np.unique(clips.gold[groups == group]):
            mine = clips.where(clips.gold == gold)
            cosine, logit = similarities(mine.rows, seen, weights, bias)
            yield _Example(cosine, logit, mine.step, _usual(cosine, None), whole=True)
            for step in range(steps):
                hidden = mine.step == step
                if hidden.any() and np.unique(mine.step).size > 1:
                    masked = cosine.copy(), logit.copy()
                    masked[0][:, step], masked[1][:, step] = HIDDEN, HIDDEN
                    # only the hidden step's own clips count: the others are the same as before
                    yield _Example(*masked, np.where(hidden, steps, -1), _usual(masked[0], None), whole=False)


def _fit_stack(examples: Sequence[_Example]) -> Stack:
    start = (math.log(FALLBACK_STACK[0]), math.log(FALLBACK_STACK[1]), FALLBACK_STACK[2], FALLBACK_STACK[3])
    bounds = ((0.0, 4.5), (-4.0, 2.0), (-0.6, 0.3), (-20.0, 60.0))
    found = minimize(_loss, np.array(start), args=(examples,), method="L-BFGS-B", bounds=bounds)
    return _stack_of(found.x)


def _stack_of(parameters: Floats) -> Stack:
    log_cosine, log_logit, level, slope = (float(value) for value in parameters)
    return math.exp(log_cosine), math.exp(log_logit), level, slope


def _loss(parameters: Floats, examples: Sequence[_Example]) -> float:
    """The negative log-likelihood per held-out gold, with weak priors that keep it finite where golds
    separate.
    """
    stack = _stack_of(parameters)
    total = 0.0
    for example in examples:
        counts = example.truth >= 0
        log_p = stacked(example.cosine, example.logit, stack, usual=example.usual)
        total -= float(log_p[counts, example.truth[counts]].sum())
    log_cosine, log_logit, level, slope = (float(value) for value in parameters)
    prior = (
        0.5 * ((log_cosine - 2.5) ** 2 + (log_logit + 0.5) ** 2) + 20 * (level + 0.08) ** 2 + 0.01 * slope**2
    )
    return total / len(examples) + prior
