"""The decoder names each edit of a procedure, given clear evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, permutations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopilot_assets.alignment.decode import (
    ClipScores,
    Decoding,
    decode,
    order_evidence,
    unrelated_orders,
)
from sopilot_assets.alignment.explanations import PlannedEdit, Prices
from sopilot_assets.alignment.spans import EditKind
from sopilot_assets.reference.durations import Durations
from sopilot_assets.scoring.procedure import MOST_ORDER

STEPS = 5
UNKNOWN = STEPS
USUAL_S = 5.0
STRIDE_S = 0.5
DURATIONS = Durations((math.log(USUAL_S),) * STEPS, (0.2,) * STEPS, 0.2, ((USUAL_S,),) * STEPS)
ORDER = tuple(range(STEPS))
Shown = Sequence[tuple[int, float]]
"""What a made-up video shows: step and seconds."""


def evidence(shown: Shown) -> npt.NDArray[np.float64]:
    """Log-probabilities of a video that shows these steps, about nine in ten sure of each clip."""
    columns = [step for step, seconds in shown for _ in range(round(seconds / STRIDE_S))]
    probability = np.full((len(columns), STEPS + 1), 0.1 / STEPS)
    probability[np.arange(len(columns)), columns] = 0.9
    return np.asarray(np.log(probability))


def scores(
    states: npt.NDArray[np.float64], frozen: npt.NDArray[np.bool_] | None = None, trust: float = 1.0
) -> ClipScores:
    """Scores of clips that look as idle as they look unknown, without anything known about borders."""
    nothing = np.zeros(len(states) + 1)
    frozen = np.zeros(len(states), dtype=np.bool_) if frozen is None else frozen
    return ClipScores(states, states[:, UNKNOWN], nothing, frozen, trust)


def explained(clips: ClipScores, orders: Sequence[Sequence[int]] = (ORDER,)) -> Decoding:
    return decode(clips, durations=DURATIONS, prices=Prices(), orders=orders, stride_s=STRIDE_S)


def decoded(
    shown: Shown, frozen_s: tuple[float, float] = (0.0, 0.0), orders: Sequence[Sequence[int]] = ()
) -> Decoding:
    log_posterior = evidence(shown)
    times = np.arange(len(log_posterior)) * STRIDE_S
    frozen = (times >= frozen_s[0]) & (times < frozen_s[1])
    return explained(scores(log_posterior, frozen), [ORDER, *orders])


def in_order(*steps: int) -> list[tuple[int, float]]:
    return [(step, USUAL_S) for step in steps]


def edits(decoding: Decoding) -> set[PlannedEdit]:
    return set(decoding.best.explanation.changes)


CASES: list[tuple[str, Shown, set[PlannedEdit]]] = [
    ("correct", in_order(0, 1, 2, 3, 4), set()),
    ("slow all over", [(step, 1.5 * USUAL_S) for step in range(STEPS)], set()),
    ("fast all over", [(step, 0.7 * USUAL_S) for step in range(STEPS)], set()),
    ("one missing", in_order(0, 1, 3, 4), {PlannedEdit(EditKind.MISSING, (2,))}),
    ("two in a row missing", in_order(0, 3, 4), {PlannedEdit(EditKind.MISSING, (1, 2))}),
    ("start missing", in_order(1, 2, 3, 4), {PlannedEdit(EditKind.MISSING, (0,))}),
    ("end missing", in_order(0, 1, 2), {PlannedEdit(EditKind.MISSING, (3, 4))}),
    ("neighbours swapped", in_order(0, 2, 1, 3, 4), {PlannedEdit(EditKind.SWAP, (1, 2))}),
    ("distant steps swapped", in_order(4, 1, 2, 3, 0), {PlannedEdit(EditKind.SWAP, (0, 4))}),
    ("something else done", in_order(0, 1, UNKNOWN, 3, 4), {PlannedEdit(EditKind.WRONG, (2,))}),
    ("something added", in_order(0, 1, UNKNOWN, 2, 3, 4), {PlannedEdit(EditKind.EXTRA, (2,))}),
    (
        "one step twice as long",
        [(0, 5.0), (1, 11.0), (2, 5.0), (3, 5.0), (4, 5.0)],
        {PlannedEdit(EditKind.LONG, (1,))},
    ),
    (
        "one missing and two swapped",
        in_order(1, 0, 2, 4),
        {PlannedEdit(EditKind.MISSING, (3,)), PlannedEdit(EditKind.SWAP, (0, 1))},
    ),
    (
        "one wrong and one long",
        [(0, 5.0), (UNKNOWN, 5.0), (2, 5.0), (3, 12.0), (4, 5.0)],
        {PlannedEdit(EditKind.WRONG, (1,)), PlannedEdit(EditKind.LONG, (3,))},
    ),
    ("a short pause", [*in_order(0, 1), (UNKNOWN, 1.0), *in_order(2, 3, 4)], set()),
]


@pytest.mark.parametrize(("shown", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_edit_is_named(shown: Shown, expected: set[PlannedEdit]) -> None:
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
    assert edits(decoded(shown)) == {PlannedEdit(EditKind.SWAP, (1, 2))}
    assert edits(decoded(shown, orders=[(0, 2, 1, 3, 4)])) == set()


def test_evidence_that_says_nothing_finds_nothing() -> None:
    blank = np.full((50, STEPS + 1), -math.log(STEPS + 1))
    assert edits(explained(scores(blank))) == set()


def test_less_trust_makes_findings_less_certain() -> None:
    change = PlannedEdit(EditKind.MISSING, (2,))
    clips = evidence(in_order(0, 1, 3, 4))
    odds = [explained(scores(clips, trust=trust)).change_log_odds(change) for trust in (1.0, 0.5, 0.2)]
    assert odds == sorted(odds, reverse=True)


def test_a_long_pause_is_idle_time_and_no_edit() -> None:
    shown = [*in_order(0, 1), (1, USUAL_S), *in_order(2, 3, 4)]
    clips = scores(evidence(shown))
    still = np.arange(len(clips.idle)) // 10 == 2
    paused = replace(
        clips,
        states=np.where(still[:, None], clips.states - 1.0, clips.states),
        idle=np.where(still, 1.2, clips.idle),
    )
    assert edits(explained(clips)) == {PlannedEdit(EditKind.LONG, (1,))}
    assert edits(explained(paused)) == set()


def test_a_border_that_is_seen_is_where_the_step_ends() -> None:
    blank = np.full((50, STEPS + 1), -math.log(STEPS + 1))
    clips = scores(blank)
    seen = np.full(51, -0.5)
    seen[[8, 19, 31, 43]] = 3.0
    best = explained(replace(clips, border=seen)).best
    assert best.end.tolist() == [8, 19, 31, 43, 50]


@pytest.mark.parametrize("clips", [1, 2, 3, 8, 400])
def test_recordings_of_any_length_are_explained(clips: int) -> None:
    decoding = explained(scores(np.full((clips, STEPS + 1), -math.log(STEPS + 1))))
    best = decoding.best
    assert math.isfinite(decoding.log_odds)
    assert (best.end > best.start).all()
    assert best.end[-1] <= clips
    assert (best.start[1:] >= best.end[:-1]).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_candidates_are_in_order_and_their_runs_too(seed: int) -> None:
    rng = np.random.default_rng(seed)
    states = np.log(rng.dirichlet(np.full(STEPS + 1, 0.3), size=int(rng.integers(20, 60))))
    decoding = explained(scores(states))
    ranked = [candidate.score for candidate in decoding.candidates]
    assert ranked == sorted(ranked, reverse=True)
    assert len({(c.explanation.states, c.explanation.changes) for c in decoding.candidates}) == len(ranked)
    assert set(decoding.reported) <= edits(decoding)
    for candidate in decoding.candidates[:20]:
        assert (candidate.end > candidate.start).all()
        assert (candidate.start[1:] >= candidate.end[:-1]).all()


@given(st.integers(0, 9))
def test_unrelated_orders_have_nothing_in_common_with_the_procedure(steps: int) -> None:
    order = [7 * step % 11 for step in range(steps)]
    found = unrelated_orders(order)
    assert found == unrelated_orders(order)
    assert len(set(found)) == len(found) <= 40
    assert bool(found) == (steps >= 4)
    followers = set(pairwise(order))
    for other in found:
        assert sorted(other) == sorted(order)
        assert all(one != same for one, same in zip(other, order, strict=True))
        assert not followers & set(pairwise(other))


def evidence_of_order(states: npt.NDArray[np.float64], orders: Sequence[Sequence[int]] = (ORDER,)) -> float:
    clips = scores(states)
    best = explained(clips, orders).candidates[0]
    found = order_evidence(
        clips, best, durations=DURATIONS, prices=Prices(), orders=orders, stride_s=STRIDE_S
    )
    assert found is not None
    return found


def test_only_a_recording_of_the_procedure_has_clear_evidence_of_its_order() -> None:
    rng = np.random.default_rng(2)
    noise = [np.log(rng.dirichlet(np.full(STEPS + 1, 0.5), size=50)) for _ in range(8)]
    correct = evidence_of_order(evidence(in_order(*ORDER)))
    assert correct > 30.0
    assert evidence_of_order(evidence(in_order(0, 2, 1, 3, 4))) > 15.0
    assert max(map(evidence_of_order, noise)) < 0.5 * correct


@pytest.mark.parametrize("other", unrelated_orders(ORDER)[:3])
@pytest.mark.parametrize("left_out", [(), (2,)])
def test_every_order_that_the_task_allows_has_clear_evidence(
    other: tuple[int, ...], left_out: tuple[int, ...]
) -> None:
    shown = [step for step in other if step not in left_out]
    assert evidence_of_order(evidence(in_order(*shown)), [ORDER, other]) > MOST_ORDER


def test_where_every_order_is_allowed_none_is_unrelated() -> None:
    clips = scores(evidence(in_order(*ORDER)))
    orders = list(permutations(ORDER))
    best = explained(clips, orders).candidates[0]
    found = order_evidence(
        clips, best, durations=DURATIONS, prices=Prices(), orders=orders, stride_s=STRIDE_S
    )
    assert found is None


def test_short_procedures_have_no_unrelated_orders() -> None:
    clips = scores(evidence(in_order(0, 1, 2)))
    three = Durations((math.log(USUAL_S),) * 3, (0.2,) * 3, 0.2, ((USUAL_S,),) * 3)
    decoding = decode(clips, durations=three, prices=Prices(), orders=[(0, 1, 2)], stride_s=STRIDE_S)
    best = decoding.candidates[0]
    assert (
        order_evidence(clips, best, durations=three, prices=Prices(), orders=[(0, 1, 2)], stride_s=STRIDE_S)
        is None
    )


@settings(max_examples=20, deadline=None)
@given(st.permutations(ORDER), st.integers(0, 1000))
def test_steps_backwards_are_never_explained_without_an_edit(steps: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    shown = [(step, float(rng.uniform(3.5, 7.0))) for step in steps]
    backwards = [(STEPS - 1 - step, seconds) for step, seconds in shown] if steps == [*ORDER] else shown
    assert edits(decoded(backwards))
