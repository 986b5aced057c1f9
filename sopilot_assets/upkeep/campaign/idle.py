"""Steps of a campaign that have nothing to do: seen by looking, without starting their command.

Starting a command costs more than a second of processor time, and in most cycles nothing was dropped and
nothing is out of date. What is asked here is what the command would find out first, and it has to be sure:
where a look fails or leaves a doubt, the command is started.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sopilot_assets import __version__
from sopilot_assets.capture.ledgers import videos_ledger
from sopilot_assets.capture.registry import active_recordings
from sopilot_assets.capture.scan import scan_capture
from sopilot_assets.errors import SopilotError
from sopilot_assets.labels.chain import labels_ledger
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.gold_inputs import reference_problems, task_inputs
from sopilot_assets.stations.rescoring_plan import plan_scoring
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, publish_text
from sopilot_assets.tasks import find_tasks
from sopilot_assets.upkeep.campaign.plan import CampaignPlan, folder
from sopilot_assets.upkeep.campaign.records import cycles_ledger, steps_ledger
from sopilot_assets.upkeep.campaign.steps import GATES, INTAKE, SCORE, CampaignStep

NO_DROP: Final = "The capture folder is empty."
ALL_SCORED: Final = "Nothing to do: all scores are up to date."
SAME_GATES: Final = "Nothing has changed since all gates passed."

_GATES_SEEN: Final = "gates_passed.sha256"


def nothing_to_do(home: Home, plan: CampaignPlan, step: CampaignStep) -> str | None:
    """What a step would say that has nothing to do; None for one whose command has to be started."""
    try:
        return _said(home, plan, step)
    except (SopilotError, OSError):  # the command finds the same, and its log and row say it
        return None


def _said(home: Home, plan: CampaignPlan, step: CampaignStep) -> str | None:
    if step.name == INTAKE:
        return NO_DROP if _is_empty(home) else None
    if step.name == SCORE:
        return ALL_SCORED if _is_scored(home, plan.task) else None
    if step.name == GATES:
        return SAME_GATES if _gates_passed(home, plan) == gates_inputs(home, plan) else None
    return None


def _is_empty(home: Home) -> bool:
    """Whether nothing lies in the capture folder that a person has to look at or intake has to."""
    tasks = find_tasks(home.root)
    found = scan_capture(home, task_ids=set(tasks.tasks), unusable_ids=set(tasks.refused))
    strange = [one for one in found.skipped if not one.usual]
    return not (found.candidates or found.sidecars or found.taken or strange)


def _is_scored(home: Home, task_id: str | None) -> bool:
    """Whether every score is up to date, the list of pages too, and no task or golds have a fault."""
    if plan_scoring(home, task_id=task_id, stale=True):
        return False
    known = find_tasks(home.root).tasks
    wanted = {task_id} if task_id is not None else {one.task_id for one in active_recordings(home).values()}
    inputs = task_inputs(home, {one: spec for one, spec in known.items() if one in wanted})
    return wanted <= known.keys() and not reference_problems(home, inputs) and _is_listed(home)


def _is_listed(home: Home) -> bool:
    """Whether the list of pages is newer than all that it shows: who was killed may not have come to it, and
    who renames a task by hand does not.
    """
    index = local_path(home.reviews) / "index.html"
    ledgers = (scores_ledger(home), videos_ledger(home), labels_ledger(home))
    shown = [Path(name) for ledger in ledgers for name in ledger.files()]
    shown += local_path(home.tasks).glob("*.yaml")
    written = max((path.stat().st_mtime_ns for path in shown), default=0)
    return index.exists() and index.stat().st_mtime_ns >= written


def gates_inputs(home: Home, plan: CampaignPlan) -> str:
    """A hash that changes when anything does that gates may depend on: rows, studies, tasks, the program."""
    own = {local_path(ledger.folder / ledger.name) for ledger in (cycles_ledger(home), steps_ledger(home))}
    digest = hashlib.sha256(f"{__version__} {plan.gate_profile} {plan.task}".encode())
    for path in _files(home):
        if path.parent in own:
            continue
        with contextlib.suppress(FileNotFoundError):  # a file that somebody publishes or merges meanwhile
            state = path.stat()
            digest.update(f"{path} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def note_gates_passed(home: Home, plan: CampaignPlan, inputs: str) -> None:
    """Remember of what inputs all gates passed."""
    publish_text(folder(home, plan.campaign_id) / _GATES_SEEN, inputs)


def _gates_passed(home: Home, plan: CampaignPlan) -> str | None:
    noted = local_path(folder(home, plan.campaign_id)) / _GATES_SEEN
    return noted.read_text("utf-8") if noted.exists() else None


def _files(home: Home) -> Iterator[Path]:
    for place in (home.ledgers, home.studies, home.tasks):
        yield from sorted(path for path in local_path(place).rglob("*") if path.is_file())
