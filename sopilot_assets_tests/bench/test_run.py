"""What is read from a row of the scores ledger."""

from __future__ import annotations

import pytest

from sopilot_assets.bench.expected import Fault
from sopilot_assets.bench.run import result_of_row
from sopilot_assets.scoring.ledger import COLUMNS, deviations_json
from sopilot_assets.scoring.result import Deviation
from sopilot_assets.segments import Segment
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.tasks import DeviationType, Severity
from sopilot_assets.texts.languages import Text


def row(decision: str, *suspected: Severity) -> dict[str, Cell]:
    some = [
        Deviation(
            type=DeviationType.MISSING_STEP,
            severity=severity,
            step_ids=("pour",),
            trainee=Segment(3.0, 3.0),
            gold_id="g",
            gold=None,
            confidence=0.3,
            text=Text("“pour” is missing", "「pour」がありません"),
        )
        for severity in suspected
    ]
    said: dict[str, Cell] = {"decision": decision, "deviations": "[]", "suspected": deviations_json(some)}
    return {**dict.fromkeys(COLUMNS), **said}


@pytest.mark.parametrize(
    ("decision", "severity", "held_back"),
    [
        ("needs_review", Severity.CRITICAL, True),
        ("needs_review", Severity.QUALITY, False),
        ("retrain", Severity.CRITICAL, False),
    ],
)
def test_suspicions_of_a_row_say_what_is_held_back(
    decision: str, severity: Severity, held_back: bool
) -> None:
    result = result_of_row(row(decision, severity))
    assert [(one.fault, one.segment) for one in result.suspected] == [
        (Fault("missing_step", ("pour",)), Segment(3.0, 3.0))
    ]
    assert result.held_back is held_back
    assert not result.critical


def test_rows_from_before_suspicions_were_kept_suspect_nothing() -> None:
    assert result_of_row({**row("needs_review"), "suspected": None}).suspected == ()
