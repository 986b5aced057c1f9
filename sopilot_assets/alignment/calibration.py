"""The calibration of a reference: prices, scale and what can be verified, from its golds alone.

Every gold is compared with the golds of other persons, as it is and edited on purpose (`counterfactual`).
Since the right explanation is known, prices and the scale of the evidence follow as the maximum a posteriori
of a conditional logit over explanations (McFadden 1974), and from the same decodings the power to find each
deviation and how often it is reported where it is not.
"""

from __future__ import annotations

import functools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import binomtest
from upath import UPath

from sopilot_assets.alignment import CALIBRATION_VERSION
from sopilot_assets.alignment.clip_scores import clip_scores
from sopilot_assets.alignment.counterfactual import Counterfactual, counterfactuals
from sopilot_assets.alignment.decode import DecodedExplanation, Decoding, decode
from sopilot_assets.alignment.explanations import PlannedEdit, Prices
from sopilot_assets.alignment.spans import EditKind
from sopilot_assets.embedding.clips import Features, comparable, rearranged
from sopilot_assets.errors import StoreError
from sopilot_assets.reference.evidence import MOST_FOLDS, ClipComparison, Indices
from sopilot_assets.reference.model import Gold, Reference
from sopilot_assets.store.publish import publish_bytes

Floats: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]

KINDS: Final = (
    EditKind.MISSING,
    EditKind.SWAP,
    EditKind.WRONG,
    EditKind.EXTRA,
    EditKind.LONG,
    EditKind.PARTIAL,
)
STRENGTH: Final = 3.0
"""How many independent recordings one held-out gold with all its edits counts for."""
UNEDITED_SHARE: Final = 0.4
"""The share of recordings without a deviation that the odds are calibrated for; the others are spread evenly
over the kinds of edits."""
PRICE_SPREAD: Final = 1.5
"""Spread (nats) of the prior of each price around its default."""
SCALE_SPREAD: Final = 0.5
"""The same for the log of the scale."""
KEPT: Final = 15.0
"""Explanations that are worse than the best by more nats do not matter."""
LEAST_SHARE: Final = 0.002
"""Explanations that have less probability than this together are not kept."""
MOST_EDITED: Final = 8
"""From so many golds on, only these are edited, with a step hidden too; all are compared as they are."""


@dataclass(frozen=True, slots=True)
class Tally:
    """For a kind of edit at a step: in how many of the ``cases`` edited golds it was ``found``, and in how
    many of the ``golds`` that lack it something of the kind at the step was ``invented``.
    """

    kind: EditKind
    step: int
    cases: int
    found: int
    golds: int
    invented: int

    @property
    def invented_upper(self) -> float:
        """The upper end of the 95 % Wilson interval of the share invented; 1 without any gold."""
        return _wilson_upper(self.invented, self.golds) if self.golds else 1.0


@functools.lru_cache(maxsize=4096)
def _wilson_upper(hits: int, cases: int) -> float:
    upper: float = binomtest(hits, cases).proportion_ci(method="wilson").high
    return upper


