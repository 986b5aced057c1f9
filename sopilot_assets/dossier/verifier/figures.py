"""The figures of a detector from the rows: misses and false alarms, intervals, statistics, drift, repeats."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sopilot_assets.dossier.verifier.fields import Json
from sopilot_assets.dossier.verifier.numbers import (
    ClusteredBounds,
    auc,
    clustered_bounds,
    mcnemar_p,
    quantile,
    statistics_of,
    wilson_bounds,
)
from sopilot_assets.dossier.verifier.tables import CaseRow, number

SPLITS: Final = ("dev", "test", "challenge")
MISS: Final = "miss_rate"
FALSE_ALARM: Final = "false_positive_rate"
_WINDOW: Final = 20
_SHARE_FLOOR: Final = 1e-8
_DRIFTS: Final = (
    "critical_score_psi",
    "score_psi",
    "dtw_normalized_cost_psi",
    "critical_detected_rate_reference",
    "critical_detected_rate_current",
    "critical_detected_rate_shift_abs",
)


@dataclass(frozen=True)
class HeadlineLine:
    """One rate of one detector on one split: ``errors`` of n decided cases of so many people, and both
    intervals; None where there is no case.
    """

    figure: str
    split: str
    detector: str
    errors: float
    n: float
    people: float
    point: float | None
    wilson_low: float | None
    wilson_high: float | None
    clustered_low: float | None
    clustered_high: float | None


def rows_of_split(rows: Sequence[CaseRow], split: str) -> list[CaseRow]:
    """The rows of a split; ``full`` are those of all splits."""
    return [row for row in rows if (row.split != "" if split == "full" else row.split == split)]


def confusion(rows: Iterable[CaseRow], detector: str) -> dict[str, int]:
    """Decided cases by label and decision."""
    counts = {"tp": 0, "fn": 0, "fp": 0, "tn": 0}
    for row in rows:
        if row.expected is not None and row.decided(detector):
            said = row.detected(detector)
            counts[("tp" if said else "fn") if row.expected == 1 else ("fp" if said else "tn")] += 1
    return counts


def figures_of(
    rows: Sequence[CaseRow], detector: str, repeats: Sequence[Mapping[str, str]] | None = None
) -> dict[str, Json]:
    """The figures of a detector on these rows, in time order, nested as in ``results/evaluations.json``;
    with ``repeats`` (rows of repeats.csv) also how well these recordings repeat.
    """
    complete = [row for row in rows if row.scored]
    counts = confusion(rows, detector)
    positives, negatives = counts["tp"] + counts["fn"], counts["fp"] + counts["tn"]
    said = [row.detected(detector) for row in complete]
    completed, labeled = (sum(row.expected is not None for row in some) for some in (complete, rows))
    return {
        "num_completed_jobs": len(complete),
        "critical_detected_jobs": sum(row.detected(detector) for row in rows),
        "critical_score_stats": statistics_of(_known(row.score(detector) for row in complete)),
        "score_stats": statistics_of(_known(row.number("score") for row in complete)),
        "dtw_normalized_cost_stats": statistics_of(
            _known(row.number("dtw_normalized_cost") for row in complete)
        ),
        "rescore_jitter": _jitter(complete),
        "drift": _halves_drift(complete, detector, said),
        "critical_miss_rate": share_of(counts["fn"], positives),
        "critical_false_positive_rate": share_of(counts["fp"], negatives),
        "critical_confusion": counts,
        "critical_positives": positives,
        "critical_negatives": negatives,
        "completed_labeled_jobs": completed,
        "labels_total_jobs": labeled,
        "labels_labeled_jobs": labeled,
        "labels_unknown_jobs": 0,
        "coverage_rate": share_of(completed, labeled),
        "critical_confidence": {
            "miss_rate": _confidence(counts["fn"], positives),
            "false_positive_rate": _confidence(counts["fp"], negatives),
        },
        "right": _right(rows, detector) | ({} if repeats is None else _repeated(rows, repeats)),
    }


def _repeated(rows: Sequence[CaseRow], repeats: Sequence[Mapping[str, str]]) -> dict[str, Json]:
    keys = {row.case_id for row in rows}
    by_kind = repeatability_of([one for one in repeats if one["key"] in keys])
    return {"repeatability": {kind: found.as_json() for kind, found in by_kind.items()}}


def _right(rows: Sequence[CaseRow], detector: str) -> dict[str, Json]:
    labeled = [row for row in rows if row.expected is not None]
    positive = [row for row in labeled if row.expected == 1]
    speaks = [row for row in labeled if row.decided(detector)]
    misses = errors_interval(rows, detector, label=1)
    alarms = errors_interval(rows, detector, label=0)
    known = [(score, row.expected == 1) for row in speaks if (score := row.score(detector)) is not None]
    scores, truth = [score for score, _ in known], [positive for _, positive in known]
    squares = [(score - label) ** 2 for score, label in known]
    return {
        "decided_share": share_of(len(speaks), len(labeled)),
        "decided_positive_share": share_of(sum(row.expected == 1 for row in speaks), len(positive)),
        "scored_share": share_of(sum(row.scored for row in labeled), len(labeled)),
        "abstained_positives": sum(not row.decided(detector) for row in positive),
        "abstained_negatives": sum(not row.decided(detector) for row in labeled if row.expected == 0),
        "strict_miss_rate": share_of(sum(not row.detected(detector) for row in positive), len(positive)),
        "clustered_miss_rate": misses.as_json(),
        "clustered_false_positive_rate": alarms.as_json(),
        "independent_positives": misses.clusters,
        "independent_negatives": alarms.clusters,
        "brier": math.fsum(squares) / len(squares) if squares else None,
        "auc": auc(scores, truth),
        "drift": {
            "score": _fixed_drift(
                rows, lambda row: row.number("score"), [10.0 * edge for edge in range(1, 10)]
            ),
            "critical_score": _fixed_drift(
                rows,
                lambda row: row.score(detector) if row.decided(detector) else None,
                [edge / 10 for edge in range(1, 10)],
            ),
        },
    }


def errors_interval(rows: Iterable[CaseRow], detector: str, *, label: int) -> ClusteredBounds:
    """The clustered interval of the miss rate (label 1) or of the false-positive rate (label 0)."""
    chosen = [row for row in rows if row.expected == label and row.decided(detector)]
    errors = [row.detected(detector) != (label == 1) for row in chosen]
    return clustered_bounds(errors, [row.cluster for row in chosen])


def headline_of(
    rows: Sequence[CaseRow], splits: Iterable[str], detectors: Sequence[str]
) -> list[HeadlineLine]:
    """Miss and false-alarm rate of each detector on each split, with both intervals; rounded."""
    return [
        _headline_line(rows_of_split(rows, split), figure, split, detector)
        for split in splits
        for detector in detectors
        for figure in (MISS, FALSE_ALARM)
    ]


def _headline_line(chosen: Sequence[CaseRow], figure: str, split: str, detector: str) -> HeadlineLine:
    found = errors_interval(chosen, detector, label=1 if figure == MISS else 0)
    wilson = wilson_bounds(found.hits, found.n)
    return HeadlineLine(
        figure=figure,
        split=split,
        detector=detector,
        errors=found.hits,
        n=found.n,
        people=found.clusters,
        point=rounded_or_none(share_of(found.hits, found.n)),
        wilson_low=rounded_or_none(wilson[0] if wilson else None),
        wilson_high=rounded_or_none(wilson[1] if wilson else None),
        clustered_low=rounded_or_none(found.low),
        clustered_high=rounded_or_none(found.high),
    )


def shadow_of(rows: Sequence[CaseRow], baseline: str, candidate: str) -> dict[str, Json]:
    """The paired table of two detectors, and McNemar's exact tests on their errors."""
    table = {
        f"{one}_{other}": 0
        for one in ("clear", "detected", "undecided")
        for other in ("clear", "detected", "undecided")
    }
    for row in rows:
        table[f"{_state(row, baseline)}_{_state(row, candidate)}"] += 1
    changed = [row for row in rows if _state(row, baseline) != _state(row, candidate)]
    return {
        "cases": len(rows),
        "paired": table,
        "both_detected": table["detected_detected"],
        "baseline_only": table["detected_clear"] + table["detected_undecided"],
        "candidate_only": table["clear_detected"] + table["undecided_detected"],
        "neither_detected": len(rows) - sum(count for name, count in table.items() if "detected" in name),
        "decision_change_rate": rounded_or_none(share_of(len(changed), len(rows))),
        "delta": _deltas_of_rates(rows, baseline, candidate),
        "tests": {
            name: _test(rows, baseline, candidate, labels)
            for name, labels in (("all", (0, 1)), ("positives", (1,)), ("negatives", (0,)))
        },
    }


