"""What clips say is a probability, and a step that people do differently says less."""

from __future__ import annotations

import numpy as np
import pytest

from sopilot_assets.alignment.align import align
from sopilot_assets.alignment.spans import EditKind
from sopilot_assets.embedding.clips import comparable
from sopilot_assets.reference.evidence import MOST_COMPONENTS, NEAREST, along_components
from sopilot_assets.reference.model import build_reference
from sopilot_assets_tests.reference.made_up import OTHER_WAY, STEP_IDS, embedding, gold, in_order

SAME = [gold(number) for number in range(4)]
OTHERWISE = in_order(0, OTHER_WAY + 1, 2, 3)
TWO_WAYS = [gold(number, shown=OTHERWISE if number % 2 else None) for number in range(4)]


@pytest.mark.parametrize("golds", [SAME, TWO_WAYS, SAME[:1]], ids=["alike", "two ways", "one gold"])
def test_looks_are_probabilities(golds: list[object]) -> None:
    looks = build_reference("job", STEP_IDS, golds).evidence.looks  # type: ignore[arg-type]
    assert looks.shape == (5, 5)
    assert (looks >= 0).all()
    assert looks.sum(axis=1) == pytest.approx(1.0)


def test_a_step_that_two_persons_do_differently_is_known_to() -> None:
    alike = build_reference("job", STEP_IDS, SAME).evidence.looks
    two_ways = build_reference("job", STEP_IDS, TWO_WAYS).evidence.looks
    assert alike[1, 1] > 0.85
    assert two_ways[1, 1] < 0.4
    assert two_ways[1].argmax() == len(STEP_IDS)
    assert np.diag(two_ways)[[0, 2, 3]].min() > 0.6


@pytest.mark.parametrize("shown", [in_order(0, 1, 2, 3), OTHERWISE], ids=["the one", "the other"])
@pytest.mark.parametrize("person", [0, 7])
def test_neither_way_is_called_wrong(shown: list[tuple[int, float]], person: int) -> None:
    reference = build_reference("job", STEP_IDS, TWO_WAYS)
    found = align("x", embedding(shown, seed=31, person=person), reference)
    assert [edit.kind for edit in found.edits if edit.reported] == []


def test_a_way_that_no_gold_shows_is_wrong() -> None:
    reference = build_reference("job", STEP_IDS, SAME)
    found = align("x", embedding(OTHERWISE, seed=31, person=7), reference)
    assert [(edit.kind, edit.steps) for edit in found.edits if edit.reported] == [(EditKind.WRONG, (1,))]


def test_emissions_mix_what_a_step_looks_like() -> None:
    evidence = build_reference("job", STEP_IDS, TWO_WAYS).evidence
    log_posterior = evidence.log_posterior(comparable(embedding(OTHERWISE, seed=31, person=7)))
    assert np.exp(evidence.emission(log_posterior)) == pytest.approx(np.exp(log_posterior) @ evidence.looks.T)


def test_a_hidden_step_is_never_what_a_clip_shows() -> None:
    evidence = build_reference("job", STEP_IDS, SAME).evidence
    rows = comparable(embedding(in_order(0, 1, 2, 3), seed=8, person=1))
    hidden = np.exp(evidence.log_posterior(rows, hidden=1))
    assert hidden[:, 1].max() < 1e-6
    assert hidden[12:17].argmax(axis=1).tolist() == [4] * 5


def test_each_gold_speaks_only_of_the_steps_that_it_shows() -> None:
    golds = [gold(0), gold(1), gold(2, shown=in_order(0, 2, 3))]
    evidence = build_reference("job", STEP_IDS, golds).evidence
    rows = comparable(embedding(in_order(0, 1, 2, 3), seed=8, person=1))
    usable = np.ones(len(rows), dtype=np.bool_)
    complete, _, lacking = map(np.exp, evidence.judge_by_golds(evidence.compare(rows), 3, usable=usable))
    assert complete[12:17].argmax(axis=1).tolist() == [1] * 5
    assert lacking[:, 1].max() < 1e-6


@pytest.mark.parametrize("left_out", [[0], [1, 3], [2]])
def test_some_of_the_golds_say_what_they_would_alone(left_out: list[int]) -> None:
    golds = [gold(number, person=f"person_{number}") for number in range(5)]
    whole = build_reference("job", STEP_IDS, golds)
    kept = [one for number, one in enumerate(whole.golds) if number not in left_out]
    part, alone = whole.of(kept), build_reference("job", STEP_IDS, kept)
    assert part.reference_id == alone.reference_id
    assert (part.durations, part.motion, part.borders) == (alone.durations, alone.motion, alone.borders)
    assert part.orders == alone.orders
    for name in ("step", "gold"):
        assert np.array_equal(getattr(part.evidence.clips, name), getattr(alone.evidence.clips, name))
    assert part.evidence.held_out == alone.evidence.held_out
    # along the components of all golds, and so the regression to the optimiser's tolerance
    rows = comparable(embedding(in_order(0, 1, 2, 3), seed=8, person=1))
    by_part, by_alone = part.evidence.compare(rows), alone.evidence.compare(rows)
    assert by_part.cosines == pytest.approx(by_alone.cosines, abs=1e-5)
    assert by_part.logit == pytest.approx(by_alone.logit, abs=0.03)
    # how clips are judged stays as all golds say
    assert part.evidence.stack == whole.evidence.stack
    assert part.evidence.gold_match == whole.evidence.gold_match
    assert (part.evidence.looks == whole.evidence.looks).all()


@pytest.mark.parametrize(("most", "apart"), [(MOST_COMPONENTS, 1e-5), (8, 0.3)])
def test_clips_are_compared_along_the_strongest_components(
    most: int, apart: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{along_components.__module__}.MOST_COMPONENTS", most)
    reference = build_reference("job", STEP_IDS, SAME)
    components, clips = reference.evidence.components, reference.evidence.clips
    assert components.shape[1] == clips.rows.shape[1] <= most
    assert components.T @ components == pytest.approx(np.eye(components.shape[1]), abs=1e-5)
    strengths = np.square(clips.rows).sum(axis=0)
    assert (np.diff(strengths) <= 1e-4).all()
    rows = comparable(embedding(in_order(0, 1, 2, 3), seed=8, person=1))
    golds = np.concatenate([one.rows[one.taught >= 0] for one in reference.golds])
    compared = reference.evidence.compare(rows)
    assert compared.cosines == pytest.approx(rows @ golds.T, abs=apart)
    assert compared.points == pytest.approx(rows @ components, abs=1e-5)


def test_a_clip_is_compared_with_the_three_nearest_of_each_step() -> None:
    evidence = build_reference("job", STEP_IDS, SAME).evidence
    compared = evidence.compare(comparable(embedding(in_order(0, 1, 2, 3), seed=8, person=1)))
    for step in range(len(STEP_IDS)):
        best = np.sort(compared.cosines[:, evidence.clips.step == step], axis=1)[:, -NEAREST:]
        assert compared.nearest[:, step] == pytest.approx(best.mean(axis=1))
    again = compared.at(np.array([3, 3, 0]))
    judged, fit = evidence.judge(again)
    assert judged.shape == (3, len(STEP_IDS) + 1)
    assert (judged[0] == judged[1]).all()
    assert fit > 0.0
