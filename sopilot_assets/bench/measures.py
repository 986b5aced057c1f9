"""The figures of a set of recordings: what was said of each against what is true of it.

Every definition is here and in docs/accuracy.md. Shares are in [0, 1], None where there is nothing to divide
by. Recordings that show other work than the task count in ``passes.other_task`` and
``abstained_other_task`` only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final, TypeAlias

import numpy as np
from sklearn.metrics import roc_auc_score

from sopilot_assets.bench.expected import Fault
from sopilot_assets.bench.intervals import share_interval
from sopilot_assets.bench.run import Reported, Result
from sopilot_assets.bench.selective import (
    COVERAGES,
    Trial,
    expected_calibration_error,
    reliability,
    risk_at,
    risks,
)
from sopilot_assets.bench.truth import LabeledPlace, Truth
from sopilot_assets.scoring.result import Decision
from sopilot_assets.segments import Segment
from sopilot_assets.tasks import DeviationType

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

_DIGITS: Final = 6
MOMENT_S: Final = 2.0
"""A moment that is named at most this far, in seconds, from a deviation leads to it."""
_STANDS_FOR: Final[Mapping[str, frozenset[str]]] = {
    DeviationType.STEP_DEVIATION: frozenset({DeviationType.STEP_DEVIATION, DeviationType.WRONG_STEP}),
}
"""What a wanted type may be reported as besides itself: something added is seen as a deviation or as a wrong
step.
"""


@dataclass(frozen=True, slots=True)
class ScoredRecording:
    """One scored recording: truth and result; ``same_site`` says whether a gold was made where it was."""

    truth: Truth
    result: Result
    same_site: bool


def measure(cases: Sequence[ScoredRecording], *, seed: int, seconds: float | None = None) -> dict[str, Json]:
    """All figures of these recordings, whose order does not matter; ``seconds`` is what they took."""
    ordered = sorted(cases, key=lambda case: (case.truth.task_id, case.truth.file))
    task = [case for case in ordered if not case.truth.other_work]
    other = [case for case in ordered if case.truth.other_work]
    return {
        "n": len(ordered),
        "performers": len({case.truth.performer for case in ordered}),
        "critical": _critical(task, seed=seed),
        "auc": _auc(task),
        "types": {kind.value: _type_figures(task, kind) for kind in DeviationType},
        "types_not_scored": dict(sorted(Counter(t for c in task for t in c.truth.unscored).items())),
        "false_alarms": _false_alarms(task),
        "passes": _passes(task, other),
        "decided": _decided(task),
        "review": _review(task),
        "selective": _selective(task),
        **_localisation(task),
        "abstained": _share(case.result.abstained for case in task),
        "abstained_other_task": _share(case.result.abstained for case in other),
        "seconds": None if seconds is None else round(seconds, 1),
        "seconds_per_video": None if seconds is None or not ordered else round(seconds / len(ordered), 3),
    }


def _share(hits: Iterable[bool]) -> float | None:
    found = list(hits)
    return _rounded(sum(found) / len(found)) if found else None


def _rounded(value: float) -> float:
    return round(float(value), _DIGITS)


def _critical(cases: Sequence[ScoredRecording], *, seed: int) -> dict[str, Json]:
    """How often something critical was not found, and how often it was found where nothing is."""
    bad = [case for case in cases if case.truth.critical]
    fine = [case for case in cases if case.truth.critical is False]
    hits = {
        "miss": (bad, [_missed(case.result) for case in bad]),
        "fpr": (fine, [case.result.critical for case in fine]),
        "miss_strict": (bad, [not case.result.critical for case in bad]),
        "passed": (bad, [case.result.decision == Decision.PASS for case in bad]),
        "held_back": (bad, [case.result.held_back for case in bad]),
    }
    intervals = {
        name: share_interval(found, [case.truth.performer for case in some], seed=seed)
        for name, (some, found) in hits.items()
    }
    return {
        **{name: _share(found) for name, (_, found) in hits.items()},
        "ci95": {
            name: [_rounded(one.low), _rounded(one.high)] if one else None for name, one in intervals.items()
        },
        "ci95_method": {name: one.method if one else None for name, one in intervals.items()},
        "counts": {name: sum(found) for name, (_, found) in hits.items()},
        "n_critical": len(bad),
        "n_not_critical": len(fine),
        "n_unknown": len(cases) - len(bad) - len(fine),
    }


def _missed(result: Result) -> bool:
    """Whether something critical is neither found, nor suspected by a recording held back, nor left open."""
    return not (result.critical or result.held_back or result.abstained)


def _auc(cases: Sequence[ScoredRecording]) -> dict[str, Json]:
    """How well critical recordings are ordered above the others: by 100 minus the score, and by the
    probability of something critical.
    """
    known = [case for case in cases if case.truth.critical is not None]
    by_score = [(case.truth.critical, -case.result.score) for case in known if case.result.score is not None]
    by_critical = [
        (c.truth.critical, c.result.probability) for c in known if c.result.probability is not None
    ]
    return {
        "score": _roc(by_score),
        "score_n": len(by_score),
        "critical": _roc(by_critical),
        "critical_n": len(by_critical),
    }


def _roc(pairs: Sequence[tuple[bool | None, float]]) -> float | None:
    truths = [truth is True for truth, _ in pairs]
    if len(set(truths)) < 2:
        return None
    return _rounded(roc_auc_score(truths, np.asarray([value for _, value in pairs])))


def _type_figures(cases: Sequence[ScoredRecording], kind: str) -> dict[str, Json]:
    """Per recording: is the type reported where it has to be; and per deviation with its steps."""
    found = sum(kind in case.truth.wanted and bool(_meant(kind) & case.result.types) for case in cases)
    wanted = sum(kind in case.truth.wanted for case in cases)
    false = sum(kind in case.result.types and not _may_report(case.truth, kind) for case in cases)
    exact = [_exact(case, kind) for case in cases]
    hits, needed, wrong = (sum(column) for column in zip(*exact, strict=True)) if exact else (0, 0, 0)
    return {
        "n": wanted,
        "found": found,
        "false": false,
        "precision": _ratio(found, found + false),
        "recall": _ratio(found, wanted),
        "f1": _ratio(2 * found, found + wanted + false),
        "f1_exact": _ratio(2 * hits, hits + needed + wrong),
    }


def _ratio(part: int, whole: int) -> float | None:
    return _rounded(part / whole) if whole else None


def _meant(kind: str) -> frozenset[str]:
    return _STANDS_FOR.get(kind, frozenset({kind}))


def _may_report(truth: Truth, kind: str) -> bool:
    """Whether a report of the type is right, or cannot be called wrong."""
    if truth.unscored:
        return True
    meant = {other for fault in truth.needed for other in _meant(fault.type)}
    return kind in meant | {fault.type for fault in truth.allowed}


def _exact(case: ScoredRecording, kind: str) -> tuple[int, int, int]:
    """How many deviations of the type are found with their steps, are there, and are reported wrongly."""
    truth = case.truth
    needed = sorted(fault for fault in truth.needed if fault.type == kind)
    reported = {one.fault for one in case.result.reported}
    hits = sum(any(_is(fault, wanted) for fault in reported) for wanted in needed)
    right = truth.needed | truth.allowed
    wrong = [
        fault
        for fault in reported
        if fault.type == kind and not truth.unscored and not any(_is(fault, one) for one in right)
    ]
    return hits, len(needed), len(wrong)


def _is(reported: Fault, wanted: Fault) -> bool:
    """Whether a report is what is wanted, steps included where the label names them."""
    if wanted.type == DeviationType.STEP_DEVIATION:
        return reported.type in _meant(wanted.type)
    return reported.type == wanted.type and wanted.steps in ((), reported.steps)


def _false_alarms(cases: Sequence[ScoredRecording]) -> dict[str, Json]:
    """The share of correct recordings that something is reported in; nothing is said in an abstention."""
    correct = [case for case in cases if case.truth.correct]
    groups = {
        "all": correct,
        "same_site": [case for case in correct if case.same_site],
        "other_site": [case for case in correct if not case.same_site],
    }
    return {
        **{name: _share(_alarms(some)) for name, some in groups.items()},
        "counts": {name: sum(_alarms(some)) for name, some in groups.items()},
        "n": {name: len(some) for name, some in groups.items()},
    }


def _alarms(cases: Sequence[ScoredRecording]) -> Iterator[bool]:
    yield from (bool(case.result.reported) and not case.result.abstained for case in cases)


def _passes(task: Sequence[ScoredRecording], other: Sequence[ScoredRecording]) -> dict[str, Json]:
    groups = {"correct": [case for case in task if case.truth.correct], "other_task": other}
    passed = {name: [case.result.decision == Decision.PASS for case in some] for name, some in groups.items()}
    return {
        **{name: _share(some) for name, some in passed.items()},
        "counts": {name: sum(some) for name, some in passed.items()},
        "n": {name: len(some) for name, some in passed.items()},
    }


def _decided(cases: Sequence[ScoredRecording]) -> dict[str, Json]:
    """How many recordings of the task were decided without a person."""
    counts = Counter(case.result.decision for case in cases)
    return {
        "share": _share(case.result.decided for case in cases),
        "counts": {decision.value: counts[decision] for decision in Decision},
        "n": len(cases),
    }


def _review(cases: Sequence[ScoredRecording]) -> dict[str, Json]:
    """How many recordings a person has to look at, and whether they are led to what is wrong."""
    reviews = [case for case in cases if case.result.decision == Decision.NEEDS_REVIEW]
    placed = [case for case in reviews if case.truth.places]
    named = sum(_names_a_moment(case) for case in placed)
    return {
        "share": _ratio(len(reviews), len(cases)),
        "right_moment": _ratio(named, len(reviews)),
        "right_moment_placed": _ratio(named, len(placed)),
        "counts": {
            "reviews": len(reviews),
            "right_moment": named,
            "placed": len(placed),
            "correct": sum(case.truth.correct for case in reviews),
        },
    }


def _names_a_moment(case: ScoredRecording) -> bool:
    said = (*case.result.reported, *case.result.suspected)
    return any(
        _apart_s(one.segment, place.segment) <= MOMENT_S for one in said for place in case.truth.places
    )


def _apart_s(one: Segment, other: Segment) -> float:
    """The seconds between two stretches or moments; 0 where they overlap."""
    return max(one.start_s - other.end_s, other.start_s - one.end_s, 0.0)


def _selective(cases: Sequence[ScoredRecording]) -> dict[str, Json]:
    """What the critical probability is worth: errors by the share of recordings it decides, the most certain
    first, and whether it is what happens.
    """
    trials = [
        Trial(case.result.probability, case.truth.critical)
        for case in cases
        if case.result.probability is not None and case.truth.critical is not None
    ]
    found = risks(trials)
    return {
        "n": len(trials),
        "aurc": _rounded(found.mean()) if trials else None,
        "risk": {
            f"{coverage:.1f}": _rounded(risk_at(found, coverage)) if trials else None
            for coverage in COVERAGES
        },
        "calibration_error": _rounded(expected_calibration_error(trials)) if trials else None,
        "reliability": [
            {
                "low": one.low,
                "high": one.high,
                "n": one.n,
                "stated": _rounded(one.stated),
                "measured": _rounded(one.measured),
            }
            for one in reliability(trials)
        ],
    }


def _localisation(cases: Sequence[ScoredRecording]) -> dict[str, Json]:
    """How well reported deviations are placed: overlap where they have an extent, distance in seconds where
    they are a moment. Only those that were found count.
    """
    overlaps: dict[str, list[float]] = {}
    errors = []
    for case in cases:
        for place in case.truth.places:
            found = _matching(place, case.result.reported)
            if not found:
                continue
            if place.segment:
                best = max(one.segment.iou(place.segment) for one in found)
                overlaps.setdefault(place.fault.type, []).append(best)
            else:
                errors.append(min(abs(one.segment.middle_s - place.segment.start_s) for one in found))
    every = [value for values in overlaps.values() for value in values]
    return {
        "iou": _rounded(fmean(every)) if every else None,
        "iou_n": len(every),
        "iou_types": {kind: _rounded(fmean(values)) for kind, values in sorted(overlaps.items())},
        "moment_error_s": _rounded(median(errors)) if errors else None,
        "moment_n": len(errors),
    }


def _matching(place: LabeledPlace, reported: Sequence[Reported]) -> list[Reported]:
    """The reports of the same type: those with the same steps, where there are any."""
    same_type = [one for one in reported if one.fault.type in _meant(place.fault.type)]
    return [one for one in same_type if _is(one.fault, place.fault)] or same_type
