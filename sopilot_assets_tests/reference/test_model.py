"""A reference says what the golds say, whatever order they come in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sopilot_assets.embedding.clips import ClipEmbedding, comparable
from sopilot_assets.errors import GoldError, ModelMismatch, StoreError
from sopilot_assets.reference.annotations import StepInterval
from sopilot_assets.reference.model import Gold, build_reference, clip_steps, proposed_intervals
from sopilot_assets.reference.stored import load_reference, save_reference
from sopilot_assets.segments import Segment
from sopilot_assets.store.arrays import load_arrays, save_arrays
from sopilot_assets_tests.reference.made_up import STEP_IDS, STRANGE, STRIDE_S, embedding, gold, in_order


def test_the_order_of_golds_and_a_gold_given_twice_change_nothing(tmp_path: Path) -> None:
    golds = [gold(number) for number in range(3)]
    files = []
    for index, order in enumerate([golds, golds[::-1], [golds[1], golds[2], golds[0]], [*golds, golds[0]]]):
        reference = build_reference("job", STEP_IDS, order)
        save_reference(tmp_path / f"{index}.npz", reference)
        files.append((tmp_path / f"{index}.npz").read_bytes())
    assert len(set(files)) == 1


def test_a_gold_encoded_anew_does_not_count_twice() -> None:
    golds = [gold(number) for number in range(3)]
    rng = np.random.default_rng(0)
    shaken = {
        name: block + rng.normal(scale=0.05, size=block.shape).astype(np.float32)
        for name, block in golds[1].embedding.blocks.items()
    }
    copy = replace(golds[1], video_id="f" * 12, embedding=replace(golds[1].embedding, blocks=shaken))
    plain, with_copy = (build_reference("job", STEP_IDS, some) for some in (golds, [copy, *golds]))
    assert with_copy.reference_id == plain.reference_id
    assert [one.video_id for one in with_copy.golds] == [one.video_id for one in golds]


def test_a_changed_annotation_person_or_model_is_another_reference() -> None:
    golds = [gold(number) for number in range(3)]
    plain = build_reference("job", STEP_IDS, golds).reference_id
    other_steps = replace(golds[0], intervals=(*golds[0].intervals[:3], golds[1].intervals[3]))
    others = [
        [other_steps, *golds[1:]],
        [replace(golds[0], person="somebody else"), *golds[1:]],
        [replace(golds[0], confirmed=False), *golds[1:]],
        [gold(number, model_id="made_up-2") for number in range(3)],
    ]
    ids = [build_reference("job", STEP_IDS, some).reference_id for some in others]
    assert len({plain, *ids}) == 5


def test_golds_of_different_models_are_never_compared() -> None:
    with pytest.raises(ModelMismatch, match="made_up-1 and made_up-2"):
        build_reference("job", STEP_IDS, [gold(0), gold(1, model_id="made_up-2")])


def test_a_task_without_golds_says_where_to_put_one() -> None:
    with pytest.raises(GoldError, match="capture/job/gold/<site>/"):
        build_reference("job", STEP_IDS, [])


def test_a_step_that_no_gold_shows_is_named() -> None:
    with pytest.raises(GoldError, match=r"no row of steps.csv says when fill is done"):
        build_reference("job", STEP_IDS, [gold(0, shown=in_order(0, 1, 3)), gold(1, shown=in_order(0, 1, 3))])


@pytest.mark.parametrize(
    ("persons", "expected"),
    [(["ann", "ben", "ben"], "person"), (["ann", "ann", "ann"], "gold"), (["ann"], "nothing")],
)
def test_what_is_held_out_for_calibration_is_said(persons: list[str], expected: str) -> None:
    reference = build_reference("job", STEP_IDS, [gold(n, person=p) for n, p in enumerate(persons)])
    assert reference.evidence.held_out == expected
    assert len(reference.evidence.gold_match) == (0 if expected == "nothing" else len(persons))


def test_evidence_tells_the_steps_of_a_person_not_seen_before_and_what_is_none_of_them() -> None:
    reference = build_reference("job", STEP_IDS, [gold(number) for number in range(4)])
    shown = [(0, 5.0), (1, 5.0), (STRANGE, 5.0), (3, 5.0)]
    stranger = embedding(shown, seed=77, person=9)
    log_posterior = reference.evidence.log_posterior(comparable(stranger))
    assert np.exp(log_posterior).sum(axis=1) == pytest.approx(1.0)
    clearly = [2, 12, 22, 34]
    assert log_posterior[clearly].argmax(axis=1).tolist() == [0, 1, 4, 3]


def test_a_recording_of_something_else_matches_less_than_any_gold() -> None:
    reference = build_reference("job", STEP_IDS, [gold(number) for number in range(4)])
    noise = np.random.default_rng(3).normal(size=(40, 24)).astype(np.float32)
    rows = noise / np.linalg.norm(noise, axis=1, keepdims=True)
    right = comparable(embedding(in_order(0, 1, 2, 3), seed=50, person=5))
    assert reference.evidence.match(rows) < 0.8 * reference.evidence.match(right)


def test_a_gold_is_left_out_of_its_own_reference() -> None:
    reference = build_reference("job", STEP_IDS, [gold(number) for number in range(3)])
    others = reference.without("000000000001")
    assert others is not None
    assert [g.video_id for g in others.golds] == ["000000000000", "000000000002"]
    assert reference.without("ffffffffffff") is reference
    assert build_reference("job", STEP_IDS, [gold(0)]).without("000000000000") is None


def test_an_order_that_a_confirmed_gold_shows_is_legal() -> None:
    other_order = in_order(0, 2, 1, 3)
    seen = build_reference("job", STEP_IDS, [gold(0), gold(1, shown=other_order)])
    assert seen.orders == ((0, 1, 2, 3), (0, 2, 1, 3))
    guessed = build_reference("job", STEP_IDS, [gold(0), gold(1, shown=other_order, confirmed=False)])
    assert guessed.orders == ((0, 1, 2, 3),)


def test_an_order_that_the_task_allows_is_legal_also_for_a_gold_judged_by_the_others() -> None:
    golds = [gold(0), gold(1)]
    free = build_reference("job", STEP_IDS, golds, orders=[(0, 1, 2, 3), (1, 0, 2, 3)])
    assert free.orders == ((0, 1, 2, 3), (1, 0, 2, 3))
    assert free.reference_id != build_reference("job", STEP_IDS, golds).reference_id
    others = free.without("000000000000")
    assert others is not None
    assert others.orders == free.orders


def test_proposals_find_the_borders_of_clear_steps() -> None:
    shown = [(0, 4.0), (1, 7.0), (2, 5.0), (3, 6.0)]
    proposed = proposed_intervals(embedding(shown, seed=4), len(STEP_IDS))
    assert [interval.step for interval in proposed] == [0, 1, 2, 3]
    assert [i.segment.end_s for i in proposed] == pytest.approx([4.0, 11.0, 16.0, 22.0], abs=1.0)
    assert proposed[0].segment.start_s == 0.0


def test_a_stored_reference_reads_back_as_it_was(tmp_path: Path) -> None:
    golds = {f"{number:012x}": gold(number) for number in range(3)}
    reference = build_reference("job", STEP_IDS, list(golds.values()))
    path = tmp_path / "reference.npz"
    save_reference(path, reference)

    def embedding_of(video_id: str) -> ClipEmbedding:
        return golds[video_id].embedding

    again = load_reference(path, embedding_of)
    rows = comparable(embedding(in_order(0, 1, 2, 3), seed=8))
    emission = reference.evidence.emission(reference.evidence.log_posterior(rows))
    assert (again.evidence.log_posterior(rows) == reference.evidence.log_posterior(rows)).all()
    assert (again.evidence.emission(again.evidence.log_posterior(rows)) == emission).all()
    for name in ("durations", "motion", "borders", "orders", "task_orders", "reference_id", "step_ids"):
        assert getattr(again, name) == getattr(reference, name)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(StoreError, match="expected a reference, found a damaged file"):
        load_reference(path, embedding_of)


def test_a_reference_stored_with_all_features_says_the_same(tmp_path: Path) -> None:
    """As versions before 0.2.0 stored it."""
    golds = {f"{number:012x}": gold(number) for number in range(3)}
    reference = build_reference("job", STEP_IDS, list(golds.values()))
    path = tmp_path / "reference.npz"
    save_reference(path, reference)
    arrays = load_arrays(path, what="a reference", remedy="")
    facts = json.loads(str(arrays["facts"])) | {"format": "sopilot-reference-2"}
    components = arrays.pop("components")
    arrays |= {
        "facts": np.array(json.dumps(facts)),
        "rows": np.concatenate([one.rows[one.taught >= 0] for one in reference.golds]),
        "weights": components @ arrays["weights"],
    }
    save_arrays(path, arrays)
    again = load_reference(path, lambda video_id: golds[video_id].embedding)
    rows = comparable(embedding(in_order(0, 1, 2, 3), seed=8))
    expected = np.exp(reference.evidence.log_posterior(rows))
    assert np.exp(again.evidence.log_posterior(rows)) == pytest.approx(expected, abs=1e-5)


def test_a_step_too_short_to_fill_a_clip_is_taught_by_the_clip_that_shows_most_of_it() -> None:
    whole = gold(0)
    short = [
        StepInterval(0, Segment(0.0, 4.9)),
        StepInterval(1, Segment(4.9, 6.1)),
        StepInterval(2, Segment(6.1, 10.0)),
    ]
    taught = clip_steps(whole.embedding, short)
    (place,) = np.flatnonzero(taught == 1)
    start_s = whole.embedding.clip_start_s[place]
    assert (start_s <= 4.9, start_s + whole.embedding.clip_length_s >= 6.1) == (True, True)
    hardly = [StepInterval(1, Segment(4.9, 5.7))]
    assert not (clip_steps(whole.embedding, hardly) == 1).any()


def test_why_a_step_is_not_shown_is_said_in_both_languages() -> None:
    def golds(length_s: float, *, confirmed: bool) -> list[Gold]:
        made = [gold(number) for number in range(2)]
        cut = [
            tuple(
                replace(one, segment=Segment(one.segment.start_s, one.segment.start_s + length_s))
                if one.step == 2
                else one
                for one in each.intervals
            )
            for each in made
        ]
        return [
            replace(each, intervals=intervals, confirmed=confirmed)
            for each, intervals in zip(made, cut, strict=True)
        ]

    for confirmed, en, ja in (
        (True, "no gold shows fill for long enough: 0.6 s at most", "最長 0.6 秒"),
        (False, "is guessed in 2 of 2 golds", "推定"),
    ):
        with pytest.raises(GoldError, match=en) as caught:
            build_reference("job", STEP_IDS, golds(0.6, confirmed=confirmed))
        assert ja in (caught.value.ja or "")


def test_a_gold_of_a_single_clip_does_not_say_how_far_clips_are_apart() -> None:
    whole = [gold(number) for number in range(1, 4)]
    short = gold(0, shown=in_order(2, seconds=2.0))
    assert short.embedding.clip_count == 1
    assert build_reference("job", STEP_IDS, [short, *whole]).stride_s == STRIDE_S
