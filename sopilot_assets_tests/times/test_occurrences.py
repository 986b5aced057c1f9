"""What is read off an alignment: steps with their times, rework, other work and waiting."""

from __future__ import annotations

import random

import pytest

from sopilot_assets.alignment.spans import SpanKind
from sopilot_assets.alignment.stored import load_alignment
from sopilot_assets.reference.ledger import current_reference_ids
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.gold_references import read_reference
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.times.ledger import step_times_ledger
from sopilot_assets.times.occurrences import OccurrenceKind, cycle, occurrences
from sopilot_assets_tests.times.conftest import TASK, task_of
from sopilot_assets_tests.times.made_up import Done, alignment_of, performed

STEP, OTHER, GAP, STILL = (
    OccurrenceKind.STEP,
    OccurrenceKind.OTHER,
    OccurrenceKind.GAP,
    OccurrenceKind.STANDSTILL,
)


def told(*done: Done, steps: int = 3) -> list[tuple[object, ...]]:
    """What is found in a recording: kind, step, occurrence, seconds, whole."""
    found = occurrences(alignment_of(done, steps, reference_id="r", video_id="0" * 12))
    return [(one.kind, one.step, one.occurrence, one.seconds, one.whole) for one in found]


def test_steps_follow_each_other_with_their_seconds() -> None:
    assert told(Done(0, 4), Done(1, 2.5), Done(2, 3)) == [
        (STEP, 0, 1, 4, True),
        (STEP, 1, 1, 2.5, True),
        (STEP, 2, 1, 3, True),
    ]


def test_what_lies_before_and_after_the_steps_is_filming() -> None:
    assert told(Done("gap", 5), Done(0, 4), Done(1, 2), Done("gap", 9)) == [
        (STEP, 0, 1, 4, True),
        (STEP, 1, 1, 2, True),
    ]


def test_a_gap_and_a_standstill_are_waiting_before_the_next_step() -> None:
    assert told(Done(0, 4), Done("gap", 2), Done(1, 2), Done("frozen", 3), Done(2, 2)) == [
        (STEP, 0, 1, 4, True),
        (GAP, 1, 0, 2, True),
        (STEP, 1, 1, 2, False),
        (STILL, 2, 0, 3, True),
        (STEP, 2, 1, 2, False),
    ]


def test_a_pause_within_a_step_is_waiting_and_the_step_stays_one() -> None:
    assert told(Done(0, 4), Done(1, 2), Done("gap", 3), Done(1, 1), Done(2, 2)) == [
        (STEP, 0, 1, 4, True),
        (STEP, 1, 1, 3, True),
        (GAP, 1, 0, 3, True),
        (STEP, 2, 1, 2, True),
    ]


def test_a_step_done_once_more_is_rework_and_something_unknown_is_other_work() -> None:
    found = occurrences(
        alignment_of(
            [Done(0, 4), Done(1, 2), Done(0, 3, again=True), Done("other", 2), Done(2, 2)],
            3,
            reference_id="r",
            video_id="0" * 12,
        )
    )
    assert [(one.kind, one.step, one.rework) for one in found] == [
        (STEP, 0, False),
        (STEP, 1, False),
        (STEP, 0, True),
        (OTHER, None, False),
        (STEP, 2, False),
    ]


@pytest.mark.parametrize(
    ("done", "complete"),
    [
        ([Done(0, 4), Done(1, 2), Done(2, 3)], True),
        ([Done(0, 4), Done("gap", 2), Done(1, 2), Done(2, 3)], True),
        ([Done(0, 4), Done(2, 3)], False),
        ([Done(0, 4), Done(1, 2), Done("frozen", 2), Done(2, 3)], False),
    ],
)
def test_a_cycle_is_complete_with_every_step_seen_whole(done: list[Done], complete: bool) -> None:
    found = occurrences(alignment_of(done, 3, reference_id="r", video_id="0" * 12))
    whole = cycle(found, 3)
    assert whole is not None
    assert whole[1] is complete
    assert whole[0].duration_s == sum(one.seconds for one in done)
    assert sum(one.seconds for one in found) == pytest.approx(whole[0].duration_s)


def test_without_any_step_there_is_no_cycle() -> None:
    assert told(Done("other", 5)) == []
    assert cycle((), 3) is None


def test_what_was_done_comes_out_again(crowd: Home) -> None:
    task, chance = task_of(crowd), random.Random(3)
    for _ in range(50):
        done = performed(task, chance, [4.0] * len(task.steps))
        found = occurrences(alignment_of(done, len(task.steps), reference_id="r", video_id="0" * 12))
        whole = cycle(found, len(task.steps))
        assert whole is not None
        assert sum(one.seconds for one in found) == pytest.approx(whole[0].duration_s)
        steps = {one.what for one in done if not one.again and isinstance(one.what, int)}
        assert {one.step for one in found if one.kind is STEP} >= steps
        assert sum(one.rework for one in found) == sum(one.again and one.what in steps for one in done)


def test_real_recordings_have_the_seconds_of_their_alignments(original: Home) -> None:
    """The rows of the three trainees and the three golds, against the spans as they are stored."""
    reference = read_reference(original, TASK, current_reference_ids(original)[TASK])
    rows = plain_rows(step_times_ledger(original).latest())
    steps = task_of(original).step_ids
    judged = plain_rows(scores_ledger(original).latest())
    assert {str(row["key"]) for row in rows} == {str(row["key"]) for row in judged}
    for row in judged:
        key = PartitionKey.parse(str(row["key"]))
        alignment = load_alignment(original.alignment(reference.reference_id, key.video_id))
        own = [one for one in rows if one["key"] == str(key) and one["kind"] == "step"]
        for place, step_id in enumerate(steps):
            spans = [s for s in alignment.spans if s.kind is SpanKind.STEP and s.step == place]
            mine = [one for one in own if one["step_id"] == step_id and not one["rework"]]
            assert sum(float(one["seconds"] or 0) for one in mine) == pytest.approx(
                sum(span.segment.duration_s for span in spans), abs=0.002
            )
            seen = reference.durations.observed[place]
            assert all(one["low_s"] == pytest.approx(min(seen), abs=0.001) for one in mine)
