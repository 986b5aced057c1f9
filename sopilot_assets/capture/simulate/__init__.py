"""Rendered recordings of a filter change, with exact labels: the embedded demo and test input."""

from sopilot_assets.capture.simulate.dataset import DEFAULT_TRAINEES, Progress, SimulatedSet, simulate
from sopilot_assets.capture.simulate.people import PEOPLE
from sopilot_assets.capture.simulate.plan import MODES, SOP
from sopilot_assets.capture.simulate.sites import SITES
from sopilot_assets.capture.simulate.task_file import TASK_ID

__all__ = [
    "DEFAULT_TRAINEES",
    "MODES",
    "PEOPLE",
    "SITES",
    "SOP",
    "TASK_ID",
    "Progress",
    "SimulatedSet",
    "simulate",
]
