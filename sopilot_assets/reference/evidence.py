"""How strongly a clip speaks for each step of a task, as probabilities calibrated on the golds alone.

A clip is compared with the golds in two ways, both along the principal components of the gold clips: by its
cosine to the nearest gold clips of each step, and by a multinomial logistic regression over gold clips. A
conditional logit (McFadden 1974) with one more alternative, "none of the steps", stacks both. It is fitted on
golds that the comparison has not seen, leaving one person out (one gold, where all golds show the same
person); what "none of the steps" looks like is learnt by hiding each step in turn, so that the held-out clips
of that step are truly unknown.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numba
import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh
from scipy.optimize import minimize
from scipy.special import log_softmax

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
MOST_FOLDS: Final = 8
"""Up to so many persons (or golds) are left out one by one; of more, every eighth together, so that the work
grows with the golds and no faster.
"""
MOST_COMPONENTS: Final = 256
"""Along so many directions clips are compared at most, however many golds there are: by 4 to 14 golds of the
development sets (70 to 590 clips of 9,402 features) recordings are judged as by all features.
"""
NEGLIGIBLE: Final = 1e-10
"""Directions in which gold clips vary less, as a share of the strongest, are rounding."""
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
    """Clips of all golds that lie well inside one step: ``rows`` (n, D), unit vectors or what they are along
    the P principal components (n, P), and per clip its ``step``, ``gold`` and ``person`` (n,) as indices.
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

    def of_golds(self, golds: Sequence[int]) -> GoldClips:
        """Only the clips of these golds, ascending, which are counted anew from 0."""
        part = self.where(np.isin(self.gold, golds))
        return replace(part, gold=np.searchsorted(np.asarray(golds, dtype=np.int64), part.gold))


@dataclass(frozen=True, slots=True, eq=False)
class ClipComparison:
    """One video's n clips beside the gold clips: ``points`` (n, P), what they are along the components,
    ``cosines`` (n, c) with each gold clip, ``nearest`` (n, K) the mean cosine to the nearest ones of each
    step, and ``logit`` (n, K), the logistic scores.
    """

    points: Floats
    cosines: Floats
    nearest: Floats
    logit: Floats

    def at(self, clips: Indices) -> ClipComparison:
        """The same for these clips (m,) one after the other."""
        return ClipComparison(self.points[clips], self.cosines[clips], self.nearest[clips], self.logit[clips])


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """A fitted evidence model: the gold clips along their principal ``components`` (D, P), the logistic
    regression (``weights`` (P, K), ``bias`` (K,)) and the stack's four parameters.

    ``stack`` = weight of the cosine, weight of the logistic score, level and slope of "none of the steps".
    """

    components: Features
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
        judged, _ = self.judge(self.compare(rows), usable=usable, hidden=hidden)
        return judged

    def match(self, rows: Features, *, usable: Mask | None = None) -> float:
        """How well a video's clips match gold clips at all, as a share of what held-out golds reach; 1 when
        golds could not be held out.
        """
        return self._match(self.compare(rows).nearest, usable)

    def compare(self, rows: Features) -> ClipComparison:
        """One video's clips (n, D) beside all gold clips, for everything that is asked about it."""
        points = self.points(rows)
        cosines = points @ self.clips.rows.T
        nearest = _nearest(cosines, self.clips.step, self.clips.step_count)
        return ClipComparison(points, cosines, nearest, _shown(points @ self.weights + self.bias, nearest))

    def points(self, rows: Features) -> Floats:
        """What clips (n, D) are along the principal components (n, P); products of these stand for those of
        the clips.
        """
        return (rows @ self.components).astype(np.float64)

    def judge(
        self, compared: ClipComparison, *, usable: Mask | None = None, hidden: int | None = None
    ) -> tuple[Floats, float]:
        """`log_posterior` and `match` of one video."""
        cosine, logit = compared.nearest, compared.logit
        fit = self._match(cosine, usable)
        if hidden is not None:
            cosine, logit = _without_step(cosine, hidden), _without_step(logit, hidden)
        return self._stacked(cosine, logit, usable), fit

    def judge_by_golds(self, compared: ClipComparison, count: int, *, usable: Mask) -> list[Floats]:
        """`log_posterior` by the clips of each of the ``count`` golds alone; a step that a gold does not show
        is impossible.
        """
        steps = self.clips.step_count
        by_gold = _nearest(compared.cosines, self.clips.gold * steps + self.clips.step, count * steps)
        return [
            self._stacked(nearest, _shown(compared.logit, nearest), usable)
            for nearest in np.split(by_gold, count, axis=1)
        ]

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

    def _match(self, cosine: Floats, usable: Mask | None) -> float:
        """How well a video matches at all, as a share of what golds of somebody else reach; 1 without any."""
        if not self.gold_match:
            return 1.0
        usual = float(np.median(self.gold_match)) * (SOMEBODY_ELSE if self.held_out == "gold" else 1.0)
        return max(_usual(cosine, usable), 0.0) / max(usual, 1e-6)