def _deltas_of_rates(rows: Sequence[CaseRow], baseline: str, candidate: str) -> dict[str, float | None]:
    rates = []
    for detector in (baseline, candidate):
        counts = confusion(rows, detector)
        decided = [row for row in rows if row.decided(detector)]
        rates.append(
            [
                rounded_or_none(share_of(sum(row.detected(detector) for row in decided), len(decided))),
                rounded_or_none(share_of(counts["fn"], counts["fn"] + counts["tp"])),
                rounded_or_none(share_of(counts["fp"], counts["fp"] + counts["tn"])),
            ]
        )
    changes = [
        None if before is None or after is None else rounded_or_none(after - before)
        for before, after in zip(*rates, strict=True)
    ]
    return {
        "critical_detected_rate_baseline": rates[0][0],
        "critical_detected_rate_candidate": rates[1][0],
        "critical_detected_rate_delta": changes[0],
        "critical_miss_rate_delta": changes[1],
        "critical_false_positive_rate_delta": changes[2],
    }


def _test(
    rows: Sequence[CaseRow], baseline: str, candidate: str, labels: tuple[int, ...]
) -> dict[str, float | int]:
    chosen = [row for row in rows if row.expected in labels]
    both = [row for row in chosen if row.decided(baseline) and row.decided(candidate)]
    signs: dict[str, int] = {}
    fixed = broken = right = 0
    for row in both:
        before, after = (row.detected(one) == (row.expected == 1) for one in (baseline, candidate))
        fixed, broken, right = fixed + (after > before), broken + (before > after), right + (before and after)
        signs[row.cluster] = signs.get(row.cluster, 0) + after - before
    return {
        "compared": len(both),
        "not_compared": len(chosen) - len(both),
        "both_right": right,
        "both_wrong": len(both) - right - fixed - broken,
        "fixed": fixed,
        "broken": broken,
        "mcnemar_p": round(mcnemar_p(fixed, broken), 6),
        "clusters": len(signs),
        "clustered_p": round(_sign_flips_p(list(signs.values())), 6),
    }


