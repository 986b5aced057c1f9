"""From made-up clips to a decision: what neither the alignment nor the rules show alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest

from sopilot_assets.alignment.align import align
from sopilot_assets.alignment.calibration import Calibration, calibrate
from sopilot_assets.embedding.clips import ClipEmbedding
from sopilot_assets.reference.model import Gold, Reference, build_reference
from sopilot_assets.scoring.result import Cause, Decision, Score
from sopilot_assets.scoring.score import score_alignment
from sopilot_assets.tasks import DeviationType, Severity, Step, TaskSpec
from sopilot_assets.tasks.spec import DEFAULT_SEVERITY
from sopilot_assets_tests.reference.made_up import STEP_IDS, embedding, gold, in_order

Scorer = Callable[[ClipEmbedding], Score]


@functools.cache
def learned(
    step_ids: tuple[str, ...], golds: tuple[Gold, ...], orders: tuple[tuple[int, ...], ...]
) -> tuple[Reference, Calibration]:
    reference = build_reference("job", step_ids, golds, orders=orders)
    return reference, calibrate(reference)


def scorer(task: TaskSpec, golds: tuple[Gold, ...], *, damaged: bool = False) -> Scorer:
    reference, calibration = learned(task.step_ids, golds, task.legal_orders())

    def score(shown: ClipEmbedding) -> Score:
        found = align("x", shown, reference, prices=calibration.prices)
        return score_alignment(task, reference, found, calibration, damaged=damaged)

    return score


def task_of(*steps: Step, **rules: object) -> TaskSpec:
    return TaskSpec(task_id="job", name="Job", version=1, steps=steps, **rules)  # type: ignore[arg-type]


STEPS = tuple(Step(id=name, name=name) for name in STEP_IDS)
GOLDS = tuple(gold(number) for number in range(4))


def in_any_order() -> Scorer:
    return scorer(task_of(*(Step(id=name, name=name, after=()) for name in STEP_IDS)), GOLDS)


def test_steps_that_may_be_done_in_any_order_pass_in_every_one() -> None:
    shown = [
        embedding(in_order(*order), seed=number, person=5, noise=1.0)
        for number, order in enumerate(permutations(range(4)))
    ]
    assert [in_any_order()(one).decision for one in shown] == [Decision.PASS] * 24


def test_that_any_order_is_allowed_lets_hardly_any_other_work_pass() -> None:
    chance, one_order = np.random.default_rng(0), scorer(task_of(*STEPS), GOLDS)
    others = [
        embedding(in_order(*chance.permutation(4)), seed=100 + number, person=5, work=2 + number)
        for number in range(24)
    ]
    passed = [
        sum(score(other).decision is Decision.PASS for other in others)
        for score in (one_order, in_any_order())
    ]
    assert passed[0] == 0
    assert passed[1] <= 3  # ten, while legal orders counted as unrelated ones


@pytest.mark.parametrize(
    ("seconds", "found"),
    [(3.0, {DeviationType.MISSING_STEP}), (24.0, set()), (90.0, {DeviationType.OVER_TIME})],
)
def test_the_only_step_is_measured_by_the_golds_and_not_by_itself(
    seconds: float, found: set[DeviationType]
) -> None:
    golds = tuple(gold(number, shown=in_order(0, seconds=20.0 + number)) for number in range(4))
    score = scorer(task_of(STEPS[0]), golds)(embedding(in_order(0, seconds=seconds), seed=9))
    assert {deviation.type for deviation in score.deviations} == found
    assert (score.decision is Decision.FAIL) == (DeviationType.MISSING_STEP in found)


@pytest.mark.parametrize("tail_s", [4.0, 6.0, 9.0])
@pytest.mark.parametrize("step_s", [4.0, 5.0, 6.5])
@pytest.mark.parametrize("done", [2, 3])
def test_what_is_missing_since_the_picture_hung_to_the_end_is_filmed_again(
    done: int, step_s: float, tail_s: float
) -> None:
    hung = step_s * done, step_s * done + tail_s
    shown = [*in_order(*range(done), seconds=step_s), (done - 1, tail_s)]
    score = scorer(task_of(*STEPS), GOLDS)(embedding(shown, seed=9, frozen=[hung]))
    assert (score.decision, score.cause) == (Decision.NEEDS_REVIEW, Cause.FILM_AGAIN)


@pytest.mark.parametrize("missing", [0, 1])
def test_what_is_missing_long_before_the_picture_hangs_fails(missing: int) -> None:
    shown = in_order(*(step for step in range(4) if step != missing))
    score = scorer(task_of(*STEPS), GOLDS)(embedding(shown, seed=9, frozen=[(11.0, 14.0)]))
    assert score.decision is Decision.FAIL


@pytest.mark.parametrize("seconds", [9.0, 10.5, 12.0, 14.0, 15.5])
def test_what_a_damaged_file_lacks_at_its_end_fails_nobody(seconds: float) -> None:
    shown = [(step, max(min(5.0, seconds - 5.0 * step), 0.0)) for step in range(4)]
    cut = embedding([one for one in shown if one[1]], seed=9)
    whole, damaged = (scorer(task_of(*STEPS), GOLDS, damaged=one) for one in (False, True))
    assert whole(cut).decision is Decision.FAIL
    assert (damaged(cut).decision, damaged(cut).cause) == (Decision.NEEDS_REVIEW, Cause.FILM_AGAIN)
    assert damaged(cut).reason.en.startswith("Film again. The file is damaged")
    found = [[(d.type, d.step_ids) for d in one(cut).deviations] for one in (damaged, whole)]
    assert found[0] == found[1]


def test_a_damaged_end_is_named_although_the_picture_hung_for_a_while_long_before() -> None:
    task = task_of(
        STEPS[0].model_copy(update={"critical": False}),
        *STEPS[1:],
        severity={**DEFAULT_SEVERITY, DeviationType.FREEZE: Severity.EFFICIENCY},
    )
    cut = embedding(in_order(0, 1, 2), seed=9, frozen=[(0.5, 4.5)])
    damaged = scorer(task, GOLDS, damaged=True)(cut)
    assert DeviationType.FREEZE in {deviation.type for deviation in damaged.deviations}
    assert damaged.reason.en.startswith("Film again. The file is damaged")


def test_what_is_missing_long_before_the_end_of_a_damaged_file_fails() -> None:
    score = scorer(task_of(*STEPS), GOLDS, damaged=True)
    assert score(embedding(in_order(0, 2, 3), seed=9)).decision is Decision.FAIL
    assert score(embedding(in_order(0, 1, 2, 3), seed=9)).decision is Decision.PASS


@pytest.mark.parametrize(("ratio", "decision"), [(1.3, Decision.PASS), (2.5, Decision.FAIL)])
def test_a_critical_time_is_not_suspected_of_who_takes_somewhat_longer(
    ratio: float, decision: Decision
) -> None:
    critical = {**DEFAULT_SEVERITY, DeviationType.OVER_TIME: Severity.CRITICAL}
    score = scorer(task_of(*STEPS, severity=critical), GOLDS)
    shown = [(0, 5.0), (1, 5.0 * ratio), (2, 5.0), (3, 5.0)]
    assert {score(embedding(shown, seed=seed)).decision for seed in range(4)} == {decision}
