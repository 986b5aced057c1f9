"""What labels say: wanted and allowed deviations, moments and stretches, criticality, other work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sopilot_assets.bench.expected import Fault
from sopilot_assets.bench.folder import open_folder
from sopilot_assets.bench.truth import LabeledPlace, Truth, truth_of
from sopilot_assets.segments import Segment
from sopilot_assets_tests.bench.labeled import STEPS, gold, label, write_folder

NO_POUR, NO_STIR = Fault("missing_step", ("pour",)), Fault("missing_step", ("stir",))


def read(tmp_path: Path, **fields: object) -> Truth:
    """The truth of the only trainee of a folder."""
    tasks = {"tea": {"steps": ["boil", {"name": "pour", "critical": False}, "stir"]}}
    folder = open_folder(write_folder(tmp_path, [gold("g.mp4"), label("t.mp4", **fields)], tasks=tasks))
    task = folder.tasks[0]
    return truth_of(task, task.trainees[0], folder.labels["tea", "t.mp4"])


@pytest.mark.parametrize(
    ("deviation", "needed"),
    [
        ({"type": "missing_step", "gold_step": 1}, {NO_POUR}),
        ({"type": "missing_step", "gold_steps": [1, 2]}, {NO_POUR, NO_STIR}),
        ({"type": "missing_step", "label": "pour"}, {NO_POUR}),
        ({"type": "wrong_step", "gold_label": "pour", "label": "x"}, {Fault("wrong_step", ("pour",))}),
        ({"type": "missing_step"}, {Fault("missing_step", ())}),
        ({"type": "cut_tail", "missing_gold_steps": [2]}, {NO_STIR}),
        ({"type": "cut_tail", "partial_gold_steps": [2], "visible_fraction": {"2": 0.2}}, {NO_STIR}),
        ({"type": "cut_tail", "partial_gold_steps": [2], "visible_fraction": {"2": 0.4}}, set()),
        ({"type": "skip_start", "missing_gold_steps": [1]}, {NO_POUR}),
        ({"type": "order_swap", "gold_steps": [2, 0]}, {Fault("order_swap", ("boil", "stir"))}),
        ({"type": "wrong_step", "gold_step": 0, "kind": "x"}, {Fault("wrong_step", ("boil",))}),
        ({"type": "over_time", "gold_step": 0}, {Fault("over_time", ("boil",))}),
        ({"type": "freeze", "missing_gold_steps": [2]}, {Fault("freeze", ())}),
        ({"type": "extra_step", "gold_step": 1}, {Fault("step_deviation", ())}),
        ({"type": "inserted_action"}, {Fault("step_deviation", ())}),
        ("freeze", {Fault("freeze", ())}),
        ({"type": "dropped_cup"}, set()),
    ],
)
def test_each_type_has_to_be_reported_as_one(tmp_path: Path, deviation: object, needed: set[Fault]) -> None:
    found = read(tmp_path, deviations=[deviation])
    assert found.needed == needed
    assert found.unscored == (("dropped_cup",) if "dropped_cup" in str(deviation) else ())
    assert not found.correct


def test_several_deviations_are_all_wanted(tmp_path: Path) -> None:
    both = [{"type": "over_time", "gold_step": 0}, {"type": "missing_step", "gold_step": 2}]
    assert read(tmp_path, deviations=both).needed == {Fault("over_time", ("boil",)), NO_STIR}


def test_a_step_that_a_wrong_one_replaces_is_not_wanted_as_missing(tmp_path: Path) -> None:
    wrong = {"type": "wrong_step", "gold_step": 1}
    found = read(tmp_path, deviations=[wrong], physically_missing_gold_steps=[1])
    assert found.needed == {Fault("wrong_step", ("pour",))}
    assert not found.allowed


def test_what_a_standstill_hides_may_be_reported(tmp_path: Path) -> None:
    named = read(
        tmp_path, deviations=[{"type": "freeze", "missing_gold_steps": [1], "partial_gold_steps": [2]}]
    )
    derived = read(tmp_path, deviations=[{"type": "freeze"}], physically_missing_gold_steps=[1, 2])
    assert named.allowed == derived.allowed == {NO_POUR, NO_STIR}


@pytest.mark.parametrize(
    ("fields", "critical"),
    [
        ({"critical_expected": True}, True),
        ({"critical_expected": None}, False),
        ({"critical_expected": None, "deviations": [{"type": "freeze"}]}, True),
        ({"critical_expected": None, "deviations": [{"type": "missing_step", "gold_step": 0}]}, True),
        ({"critical_expected": None, "deviations": [{"type": "missing_step", "gold_step": 1}]}, False),
        ({"critical_expected": None, "deviations": [{"type": "order_swap", "gold_steps": [0, 1]}]}, False),
        ({"critical_expected": None, "deviations": [{"type": "dropped_cup"}]}, None),
        ({"critical_expected": None, "deviations": None, "variant": "cut_tail"}, True),
        ({"critical_expected": None, "deviations": None, "variant": None}, None),
    ],
)
def test_criticality_is_labeled_or_derived(
    tmp_path: Path, fields: dict[str, Any], critical: bool | None
) -> None:
    assert read(tmp_path, **fields).critical is critical


@pytest.mark.parametrize(
    ("fields", "other"),
    [
        ({"variant": "other_task"}, True),
        ({"deviations": [{"type": "empty_bench"}]}, True),
        ({"variant": "juggling", "physically_missing_gold_steps": [0, 1, 2]}, True),
        ({"variant": "freeze", "deviations": ["freeze"], "physically_missing_gold_steps": [0, 1, 2]}, False),
        ({}, False),
    ],
)
def test_other_work_is_recognised(tmp_path: Path, fields: dict[str, Any], other: bool) -> None:
    found = read(tmp_path, **fields)
    assert found.other_work is other
    assert not (found.other_work and (found.needed or found.correct))


def test_a_variant_speaks_where_no_deviations_are_listed(tmp_path: Path) -> None:
    assert read(tmp_path, variant="freeze").wanted == {"freeze"}
    assert read(tmp_path, variant="bright_light").correct
    assert read(tmp_path, variant="bright_light", deviations=None).unscored == ("bright_light",)
    assert read(tmp_path, variant=None, deviations=None).unscored == ("unlabelled",)
    assert read(tmp_path, variant=None, deviations=["freeze"]).variant == "freeze"


@pytest.mark.parametrize(
    ("deviation", "where"),
    [
        ({"type": "freeze", "start_sec": 1.5, "end_sec": 3}, Segment(1.5, 3.0)),
        ({"type": "order_swap", "gold_steps": [0, 1], "times": [[0, 2], [3, 4]]}, Segment(0.0, 4.0)),
        ({"type": "over_time", "gold_step": 1}, Segment(2.0, 4.0)),
        ({"type": "missing_step", "gold_step": 1, "expected_at_sec": 2.5}, Segment(2.5, 2.5)),
        ({"type": "skip_start", "missing_gold_steps": [0]}, Segment(0.0, 0.0)),
        ({"type": "cut_tail", "missing_gold_steps": [2], "start_sec": 3.5}, Segment(3.5, 3.5)),
    ],
)
def test_deviations_have_a_stretch_or_a_moment(
    tmp_path: Path, deviation: dict[str, object], where: Segment
) -> None:
    assert [place.segment for place in read(tmp_path, deviations=[deviation]).places] == [where]


def test_the_moment_of_a_missing_step_follows_from_the_steps_shown(tmp_path: Path) -> None:
    missing = [{"type": "missing_step", "gold_step": 2}, {"type": "missing_step", "gold_step": 0}]
    found = read(tmp_path, deviations=missing, steps=[{**STEPS[1], "start_sec": 0.5}])
    assert set(found.places) == {
        LabeledPlace(NO_STIR, Segment(4.0, 4.0)),
        LabeledPlace(Fault("missing_step", ("boil",)), Segment(0.5, 0.5)),
    }