def _sign_flips_p(sums: Sequence[int]) -> float:
    """The share of all flips of the clusters' signs whose total is at least as extreme."""
    chances = {0: 1.0}
    for width in (abs(one) for one in sums if one):
        flipped: dict[int, float] = {}
        for total, chance in chances.items():
            for other in (total - width, total + width):
                flipped[other] = flipped.get(other, 0.0) + chance / 2
        chances = flipped
    return min(1.0, math.fsum(chance for total, chance in chances.items() if abs(total) >= abs(sum(sums))))


def _state(row: CaseRow, detector: str) -> str:
    if not row.decided(detector):
        return "undecided"
    return "detected" if row.detected(detector) else "clear"


@dataclass(frozen=True)
class RepeatFigures:
    """How far scores moved, and in how many recordings the decision changed, when one kind of repeat was
    scored: ``pairs`` of ``videos`` recordings.
    """

    pairs: int
    videos: int
    deltas: tuple[float, ...]
    decision_changes: int

    @property
    def max_delta(self) -> float | None:
        """The farthest that a score moved; None without a pair of scores."""
        return max(self.deltas, default=None)

    @property
    def decision_change_rate(self) -> float | None:
        """The share of recordings whose decision changed; None without one."""
        return share_of(self.decision_changes, self.videos)

    def as_json(self) -> dict[str, Json]:
        """As ``results/evaluations.json`` states it."""
        bounds = wilson_bounds(self.decision_changes, self.videos)
        return {
            "pairs": self.pairs,
            "videos": self.videos,
            **_statistics(self.deltas),
            "decision_changes": self.decision_changes,
            "decision_change_rate": self.decision_change_rate,
            "decision_change_rate_ci95": {"low": bounds[0], "high": bounds[1]} if bounds else None,
        }


def repeatability_of(repeats: Sequence[Mapping[str, str]]) -> dict[str, RepeatFigures]:
    """By kind of repeat how far scores moved and how many decisions changed."""
    return {kind: _repeats([row for row in repeats if row["kind"] == kind]) for kind in ("exact", "shifted")}


def _repeats(rows: Sequence[Mapping[str, str]]) -> RepeatFigures:
    # where neither has a score, nothing was measured
    rows = [row for row in rows if row["score"] or row["base_score"]]
    pairs = [(number(row["score"]), number(row["base_score"])) for row in rows]
    deltas = [abs(again - before) for again, before in pairs if again is not None and before is not None]
    changed = {row["video_id"] for row in rows if row["decision"] != row["base_decision"]}
    return RepeatFigures(len(rows), len({row["video_id"] for row in rows}), tuple(deltas), len(changed))


def _jitter(complete: Sequence[CaseRow]) -> dict[str, Json]:
    pairs: dict[tuple[str, str], list[float]] = {}
    for row in complete:
        scores = _known([row.number("score")])
        pairs.setdefault((row.text("gold_id"), row.text("video_id")), []).extend(scores)
    deltas = [max(scores) - min(scores) for scores in pairs.values() if len(scores) >= 2]
    return {"num_pairs_with_repeats": len(deltas), **_statistics(deltas)}