@dataclass(frozen=True, slots=True)
class TriedGold:
    """One gold compared with those of others, as it is or with one ``change``, and how it was explained.

    ``explained`` are the edits of each explanation with its probability, the most probable first; what is
    left out has less than `LEAST_SHARE` together. ``hidden`` is the step that was treated as unknown.
    """

    gold_id: str
    change: PlannedEdit | None
    hidden: int | None
    explained: tuple[tuple[tuple[PlannedEdit, ...], float], ...]

    def probability(self, holds: Callable[[PlannedEdit], bool]) -> float:
        """The probability, in [0, 1], of an explanation with an edit that ``holds``."""
        return sum(share for edits, share in self.explained if any(map(holds, edits)))


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a reference's golds say about its own reliability.

    ``held_out`` is what was left out: ``person``, ``gold``, or ``nothing``: then prices are the defaults and
    the tallies are empty. ``floor`` (K,) is per step the least mean log-probability (nats) that a held-out
    gold's clips had for it, None without one.
    """

    reference_id: str
    held_out: str
    prices: Prices
    tallies: tuple[Tally, ...]
    floor: tuple[float | None, ...]
    tried: tuple[TriedGold, ...] = field(default=(), hash=False)
    """Every comparison that all this rests on."""
    version: str = CALIBRATION_VERSION


def calibrate(reference: Reference) -> Calibration:
    """Calibrate a reference on its own golds, leaving a person out, or a gold where all show one person."""
    held_out = reference.evidence.held_out
    if held_out == "nothing":
        return _uncalibrated(reference)
    cases, floors = [], []
    edited = {gold.video_id for gold in _spread_over_persons(reference.golds)[:MOST_EDITED]}
    for group in _groups(reference.golds, held_out):
        others = _fold(reference, group)
        if others is None:
            continue
        for gold in group:
            cases += list(_cases(others, gold, edit=gold.video_id in edited))
            floors.append(_step_evidence(others, gold))
    if not cases:
        # no gold that shows every step could be compared with others that do
        return _uncalibrated(reference)
    prices = fit_prices(cases)
    known = [[gold[step] for gold in floors] for step in range(len(reference.step_ids))]
    return Calibration(
        reference.reference_id,
        held_out,
        prices,
        tuple(_tallies(cases, prices, len(reference.step_ids))),
        tuple(min((v for v in values if v is not None), default=None) for values in known),
        tuple(_tried(case, prices) for case in cases),
    )


def _uncalibrated(reference: Reference) -> Calibration:
    return Calibration(
        reference.reference_id, "nothing", Prices(), (), floor=(None,) * len(reference.step_ids)
    )


def save_calibration(path: Path | UPath, calibration: Calibration) -> None:
    """Publish a calibration as JSON; equal calibrations give identical bytes."""
    publish_bytes(path, _STORED.dump_json(calibration, indent=1))


def load_calibration(path: Path | UPath) -> Calibration:
    """The calibration stored at ``path``; `StoreError` when it is missing, damaged or of another version."""
    try:
        calibration = _parsed(path.read_bytes())
    except FileNotFoundError as error:
        raise StoreError(f"{path}: expected a calibration, found no file. {_REMEDY}") from error
    except ValidationError as error:
        raise StoreError(
            f"{path}: expected a calibration, found something else ({error}). {_REMEDY}"
        ) from error
    if calibration.version != CALIBRATION_VERSION:
        raise StoreError(
            f"{path}: expected version {CALIBRATION_VERSION}, found {calibration.version}. {_REMEDY}"
        )
    return calibration


@functools.lru_cache(maxsize=8)
def _parsed(stored: bytes) -> Calibration:
    """The calibration in these bytes. Whoever judges recordings one by one needs the same one for each."""
    return _STORED.validate_json(stored)


_STORED: Final = TypeAdapter(Calibration)
_REMEDY: Final = "Materialize gold_references for this task again."


@dataclass(frozen=True, eq=False)
class EditedGold:
    """One decoded recording whose right explanation is known.

    ``evidence`` (c,) are its explanations' scores before prices are paid and ``counts`` (c, 7) how often each
    price is paid: one for each of `KINDS` and last the further steps of missing runs.
    """

    gold_id: str
    change: PlannedEdit | None
    hidden: int | None
    candidates: tuple[DecodedExplanation, ...]
    evidence: Floats
    counts: Floats

    @functools.cached_property
    def right(self) -> Mask:
        """Which explanations (c,) name the change that was made and no other; where the recording begins or
        ends does not matter, nor where exactly something was added.
        """
        return np.array([_is_right(c.explanation.changes, self.change) for c in self.candidates])


def _is_right(changes: Sequence[PlannedEdit], change: PlannedEdit | None) -> bool:
    found = [c for c in changes if c.kind is not EditKind.PARTIAL]
    if change is None or len(found) != 1:
        return change is None and not found
    return found[0].kind is change.kind and (change.kind is EditKind.EXTRA or found[0] == change)


def fit_prices(cases: Sequence[EditedGold]) -> Prices:
    """The prices and the scale under which the right explanations are most probable, with a prior around the
    defaults.
    """
    start = _vector(Prices())
    counted = [
        (case, weight) for case, weight in zip(cases, _weights(cases), strict=True) if case.right.any()
    ]
    if not counted:
        return Prices()
    spreads = np.array([SCALE_SPREAD, *([PRICE_SPREAD] * start.size)])
    weights = STRENGTH * np.array([weight for _, weight in counted])
    sizes = [case.evidence.size for case, _ in counted]
    first = np.cumsum([0, *sizes[:-1]])
    case_of = np.repeat(np.arange(len(counted)), sizes)
    evidence = np.concatenate([case.evidence for case, _ in counted])
    counts = np.concatenate([case.counts for case, _ in counted])
    right = np.concatenate([case.right for case, _ in counted])

    def total(score: Floats) -> tuple[Floats, Floats]:
        """Of each case the logarithm of the sum, and of each explanation its share."""
        top = np.maximum.reduceat(score, first)
        mass = np.exp(score - top[case_of])
        sums = np.add.reduceat(mass, first)
        return np.log(sums) + top, mass / sums[case_of]

    def loss(parameters: Floats) -> tuple[float, Floats]:
        scale, prices = math.exp(parameters[0]), start + parameters[1:]
        score = scale * evidence - counts @ prices
        of_all, share = total(score)
        of_right, right_share = total(np.where(right, score, -np.inf))
        off = weights[case_of] * (share - right_share)
        value = weights @ (of_all - of_right) + 0.5 * float(((parameters / spreads) ** 2).sum())
        slope = np.concatenate([[scale * (off @ evidence)], -(off @ counts)])
        return float(value), slope + parameters / spreads**2

    bounds = [(-1.5, 1.0), *(((-4.0, 8.0),) * start.size)]
    found = minimize(loss, np.zeros(start.size + 1), jac=True, method="L-BFGS-B", bounds=bounds)
    return _prices(start + found.x[1:], scale=math.exp(found.x[0]))


def _vector(prices: Prices) -> Floats:
    return np.array(
        [
            prices.missing,
            prices.swap,
            prices.wrong,
            prices.extra,
            prices.long,
            prices.partial,
            prices.missing_more,
        ]
    )


def _prices(vector: Floats, *, scale: float) -> Prices:
    # rounded, so that a last digit of the optimiser does not change a hash
    values = [round(float(value), 4) for value in vector]
    return replace(
        Prices(),
        missing=values[0],
        swap=values[1],
        wrong=values[2],
        extra=values[3],
        long=values[4],
        partial=values[5],
        missing_more=max(values[6], 0.2),
        scale=round(scale, 4),
    )


def _weights(cases: Sequence[EditedGold]) -> list[float]:
    """Each gold counts alike, and in a gold each kind of edit."""
    kinds = Counter((case.gold_id, case.change.kind if case.change else None) for case in cases)
    edits: dict[str, int] = defaultdict(int)
    for gold_id, kind in kinds:
        edits[gold_id] += kind is not None
    weights = []
    for case in cases:
        count = kinds[case.gold_id, case.change.kind if case.change else None]
        share = UNEDITED_SHARE if case.change is None else (1 - UNEDITED_SHARE) / edits[case.gold_id]
        weights.append(share / count)
    return weights


def _groups(golds: Sequence[Gold], held_out: str) -> list[tuple[Gold, ...]]:
    """The golds that are left out together: those of one person, or of several where there are many."""
    names = [(gold.person or "") if held_out == "person" else gold.video_id for gold in golds]
    fold = {name: number % MOST_FOLDS for number, name in enumerate(sorted(set(names)))}
    groups: dict[int, list[Gold]] = defaultdict(list)
    for name, gold in zip(names, golds, strict=True):
        groups[fold[name]].append(gold)
    return [tuple(groups[number]) for number in sorted(groups)]


def _spread_over_persons(golds: Sequence[Gold]) -> list[Gold]:
    """The golds, each person's first one first."""
    seen: Counter[str] = Counter()
    ranked = []
    for gold in golds:
        person = gold.person or ""
        ranked.append((seen[person], gold.video_id, gold))
        seen[person] += 1
    return [gold for _, _, gold in sorted(ranked, key=lambda item: item[:2])]


