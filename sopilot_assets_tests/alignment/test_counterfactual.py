"""Edited golds show what they say they show."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sopilot_assets.alignment.counterfactual import Counterfactual, counterfactuals
from sopilot_assets.alignment.spans import EditKind
from sopilot_assets.reference.annotations import StepInterval
from sopilot_assets.segments import Segment

STRIDE_S = 0.5


@st.composite
def golds(draw: st.DrawFn) -> tuple[np.ndarray, list[StepInterval]]:
    """Clip middles and the steps of a gold, in some order, perhaps with short gaps between them."""
    steps = draw(st.integers(1, 6))
    order = draw(st.permutations(range(steps)))
    time, intervals = 0.0, []
    for step in order:
        time += draw(st.sampled_from([0.0, 0.0, 0.8]))
        end = time + draw(st.floats(1.5, 6.0))
        intervals.append(StepInterval(step, Segment(time, end)))
        time = end
    return np.arange(0.25, time, STRIDE_S), intervals


def shown(made: Counterfactual, owner: np.ndarray) -> list[int]:
    """The steps in the order in which their clips come, each once for a run."""
    steps = owner[made.clips].tolist()
    return [step for place, step in enumerate(steps) if place == 0 or steps[place - 1] != step]


def owners(middles: np.ndarray, intervals: list[StepInterval]) -> np.ndarray:
    """The step of each clip: that of the nearest one."""
    distance = [
        np.maximum(np.maximum(i.segment.start_s - middles, middles - i.segment.end_s), 0.0) for i in intervals
    ]
    steps = np.array([interval.step for interval in intervals])
    return np.asarray(steps[np.argmin(distance, axis=0)])


@settings(max_examples=80, deadline=None)
@given(golds())
def test_each_edit_is_what_its_change_says(gold: tuple[np.ndarray, list[StepInterval]]) -> None:
    middles, intervals = gold
    owner = owners(middles, intervals)
    everything = Counter(range(len(middles)))
    order = [interval.step for interval in intervals]
    made = list(counterfactuals(middles, intervals))
    assert made[0].change is None
    assert made[0].clips.tolist() == list(range(len(middles)))
    for case in made[1:]:
        clips = Counter(case.clips.tolist())
        rest = [step for step in order if step != case.hidden]
        of_hidden = {clip for clip in everything if owner[clip] == case.hidden}
        kind, steps = (case.change.kind, case.change.steps) if case.change else (None, ())
        assert case.hidden not in steps
        if kind is None:
            assert clips == Counter(set(everything) - of_hidden)
            assert shown(case, owner) == rest
        if kind is EditKind.MISSING:
            assert clips == Counter({c: n for c, n in everything.items() if owner[c] != steps[0]})
        if kind is EditKind.SWAP:
            swapped = {steps[0]: steps[1], steps[1]: steps[0]}
            assert clips == everything
            assert shown(case, owner) == [swapped.get(step, step) for step in order]
        if kind is EditKind.LONG:
            assert clips == Counter({c: 2 if owner[c] == steps[0] else 1 for c in everything})
            assert shown(case, owner) == order
        if kind in (EditKind.WRONG, EditKind.EXTRA) and case.hidden is None:
            (known,) = (
                set(shown(case, owner))
                & {step for step in order if step != steps[0]}
                & {step for step, times in Counter(shown(case, owner)).items() if times > 1}
            )
            place = order.index(steps[0])
            rest_of_it = order[place + (kind is EditKind.WRONG) :]
            assert shown(case, owner) == [*order[:place], known, *rest_of_it]
            continue
        if kind is EditKind.WRONG:
            assert set(clips) == {c for c in everything if owner[c] != steps[0]}
            assert shown(case, owner) == [case.hidden if step == steps[0] else step for step in rest]
        if kind is EditKind.EXTRA:
            assert clips == everything
            place = rest.index(steps[0])
            assert shown(case, owner) == [*rest[:place], case.hidden, *rest[place:]]
            assert shown(case, owner) != order
    kinds = Counter(case.change.kind for case in made if case.change)
    count = len(order)
    assert kinds[EditKind.MISSING] == kinds[EditKind.LONG] == (count if count > 1 else 0)
    assert kinds[EditKind.SWAP] == count * (count - 1) // 2
    hidden = Counter(case.change.kind for case in made if case.change and case.hidden is not None)
    assert hidden[EditKind.WRONG] == (2 * count if count > 2 else 0)
    out_of_place = kinds[EditKind.WRONG] - hidden[EditKind.WRONG]
    # the first of three stands in for the last only
    assert out_of_place == sum(abs((k + count // 2) % count - k) > 1 for k in range(count))


def test_a_gold_that_shows_a_step_twice_gives_only_itself() -> None:
    twice = [
        StepInterval(step, Segment(3.0 * place, 3.0 * place + 3.0)) for place, step in enumerate((0, 1, 0))
    ]
    (only,) = counterfactuals(np.arange(0.25, 9.0, STRIDE_S), twice)
    assert only.change is None