def fit_evidence(clips: GoldClips) -> Evidence:
    """The evidence model of a task's golds, calibrated by leaving persons (or golds) out."""
    components, clips = along_components(clips)
    weights, bias = _regressions(clips).without(frozenset())
    groups, held_out = _held_out_groups(clips)
    examples = list(_examples(clips, groups)) if groups is not None else []
    stack = _fit_stack(examples) if examples else FALLBACK_STACK
    looks = _looks(examples, stack, clips.step_count)
    match = tuple(example.usual for example in examples if example.whole)
    return Evidence(components, clips, weights, bias, stack, held_out, looks, match)


def along_components(clips: GoldClips) -> tuple[Features, GoldClips]:
    """The principal components (D, P) of gold clips, orthonormal and the strongest first, and the clips along
    them.

    Clips are centred on their own video's mean already. From the eigenvectors of the products of n clips,
    which are fewer than their D features (Turk and Pentland 1991).
    """
    rows = clips.rows.astype(np.float64)
    most = max(rows.shape[0] - MOST_COMPONENTS, 0)
    squares, vectors = eigh(rows @ rows.T, subset_by_index=(most, rows.shape[0] - 1))
    kept = np.flatnonzero(squares > NEGLIGIBLE * squares[-1])[::-1]
    components = (rows.T @ (vectors[:, kept] / np.sqrt(squares[kept]))).astype(np.float32)
    return components, replace(clips, rows=clips.rows @ components)


def evidence_of(whole: Evidence, golds: Sequence[int]) -> Evidence:
    """The evidence by some of the golds, ascending: clips and regression are theirs, components those of all.

    How both are stacked, what steps look like and how well golds match stay as they are: they were fitted on
    golds that the comparison had not seen, and among few of them less could be learnt about it.
    """
    left_out = frozenset(whole.clips.gold.tolist()) - frozenset(golds)
    weights, bias = _regressions(whole.clips).without(left_out)
    clips = whole.clips.of_golds(golds)
    return replace(whole, clips=clips, weights=weights, bias=bias, held_out=_held_out_groups(clips)[1])


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


def _nearest(cosines: Floats, kind: Indices, kinds: int) -> Floats:
    """The mean (n, kinds) of the `NEAREST` best cosines (n, c) with gold clips of each ``kind`` (c,); a kind
    without gold clips is hidden.
    """
    return np.asarray(_means_of_best(cosines, kind, np.bincount(kind, minlength=kinds)))


@numba.njit(cache=True)
def _means_of_best(cosines, kind, counts):  # type: ignore[no-untyped-def]
    n, kinds = cosines.shape[0], counts.shape[0]
    means = np.full((n, kinds), HIDDEN)
    best = np.empty((kinds, NEAREST))
    for clip in range(n):
        best[:] = -np.inf
        for other in range(cosines.shape[1]):
            value, of_kind = cosines[clip, other], best[kind[other]]
            if value > of_kind[0]:
                place = 0
                while place + 1 < NEAREST and value > of_kind[place + 1]:
                    of_kind[place] = of_kind[place + 1]
                    place += 1
                of_kind[place] = value
        for one in range(kinds):
            used = min(counts[one], NEAREST)
            if used:
                means[clip, one] = best[one, NEAREST - used :].sum() / used
    return means


def _shown(logit: Floats, nearest: Floats) -> Floats:
    """The logistic scores of the steps that gold clips show."""
    return np.where(nearest > HIDDEN, logit, HIDDEN)


def _without_step(scores: Floats, step: int) -> Floats:
    masked = scores.copy()
    masked[:, step] = HIDDEN
    return masked


def stacked(cosine: Floats, logit: Floats, stack: Stack, *, usual: float | Floats) -> Floats:
    """Log-probabilities (n, K + 1) from the two scores (n, K).

    "None of the steps" is judged against how well this very video matches in general (``usual``, its median
    best cosine; one number, or (n, 1)), so that another site or person does not look like another action.
    """
    by_cosine, by_logit, level, slope = stack
    best = cosine.max(axis=1, keepdims=True)
    known = by_cosine * (cosine - usual) + by_logit * log_softmax(logit, axis=1)
    unknown = by_cosine * level + slope * (usual - best)
    return np.asarray(log_softmax(np.concatenate([known, unknown], axis=1), axis=1))


def _usual(cosine: Floats, usable: Mask | None) -> float:
    best = cosine.max(axis=1)
    return float(np.median(best[usable] if usable is not None and usable.any() else best))