def _fold(reference: Reference, left_out: Sequence[Gold]) -> Reference | None:
    """The reference of the other golds; None when they do not show every step."""
    others = [gold for gold in reference.golds if gold not in left_out]
    shown = {step for gold in others for step in gold.taught.tolist()}
    return reference.of(others) if shown.issuperset(range(len(reference.step_ids))) else None


def _cases(reference: Reference, gold: Gold, *, edit: bool) -> Iterator[EditedGold]:
    if {interval.step for interval in gold.intervals} != set(range(len(reference.step_ids))):
        return  # a gold that lacks a step does not say what the right explanation of it is
    compared: dict[bytes, tuple[Indices, Features, ClipComparison]] = {}
    for made in counterfactuals(gold.embedding.clip_middle_s, gold.intervals):
        if edit or (made.change is None and made.hidden is None):
            # what clips look like depends on which others are there, not on their order
            together = np.sort(made.clips)
            if together.tobytes() not in compared:
                known, first = np.unique(together, return_index=True)
                rows = comparable(rearranged(gold.embedding, together))[first]
                compared[together.tobytes()] = known, rows, reference.evidence.compare(rows)
            known, rows, comparison = compared[together.tobytes()]
            places = np.searchsorted(known, made.clips)
            yield _case(reference, gold, made, rows[places], comparison.at(places))


