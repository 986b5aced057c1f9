"""Which findings say what a label says."""

from __future__ import annotations

from pathlib import Path

import pytest

from sopilot_assets.bench.expected import (
    Fault,
    LabeledDeviation,
    RecordingLabel,
    expectation,
    read_labels,
    reported,
)
from sopilot_assets.errors import ConfigError

SOP = ("boil", "pour", "stir")


def label(*edits: LabeledDeviation) -> RecordingLabel:
    return RecordingLabel(
        file="videos/tea/t.mp4",
        task="tea",
        role="trainee",
        variant="x",
        site="a",
        sop_steps=SOP,
        deviations=edits,
    )


MISSING = LabeledDeviation(type="missing_step", gold_step=1)
SWAP = LabeledDeviation(type="order_swap", gold_steps=(0, 2))
FREEZE = LabeledDeviation(type="freeze", missing_gold_steps=(1,), partial_gold_steps=(2,))
CUT = LabeledDeviation(
    type="cut_tail", missing_gold_steps=(2,), partial_gold_steps=(1,), visible_fraction={1: 0.5}
)
BARELY = LabeledDeviation(type="cut_tail", partial_gold_steps=(2,), visible_fraction={2: 0.1})

NO_POUR, NO_STIR = Fault("missing_step", ("pour",)), Fault("missing_step", ("stir",))
STILL = Fault("freeze", ("pour", "stir"))
SLOW = Fault("over_time", ("stir",))


@pytest.mark.parametrize(
    ("edits", "found", "met"),
    [
        ((), (), True),
        ((), (SLOW,), False),
        ((MISSING,), (NO_POUR,), True),
        ((MISSING,), (), False),
        ((MISSING,), (NO_STIR,), False),
        ((MISSING,), (NO_POUR, NO_STIR), False),
        ((SWAP,), (Fault("order_swap", ("stir", "boil")),), True),
        ((SWAP,), (Fault("order_swap", ("pour", "boil")),), False),
        ((FREEZE,), (STILL,), True),
        ((FREEZE,), (STILL, NO_POUR, NO_STIR), True),
        ((FREEZE,), (NO_POUR,), False),
        ((CUT,), (NO_STIR,), True),
        ((CUT,), (NO_POUR, NO_STIR), True),
        ((CUT,), (NO_POUR,), False),
        ((BARELY,), (NO_STIR,), True),
        ((BARELY,), (), False),
        ((MISSING, LabeledDeviation(type="over_time", gold_step=2)), (SLOW, NO_POUR), True),
        ((LabeledDeviation(type="wrong_step", gold_step=0),), (Fault("wrong_step", ("boil",)),), True),
    ],
)
def test_findings_are_compared_by_type_and_step(
    edits: tuple[LabeledDeviation, ...], found: tuple[Fault, ...], met: bool
) -> None:
    assert expectation(label(*edits)).is_met(found, "fail") is met


@pytest.mark.parametrize("edits", [(), (MISSING,)])
def test_a_recording_that_cannot_be_judged_meets_nothing(edits: tuple[LabeledDeviation, ...]) -> None:
    found = [NO_POUR] if edits else []
    assert not expectation(label(*edits)).is_met(found, "not_verifiable")


@pytest.mark.parametrize("kind", ["other_task", "empty_bench"])
def test_another_task_must_not_pass_whatever_is_found(kind: str) -> None:
    wanted = expectation(label(LabeledDeviation(type=kind)))
    assert [
        wanted.is_met([NO_POUR], decision) for decision in ("fail", "not_verifiable", "pass", "retrain")
    ] == [
        True,
        True,
        False,
        False,
    ]


def test_reported_deviations_are_read_from_the_ledgers_column() -> None:
    assert reported('[{"type": "missing_step", "steps": ["pour"], "severity": "critical"}]') == (NO_POUR,)
    assert reported("") == ()


def test_a_line_that_is_no_label_is_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(label().model_dump_json() + '\n{"file": 3}\n', "utf-8")
    with pytest.raises(ConfigError, match="line 2: expected a label"):
        read_labels(path)
