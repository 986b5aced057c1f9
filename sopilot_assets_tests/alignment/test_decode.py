"""The decoder names each edit of a procedure, given clear evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from sopilot_assets.alignment.decode import Decoding, decode
from sopilot_assets.alignment.explanations import Change, Prices
from sopilot_assets.alignment.spans import EditKind
from sopilot_assets.reference.durations import Durations

STEPS = 5
UNKNOWN = STEPS
USUAL_S = 5.0
STRIDE_S = 0.5
DURATIONS = Durations((math.log(USUAL_S),) * STEPS, (0.2,) * STEPS, 0.2)
Shown = Sequence[tuple[int, float]]
"""What a made-up video shows: step and seconds."""


def evidence(shown: Shown) -> npt.NDArray[np.float64]:
    """Log-probabilities of a video that shows these steps, about nine in ten sure of each clip."""
    columns = [step for step, seconds in shown for _ in range(round(seconds / STRIDE_S))]
    probability = np.full((len(columns), STEPS + 1), 0.1 / STEPS)
    probability[np.arange(len(columns)), columns] = 0.9
    return np.log(probability)


def decoded(
    shown: Shown, frozen_s: tuple[float, float] = (0.0, 0.0), orders: Sequence[Sequence[int]] = ()
) -> Decoding:
    log_posterior = evidence(shown)
    times = np.arange(len(log_posterior)) * STRIDE_S
    frozen = (times >= frozen_s[0]) & (times < frozen_s[1])
    return decode(
        log_posterior,
        frozen,
        durations=DURATIONS,
        prices=Prices(),
        orders=[tuple(range(STEPS)), *orders],
        stride_s=STRIDE_S,
    )


def in_order(*steps: int) -> list[tuple[int, float]]:
    return [(step, USUAL_S) for step in steps]


def edits(decoding: Decoding) -> set[Change]:
    return set(decoding.best.explanation.changes)


CASES: list[tuple[str, Shown, set[Change]]] = [
    ("correct", in_order(0, 1, 2, 3, 4), set()),
    ("slow all over", [(step, 1.5 * USUAL_S) for step in range(STEPS)], set()),
    ("fast all over", [(step, 0.7 * USUAL_S) for step in range(STEPS)], set()),
    ("one missing", in_order(0, 1, 3, 4), {Change(EditKind.MISSING, (2,))}),
    ("two in a row missing", in_order(0, 3, 4), {Change(EditKind.MISSING, (1, 2))}),
    ("start missing", in_order(1, 2, 3, 4), {Change(EditKind.MISSING, (0,))}),
    ("end missing", in_order(0, 1, 2), {Change(EditKind.MISSING, (3, 4))}),
    ("neighbours swapped", in_order(0, 2, 1, 3, 4), {Change(EditKind.SWAP, (1, 2))}),
    ("distant steps swapped", in_order(4, 1, 2, 3, 0), {Change(EditKind.SWAP, (0, 4))}),
    ("something else done", in_order(0, 1, UNKNOWN, 3, 4), {Change(EditKind.WRONG, (2,))}),
    ("something added", in_order(0, 1, UNKNOWN, 2, 3, 4), {Change(EditKind.EXTRA, (2,))}),
    (
        "one step twice as long",
        [(0, 5.0), (1, 11.0), (2, 5.0), (3, 5.0), (4, 5.0)],
        {Change(EditKind.LONG, (1,))},
    ),
    (
        "one missing and two swapped",
        in_order(1, 0, 2, 4),
        {Change(EditKind.MISSING, (3,)), Change(EditKind.SWAP, (0, 1))},
    ),
    (
        "one wrong and one long",
        [(0, 5.0), (UNKNOWN, 5.0), (2, 5.0), (3, 12.0), (4, 5.0)],
        {Change(EditKind.WRONG, (1,)), Change(EditKind.LONG, (3,))},
    ),
    ("a short pause", [*in_order(0, 1), (UNKNOWN, 1.0), *in_order(2, 3, 4)], set()),
]


@pytest.mark.parametrize(("shown", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_edit_is_named(shown: Shown, expected: set[Change]) -> None:
    decoding = decoded(shown)
    assert edits(decoding) == expected
    if expected:
        assert decoding.log_odds > 1.0
        assert all(decoding.change_log_odds(change) > 1.0 for change in expected)
    else:
        assert decoding.log_odds < 0.0


def test_spans_of_the_best_explanation_follow_what_is_shown() -> None:
    best = decoded(in_order(0, 1, 3, 4)).best
    assert [state.step for state in best.explanation.states] == [0, 1, 3, 4]
    assert np.abs(best.start * STRIDE_S - [0, 5, 10, 15]).max() <= STRIDE_S


def test_frozen_clips_speak_for_nothing() -> None:
    shown = in_order(0, 1, 4, 4, 4)
    assert edits(decoded(shown)) != set()
    assert edits(decoded(shown, frozen_s=(10.0, 20.0))) == set()


def test_an_order_seen_in_golds_is_no_edit() -> None:
    shown = in_order(0, 2, 1, 3, 4)
    assert edits(decoded(shown)) == {Change(EditKind.SWAP, (1, 2))}
    assert edits(decoded(shown, orders=[(0, 2, 1, 3, 4)])) == set()


def test_evidence_that_says_nothing_finds_nothing() -> None:
    blank = np.full((50, STEPS + 1), -math.log(STEPS + 1))
    decoding = decode(
        blank,
        np.zeros(50, dtype=bool),
        durations=DURATIONS,
        prices=Prices(),
        orders=[tuple(range(STEPS))],
        stride_s=STRIDE_S,
    )
    assert edits(decoding) == set()


def test_less_trust_makes_findings_less_certain() -> None:
    shown = in_order(0, 1, 3, 4)
    change = Change(EditKind.MISSING, (2,))
    frozen = np.zeros(len(evidence(shown)), dtype=bool)
    odds = [
        decode(
            evidence(shown),
            frozen,
            durations=DURATIONS,
            prices=Prices(),
            orders=[tuple(range(STEPS))],
            stride_s=STRIDE_S,
            trust=trust,
        ).change_log_odds(change)
        for trust in (1.0, 0.5, 0.2)
    ]
    assert odds == sorted(odds, reverse=True)