def _case(
    reference: Reference, gold: Gold, made: Counterfactual, rows: Features, compared: ClipComparison
) -> EditedGold:
    usable = np.ones(rows.shape[0], dtype=np.bool_)
    moved = gold.motion[made.clips]
    log_posterior, fit = reference.evidence.judge(compared, hidden=made.hidden)
    clips = clip_scores(reference, rows, log_posterior, moved - np.median(moved), usable=usable, fit=fit)
    orders = [tuple(step for step in order if step != made.hidden) for order in reference.orders]
    decoding = decode(
        clips,
        durations=reference.durations,
        prices=Prices(),
        orders=sorted(set(orders)),
        stride_s=reference.stride_s,
        max_edits=1,
    )
    kept = [c for c in decoding.candidates if c.score > decoding.candidates[0].score - KEPT]
    return EditedGold(
        gold.video_id,
        made.change,
        made.hidden,
        tuple(kept),
        np.array([candidate.score + candidate.explanation.price for candidate in kept]),
        np.array([_counts(candidate.explanation.changes) for candidate in kept]),
    )


def _counts(changes: Iterable[PlannedEdit]) -> Floats:
    counts = np.zeros(len(KINDS) + 1)
    for change in changes:
        counts[KINDS.index(change.kind)] += 1
        if change.kind is EditKind.MISSING:
            counts[-1] += len(change.steps) - 1
    return counts


def _step_evidence(reference: Reference, gold: Gold) -> list[float | None]:
    """Per step the mean log-probability of the gold's clips for it."""
    live = gold.live
    posterior = reference.evidence.log_posterior(gold.rows, usable=live)
    middles = gold.embedding.clip_middle_s
    found: list[float | None] = [None] * len(reference.step_ids)
    for interval in gold.intervals:
        inside = live & (middles >= interval.segment.start_s) & (middles < interval.segment.end_s)
        if inside.any():
            found[interval.step] = round(float(posterior[inside, interval.step].mean()), 4)
    return found


def _tallies(cases: Sequence[EditedGold], prices: Prices, step_count: int) -> Iterator[Tally]:
    vector = _vector(prices)
    reported = [(case, _reported(case, vector, prices.scale)) for case in cases]
    for kind in KINDS:
        if kind is EditKind.PARTIAL:
            continue
        for step in range(step_count):
            edited = [
                (case, changes)
                for case, changes in reported
                if case.change and case.change.kind is kind and step in case.change.steps
            ]
            plain = [changes for case, changes in reported if case.change is None and case.hidden is None]
            yield Tally(
                kind,
                step,
                cases=len(edited),
                found=sum(_finds(changes, case.change) for case, changes in edited),
                golds=len(plain),
                invented=sum(any(c.kind is kind and step in c.steps for c in changes) for changes in plain),
            )


def _finds(changes: Sequence[PlannedEdit], change: PlannedEdit | None) -> bool:
    return any(_is_right([found], change) for found in changes)


def _tried(case: EditedGold, prices: Prices) -> TriedGold:
    scores = prices.scale * case.evidence - case.counts @ _vector(prices)
    share = np.exp(scores - logsumexp(scores))
    mass: dict[tuple[PlannedEdit, ...], float] = defaultdict(float)
    for candidate, part in zip(case.candidates, share.tolist(), strict=True):
        mass[candidate.explanation.changes] += part
    ranked = sorted(mass.items(), key=lambda item: (-item[1], item[0]))
    above = np.cumsum([part for _, part in ranked])
    kept = 1 + int((above < 1.0 - LEAST_SHARE).sum())
    return TriedGold(
        case.gold_id,
        case.change,
        case.hidden,
        tuple((edits, round(part, 6)) for edits, part in ranked[:kept]),
    )


def _reported(case: EditedGold, vector: Floats, scale: float) -> tuple[PlannedEdit, ...]:
    scores = scale * case.evidence - case.counts @ vector
    candidates = [
        DecodedExplanation(one.explanation, score, one.segmentations, one.row)
        for one, score in zip(case.candidates, scores.tolist(), strict=True)
    ]
    ranked = sorted(candidates, key=lambda c: (-c.score, c.explanation.changes))
    return Decoding(tuple(ranked)).reported
