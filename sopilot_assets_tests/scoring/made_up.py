"""A made-up task of four steps, and calibrations of it written by hand."""

from __future__ import annotations

from sopilot_assets.alignment.calibration import KINDS, Calibration, Tally
from sopilot_assets.alignment.explanations import Prices
from sopilot_assets.alignment.spans import EditKind
from sopilot_assets.tasks import Step, TaskSpec
from sopilot_assets_tests.reference.made_up import STEP_IDS

TASK = TaskSpec(
    task_id="job",
    name="Job",
    version=3,
    steps=tuple(
        Step(id=name, name=name.title(), name_ja=f"{name}作業", critical=name != "fill") for name in STEP_IDS
    ),
)
GOLDS = 20
FLOOR = -1.5


def calibration(*odd: Tally, held_out: str = "person") -> Calibration:
    """One that found every edit in twenty golds and invented none, but for the ``odd`` tallies."""
    replaced = {(tally.kind, tally.step): tally for tally in odd}
    tallies = [
        replaced.get((kind, step), Tally(kind, step, GOLDS, GOLDS, GOLDS, 0))
        for kind in KINDS
        if kind is not EditKind.PARTIAL
        for step in range(len(STEP_IDS))
    ]
    return Calibration("r", held_out, Prices(), tuple(tallies), (FLOOR,) * len(STEP_IDS))


def no_calibration() -> Calibration:
    """That of a single gold: nothing could be held out."""
    return Calibration("r", "nothing", Prices(), (), (None,) * len(STEP_IDS))
