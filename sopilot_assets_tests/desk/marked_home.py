"""A home whose golds have no steps yet, and what the tests of marking ask it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from starlette.testclient import TestClient

from sopilot_assets.capture.marks import MarkEvent, marks_chain
from sopilot_assets.capture.promotions import ConfirmedStep
from sopilot_assets.stations.gold_inputs import GoldInputs, task_inputs
from sopilot_assets.stations.gold_marks import confirmed_of
from sopilot_assets.store.chain import NO_EVENT
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import find_tasks

TASK = "filter_change"


def unmarked_home(original: Home, folder: Path) -> tuple[Home, dict[str, tuple[ConfirmedStep, ...]]]:
    """A copy of ``original`` without ``steps.csv``, and the true steps of its golds by key."""
    home = Home.at(shutil.copytree(str(original.root), folder / "home"))
    its = inputs(home)
    task = find_tasks(home.root).tasks[TASK]
    true = {str(one.key): confirmed_of(task, its.annotations.steps[one.key.video_id]) for one in its.golds}
    local_path(home.steps_csv(TASK)).unlink()
    return home, true


def inputs(home: Home) -> GoldInputs:
    """What the task's reference would be made of now."""
    return task_inputs(home, find_tasks(home.root).tasks)[TASK]


def events(home: Home) -> list[MarkEvent]:
    """The marks of the task, verified."""
    return marks_chain(home).read(TASK)


def counting(home: Home, key: str) -> tuple[ConfirmedStep, ...]:
    """The steps of a gold that count now."""
    task, video_id = find_tasks(home.root).tasks[TASK], PartitionKey.parse(key).video_id
    return confirmed_of(task, inputs(home).annotations.steps.get(video_id, ()))


def said(
    steps: tuple[ConfirmedStep, ...], based_on: str = NO_EVENT, *, independent: bool = False
) -> dict[str, str]:
    """The form that the marking page posts."""
    fields = {
        "steps": [one.model_dump() for one in steps],
        "based_on": based_on,
        "proposed": {"steps": [], "by": ""},
        "independent": independent,
    }
    return {"said": json.dumps(fields)}


def confirm(browser: TestClient, key: str, fields: dict[str, str]):  # type: ignore[no-untyped-def]
    """The answer to a confirmation."""
    return browser.post(f"/golds/{key}/steps", data=fields, headers={"accept": "application/json"})