def _statistics(deltas: Sequence[float]) -> dict[str, float | None]:
    if not deltas:
        return {"mean_delta": None, "p90_delta": None, "max_delta": None}
    mean = math.fsum(deltas) / len(deltas)
    return {"mean_delta": mean, "p90_delta": quantile(deltas, 0.9), "max_delta": max(deltas)}


def _halves_drift(complete: Sequence[CaseRow], detector: str, said: Sequence[bool]) -> dict[str, Json]:
    split = len(complete) // 2
    first, rest = complete[:split], complete[split:]
    enabled = min(len(first), len(rest)) >= _WINDOW
    figures: dict[str, Json] = {
        "reference_jobs": len(first),
        "current_jobs": len(rest),
        "min_window_jobs_required": _WINDOW,
        "enabled": enabled,
        "reason": "ok" if enabled else "insufficient_jobs",
    }
    if not enabled:
        return figures | dict.fromkeys(_DRIFTS)
    before, after = sum(said[:split]) / len(first), sum(said[split:]) / len(rest)

    def psi(value: Callable[[CaseRow], float | None]) -> float | None:
        return _psi([value(row) for row in first], [value(row) for row in rest])

    return figures | {
        "critical_score_psi": psi(lambda row: row.score(detector)),
        "score_psi": psi(lambda row: row.number("score")),
        "dtw_normalized_cost_psi": psi(lambda row: row.number("dtw_normalized_cost")),
        "critical_detected_rate_reference": before,
        "critical_detected_rate_current": after,
        "critical_detected_rate_shift_abs": abs(after - before),
    }


def _psi(first: Sequence[float | None], rest: Sequence[float | None]) -> float | None:
    """The old population stability index: bins at the deciles of the first half."""
    old, new = _known(first), _known(rest)
    if len(old) < len(first) or len(new) < len(rest):
        return None
    edges = sorted({_decile(sorted(old), index * 0.1 if index < 10 else 1.0) for index in range(11)})
    if len(edges) < 3:
        low, high = min(old + new), max(old + new)
        if low == high:
            return 0.0
        edges = [low + (high - low) / 10 * index for index in range(10)] + [high]
    shares = [
        [max(count / len(values), _SHARE_FLOOR) for count in _counts(values, edges)] for values in (old, new)
    ]
    pairs = zip(*shares, strict=True)
    return max(0.0, math.fsum((now - was) * math.log(now / was) for was, now in pairs))


def _decile(ordered: Sequence[float], q: float) -> float:
    """The quantile to the last digit as numpy has it, since values that lie on an edge depend on it."""
    place = (len(ordered) - 1) * q
    low = math.floor(place)
    share, below, above = place - low, ordered[low], ordered[min(low + 1, len(ordered) - 1)]
    return above - (above - below) * (1 - share) if share >= 0.5 else below + (above - below) * share


def _counts(values: Iterable[float], edges: Sequence[float]) -> list[int]:
    counts = [0] * (len(edges) - 1)
    for value in values:
        if edges[0] <= value <= edges[-1]:
            counts[min(bisect_right(edges, value) - 1, len(counts) - 1)] += 1
    return counts


def _fixed_drift(
    rows: Sequence[CaseRow], value: Callable[[CaseRow], float | None], inner: Sequence[float]
) -> dict[str, Json] | None:
    """The index over fixed bins and the Kolmogorov-Smirnov distance of the two halves."""
    half = len(rows) // 2
    windows = [_known(map(value, part)) for part in (rows[:half], rows[half:])]
    if min(map(len, windows)) < _WINDOW:
        return None
    shares = []
    for values in windows:
        counts = [0] * (len(inner) + 1)
        for one in values:
            counts[bisect_right(inner, one)] += 1
        shares.append([(count + 0.5) / (len(values) + 0.5 * len(counts)) for count in counts])
    old, new = map(sorted, windows)
    return {
        "reference_n": len(old),
        "current_n": len(new),
        "psi": math.fsum((now - was) * math.log(now / was) for was, now in zip(*shares, strict=True)),
        "ks": max(
            abs(bisect_right(old, one) / len(old) - bisect_right(new, one) / len(new)) for one in old + new
        ),
    }


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _confidence(k: int, n: int) -> dict[str, Json]:
    bounds = wilson_bounds(k, n)
    if bounds is None:
        return {"n": 0, "point": None, "ci95": None}
    return {"n": n, "point": k / n, "ci95": {"low": bounds[0], "high": bounds[1]}}


def share_of(k: int, n: int) -> float | None:
    return k / n if n else None


def rounded_or_none(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