class _Regressions:
    """The regressions over a task's gold clips with some golds left out, each fitted once; and the
    ``products`` (n, n) of all clips.
    """

    def __init__(self, clips: GoldClips) -> None:
        self.clips = clips
        self.points = clips.rows.astype(np.float64)
        self.products = self.points @ self.points.T
        self._known: dict[frozenset[int], tuple[Floats, Floats]] = {}

    def without(self, golds: frozenset[int]) -> tuple[Floats, Floats]:
        """Weights (P, K) and bias (K,), fitted to the clips of all golds but these."""
        if golds not in self._known:
            seen = ~np.isin(self.clips.gold, sorted(golds))
            self._known[golds] = _logistic(self.points[seen], self.clips.step[seen], self.clips.step_count)
        return self._known[golds]


@functools.lru_cache(maxsize=2)
def _regressions(clips: GoldClips) -> _Regressions:
    """Those of one reference, which calibration asks for again."""
    return _Regressions(clips)


def _logistic(points: Floats, steps: Indices, step_count: int) -> tuple[Floats, Floats]:
    """Weights (P, K) and bias (K,) from points (m, P); 0 for steps that do not occur, and where no clip
    differs from the others of its gold.
    """
    weights, bias = np.zeros((points.shape[1], step_count)), np.zeros(step_count)
    if np.unique(steps).size > 1 and points.size:
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - slow to import, used by fits only

        model = LogisticRegression(C=REGULARISATION, max_iter=500, tol=1e-5).fit(points, steps)
        coefficients, intercept = model.coef_, model.intercept_
        if model.classes_.size == 2:
            coefficients = np.vstack([-coefficients, coefficients]) / 2
            intercept = np.array([-intercept[0], intercept[0]]) / 2
        weights[:, model.classes_], bias[model.classes_] = coefficients.T, intercept
    return weights, bias


def _held_out_groups(clips: GoldClips) -> tuple[Indices | None, str]:
    if np.unique(clips.person).size > 1:
        return clips.person % MOST_FOLDS, "person"
    if np.unique(clips.gold).size > 1:
        return clips.gold % MOST_FOLDS, "gold"
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
    regressions = _regressions(clips)
    for group in np.unique(groups):
        left_out = np.unique(clips.gold[groups == group])
        weights, bias = regressions.without(frozenset(left_out.tolist()))
        seen = groups != group
        for gold in left_out:
            mine = clips.gold == gold
            products = regressions.products[np.ix_(mine, seen)]
            nearest = _nearest(products, clips.step[seen], clips.step_count)
            logit = _shown(regressions.points[mine] @ weights + bias, nearest)
            yield from _with_steps_hidden(nearest, logit, clips.step[mine])


def _with_steps_hidden(cosine: Floats, logit: Floats, truth: Indices) -> Iterator[_Example]:
    steps = cosine.shape[1]
    yield _Example(cosine, logit, truth, _usual(cosine, None), whole=True)
    for step in range(steps):
        hidden = truth == step
        if hidden.any() and not hidden.all():
            masked = _without_step(cosine, step), _without_step(logit, step)
            # only the hidden step's own clips count: the others are the same as before
            yield _Example(*masked, np.where(hidden, steps, -1), _usual(masked[0], None), whole=False)


def _fit_stack(examples: Sequence[_Example]) -> Stack:
    start = (math.log(FALLBACK_STACK[0]), math.log(FALLBACK_STACK[1]), FALLBACK_STACK[2], FALLBACK_STACK[3])
    bounds = ((0.0, 4.5), (-4.0, 2.0), (-0.6, 0.3), (-20.0, 60.0))
    counted = [example.truth >= 0 for example in examples]
    cosine, logit, usual, truth = (
        np.concatenate([values[counts] for values, counts in zip(column, counted, strict=True)])
        for column in (
            [example.cosine for example in examples],
            [example.logit for example in examples],
            [np.full((example.truth.size, 1), example.usual) for example in examples],
            [example.truth for example in examples],
        )
    )
    arguments = (cosine, logit, usual, truth, len(examples))
    found = minimize(_loss, np.array(start), args=arguments, method="L-BFGS-B", bounds=bounds)
    return _stack_of(found.x)


def _stack_of(parameters: Floats) -> Stack:
    log_cosine, log_logit, level, slope = (float(value) for value in parameters)
    return math.exp(log_cosine), math.exp(log_logit), level, slope


def _loss(
    parameters: Floats, cosine: Floats, logit: Floats, usual: Floats, truth: Indices, golds: int
) -> float:
    """The negative log-likelihood per held-out gold of its clips' true alternatives (n,), with weak priors
    that keep it finite where golds separate.
    """
    log_p = stacked(cosine, logit, _stack_of(parameters), usual=usual)
    log_cosine, log_logit, level, slope = (float(value) for value in parameters)
    prior = (
        0.5 * ((log_cosine - 2.5) ** 2 + (log_logit + 0.5) ** 2) + 20 * (level + 0.08) ** 2 + 0.01 * slope**2
    )
    return prior - float(log_p[np.arange(truth.size), truth].sum()) / golds
