"""From embeddings to findings, votes and controls that no recording of something else gets past."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sopilot_assets.alignment.align import align
from sopilot_assets.alignment.calibration import calibrate
from sopilot_assets.alignment.clip_scores import clip_scores
from sopilot_assets.alignment.decode import decode
from sopilot_assets.alignment.dtw import warp_path
from sopilot_assets.alignment.explanations import PlannedEdit, Prices
from sopilot_assets.alignment.spans import DOUBTFUL_LOG_ODDS, FROZEN_LOG_ODDS, Alignment, EditKind, SpanKind
from sopilot_assets.alignment.stored import load_alignment, save_alignment
from sopilot_assets.alignment.votes import GoldVotes
from sopilot_assets.embedding.clips import ClipEmbedding, comparable, rearranged
from sopilot_assets.errors import ModelMismatch, StoreError
from sopilot_assets.reference.model import Reference, build_reference
from sopilot_assets.scoring.result import Cause, Decision
from sopilot_assets.scoring.score import score_alignment
from sopilot_assets.tasks import Step, TaskSpec
from sopilot_assets_tests.reference.made_up import (
    OTHER_WAY,
    STEP_IDS,
    STRANGE,
    embedding,
    gold,
    in_order,
)

GOLDS = [gold(number) for number in range(4)]
CORRECT = in_order(0, 1, 2, 3)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return build_reference("job", STEP_IDS, GOLDS)


def reported(found: Alignment) -> list[tuple[EditKind, tuple[int, ...]]]:
    return [(edit.kind, edit.steps) for edit in found.edits if edit.reported]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (CORRECT, []),
        ([(step, 8.0) for step in range(4)], []),
        (in_order(0, 1, 3), [(EditKind.MISSING, (2,))]),
        (in_order(0, 1), [(EditKind.MISSING, (2, 3))]),
        (in_order(0, 2, 1, 3), [(EditKind.SWAP, (1, 2))]),
        (in_order(0, 1, STRANGE, 3), [(EditKind.WRONG, (2,))]),
        (in_order(0, STRANGE, 1, 2, 3), [(EditKind.EXTRA, (1,))]),
        ([(0, 5.0), (1, 5.0), (2, 11.0), (3, 5.0)], [(EditKind.LONG, (2,))]),
    ],
    ids=["correct", "slow", "missing", "cut", "swapped", "wrong", "extra", "long"],
)
@pytest.mark.parametrize("person", [4, 5])
def test_each_deviation_of_a_person_not_seen_before_is_named(
    reference: Reference,
    shown: Sequence[tuple[int, float]],
    expected: list[tuple[EditKind, tuple[int, ...]]],
    person: int,
) -> None:
    assert reported(align("x", embedding(shown, seed=20 + person, person=person), reference)) == expected


def test_two_added_things_have_a_moment_each(reference: Reference) -> None:
    shown = in_order(0, STRANGE, 1, 2, STRANGE, 3)
    found = align("x", embedding(shown, seed=24, person=4), reference)
    first, last = (edit for edit in found.edits if edit.kind is EditKind.EXTRA)
    assert (first.steps, last.steps) == ((1,), (3,))
    assert (first.where.start_s, first.where.end_s) == pytest.approx((5.0, 10.0), abs=0.6)
    assert (last.where.start_s, last.where.end_s) == pytest.approx((20.0, 25.0), abs=0.6)
    whole = next(one for one in found.alternatives if len(one.edits) == 2)
    assert whole.where == (first.where, last.where)


@pytest.mark.parametrize(
    ("shown", "missing", "moment_s"),
    [(in_order(0, 2, 3, STRANGE), 1, 5.0), (in_order(0, 1, 3, STRANGE), 2, 10.0)],
)
def test_a_step_is_missing_where_it_belongs_whatever_was_added_later(
    reference: Reference, shown: Sequence[tuple[int, float]], missing: int, moment_s: float
) -> None:
    found = align("x", embedding(shown, seed=24, person=4), reference)
    moments = {
        one.edits: one.where[one.edits.index((EditKind.MISSING, (missing,)))].start_s
        for one in found.alternatives
        if {kind for kind, _ in one.edits} == {EditKind.MISSING, EditKind.EXTRA}
        if (EditKind.MISSING, (missing,)) in one.edits
    }
    assert moments
    assert list(moments.values()) == pytest.approx([moment_s] * len(moments), abs=0.6)


def test_steps_that_end_another_allowed_order_are_missing_at_its_end() -> None:
    reference = build_reference("job", STEP_IDS, GOLDS, orders=[(0, 1, 2, 3), (0, 2, 1, 3)])
    (lacking,) = align("x", embedding(in_order(0, 2), seed=24, person=4), reference).edits
    assert (lacking.kind, lacking.steps) == (EditKind.MISSING, (1, 3))
    assert lacking.where.start_s == pytest.approx(10.0, abs=0.6)


@pytest.mark.parametrize(
    "shown", [in_order(0, 1, 3), in_order(0, 1), in_order(0, 2, 1, 3), in_order(0, 1, STRANGE, 3)]
)
def test_every_gold_supports_what_all_of_them_show_otherwise(
    reference: Reference, shown: Sequence[tuple[int, float]]
) -> None:
    (edit,) = align("x", embedding(shown, seed=3, person=4), reference).edits
    assert [vote.gold_id for vote in edit.votes] == [g.video_id for g in reference.golds]
    assert all(vote.log_odds > 0 for vote in edit.votes)
    assert np.mean([vote.log_odds for vote in edit.votes]) == pytest.approx(edit.log_odds, rel=0.5, abs=8.0)


def test_a_gold_that_shows_a_step_in_the_same_way_supports_less_that_it_is_wrong() -> None:
    golds = [*GOLDS, gold(4, shown=in_order(0, 1, OTHER_WAY + 2, 3))]
    reference = build_reference("job", STEP_IDS, golds)
    rows = comparable(embedding(in_order(1, OTHER_WAY + 2, 3), seed=3, person=4))
    usable, evidence = np.ones(len(rows), dtype=np.bool_), reference.evidence
    compared = evidence.compare(rows)
    log_posterior, _ = evidence.judge(compared)
    clips = clip_scores(reference, rows, log_posterior, np.zeros(len(rows)), usable=usable, fit=1.0)
    decoding = decode(
        clips,
        durations=reference.durations,
        prices=Prices(),
        orders=reference.orders,
        stride_s=reference.stride_s,
    )
    assert decoding.best.explanation.changes == (PlannedEdit(EditKind.MISSING, (0,)),)
    votes = GoldVotes(reference, compared, clips, decoding, log_posterior, usable=usable, scale=1.0)
    *others, other_way = votes(PlannedEdit(EditKind.WRONG, (2,)))
    assert other_way.gold_id == f"{4:012x}"
    assert other_way.log_odds < min(vote.log_odds for vote in others)
    assert other_way.log_odds < 0.0


def test_a_frozen_picture_is_found_with_the_step_that_it_hides(reference: Reference) -> None:
    video = embedding(CORRECT, seed=9, person=4, frozen=[(5.0, 10.0)])
    found = align("x", video, reference)
    (still,) = (edit for edit in found.edits if edit.kind is EditKind.FROZEN)
    assert still.steps == (1,)
    assert (still.where.start_s, still.where.end_s) == pytest.approx((5.0, 10.0), abs=0.2)
    assert any(span.kind is SpanKind.FROZEN for span in found.spans)
    assert still.log_odds == DOUBTFUL_LOG_ODDS  # it goes on as before: a camera that hung, or a rest


def test_a_picture_that_jumps_on_after_it_stood_still_hung(reference: Reference) -> None:
    video = embedding(CORRECT, seed=9, person=4, frozen=[(5.0, 10.0)])
    stillness = np.where((video.still_time_s > 10.1) & (video.still_time_s < 10.3), 90.0, video.stillness)
    found = align("x", replace(video, stillness=stillness.astype(np.float32)), reference)
    (still,) = (edit for edit in found.edits if edit.kind is EditKind.FROZEN)
    assert still.log_odds == FROZEN_LOG_ODDS


def test_a_scene_at_rest_that_hides_no_step_is_nothing(reference: Reference) -> None:
    found = align("x", embedding(CORRECT, seed=9, person=4, frozen=[(3.5, 6.0)]), reference)
    assert not any(edit.kind is EditKind.FROZEN for edit in found.edits)
    assert not any(span.kind is SpanKind.FROZEN for span in found.spans)


def backwards(one: ClipEmbedding) -> ClipEmbedding:
    return rearranged(one, np.arange(one.clip_count)[::-1].copy())


def of_noise(seed: int) -> ClipEmbedding:
    plain = embedding(CORRECT, seed=seed)
    rng = np.random.default_rng(seed)
    return replace(
        plain, blocks={"made_up": rng.normal(size=plain.blocks["made_up"].shape).astype(np.float32)}
    )


CONTROLS = {
    **{f"noise {seed}": of_noise(seed) for seed in range(6)},
    **{f"other work {seed}": embedding(CORRECT, seed=seed, person=4, work=seed) for seed in range(2, 8)},
    **{f"backwards {g.video_id}": backwards(g.embedding) for g in GOLDS},
    "still": embedding(CORRECT, seed=5, frozen=[(0.0, 20.0)]),
    "nothing but something strange": embedding([(STRANGE, 20.0)], seed=5),
    "one step all the time": embedding([(1, 20.0)], seed=5),
}
"""Recordings that do not show the procedure."""


def test_only_the_procedure_itself_has_evidence_of_its_order(reference: Reference) -> None:
    correct = [
        align("x", embedding(CORRECT, seed=s, person=s), reference).order_evidence for s in range(4, 8)
    ]
    least = min(value for value in correct if value is not None)
    for name, video in CONTROLS.items():
        found = align("x", video, reference)
        assert found.order_evidence is not None, name
        assert found.order_evidence < 0.6 * least or reported(found), name
        if not name.startswith(("noise", "other work")):
            assert reported(found), name


def test_no_other_work_passes_nor_the_procedure_backwards(reference: Reference) -> None:
    task = TaskSpec(
        task_id="job", name="Job", version=1, steps=tuple(Step(id=name, name=name) for name in STEP_IDS)
    )
    calibration = calibrate(reference)

    def decision(video: ClipEmbedding) -> Decision:
        found = align("x", video, reference, prices=calibration.prices)
        return score_alignment(task, reference, found, calibration).decision

    assert decision(embedding(CORRECT, seed=5, person=5)) is Decision.PASS
    # noise of few dimensions resembles golds by chance: pictures of noise have their own control
    works = {name: video for name, video in CONTROLS.items() if not name.startswith("noise")}
    assert [name for name, video in works.items() if decision(video) is Decision.PASS] == []


@pytest.mark.parametrize("seconds", [0.5, 2.0, 3.0, 120.0])
def test_recordings_of_any_length_are_explained(reference: Reference, seconds: float) -> None:
    found = align("x", embedding([(1, seconds)], seed=2, person=4), reference)
    assert reported(found)
    assert np.isfinite([span.evidence for span in found.spans]).all()
    assert np.isfinite([found.log_odds, found.fit, found.warp.normalized_cost]).all()


def test_embeddings_of_another_model_are_not_compared(reference: Reference) -> None:
    with pytest.raises(ModelMismatch, match="made_up-1 and made_up-2"):
        align("x", embedding(CORRECT, seed=1, model_id="made_up-2"), reference)


def test_a_stored_alignment_reads_back_as_it_was(reference: Reference, tmp_path: Path) -> None:
    path = tmp_path / "alignment.npz"
    video = embedding(in_order(0, 1, 3), seed=3, person=4, frozen=[(1.0, 4.0)])
    found = align("x", video, reference)
    save_alignment(path, found)
    content = path.read_bytes()
    again = load_alignment(path)
    assert (again.spans, again.edits, again.alternatives) == (found.spans, found.edits, found.alternatives)
    assert (again.order_evidence, again.fit, again.held_out) == (
        found.order_evidence,
        found.fit,
        found.held_out,
    )
    assert (again.posterior == found.posterior).all()
    save_alignment(path, align("x", video, reference))
    assert path.read_bytes() == content
    path.write_bytes(content[:-200])
    with pytest.raises(StoreError, match="expected an alignment, found a damaged file"):
        load_alignment(path)


def test_the_warp_is_that_onto_the_gold_with_the_lowest_cost(reference: Reference) -> None:
    video = embedding(in_order(0, 1, 2, 3, seconds=4.0), seed=9, person=3)
    warp = align("x", video, reference).warp
    costs = {gold.video_id: warp_path(gold.rows, comparable(video))[2] for gold in reference.golds}
    assert warp.gold_id == min(costs, key=lambda gold_id: (costs[gold_id], gold_id))
    assert warp.normalized_cost == pytest.approx(costs[warp.gold_id])


def test_aligning_does_not_load_what_only_fits_need() -> None:
    code = "import sys, sopilot_assets.alignment.align; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("steps", [1, 2])
def test_a_recording_too_short_for_any_explanation_is_not_verifiable(steps: int) -> None:
    task = TaskSpec(
        task_id="job",
        name="Job",
        version=1,
        steps=tuple(Step(id=name, name=name.title()) for name in STEP_IDS[:steps]),
    )
    long = [gold(number, shown=in_order(*range(steps), seconds=200.0 + number)) for number in range(3)]
    reference = build_reference("job", task.step_ids, long)
    calibration = calibrate(reference)
    found = align("a", embedding(in_order(0, seconds=4.0), seed=9), reference, prices=calibration.prices)
    score = score_alignment(task, reference, found, calibration)
    assert (score.decision, score.cause) == (Decision.NOT_VERIFIABLE, Cause.OTHER_WORK)
    assert score.score is None
    assert score.deviations == score.suspected == ()


def test_golds_of_a_single_clip_each_judge_nothing() -> None:
    task = TaskSpec(
        task_id="job", name="Job", version=1, steps=tuple(Step(id=name, name=name) for name in STEP_IDS[:2])
    )
    short = [gold(number, shown=in_order(number % 2, seconds=2.0)) for number in range(4)]
    reference = build_reference("job", task.step_ids, short)
    calibration = calibrate(reference)
    found = align("a", embedding(in_order(0, 1), seed=9), reference, prices=calibration.prices)
    assert score_alignment(task, reference, found, calibration).decision is Decision.NOT_VERIFIABLE
