"""Task files and their locks, recordings whose task is gone, and the models that tasks ask for."""

from __future__ import annotations

from collections import Counter

from sopilot_assets.embedding.model_states import ModelState, model_states
from sopilot_assets.tasks import LockState, TaskSpec, verify_task
from sopilot_assets.upkeep.conditions.condition import Answer, Condition, Fine, problem, warning
from sopilot_assets.upkeep.conditions.situation import Situation


def task_files(asked: Situation) -> Answer:
    """Task files that cannot be used, and their locks."""
    tasks = asked.tasks
    if not (tasks.tasks or tasks.refused):
        return Answer((warning("task", "", "none yet", "sopilot task create, or sopilot demo run"),))
    refused = (
        problem("task", task_id, str(error), f"sopilot task show {task_id}")
        for task_id, error in tasks.refused.items()
    )
    return Answer((*refused, *(_lock(asked, task_id, task) for task_id, task in tasks.tasks.items())))


def _lock(asked: Situation, task_id: str, task: TaskSpec) -> Condition | Fine:
    state = verify_task(asked.home.tasks / f"{task_id}.yaml").state
    if state is LockState.OK:
        return Fine("task", task_id, f"version {task.version}, locked")
    if state is LockState.UNLOCKED:
        what = f"version {task.version} is not locked: it can change under its scores"
        return warning("task", task_id, what, f"sopilot task lock {task_id}")
    return problem("task", task_id, f"its lock is {state.value}", f"sopilot task lock --check {task_id}")


def task_of_recordings(asked: Situation) -> Answer:
    """Recordings whose task has no file that can be used: nothing of them can be scored."""
    counts = Counter(str(row["task_id"]) for row in asked.recordings.values())
    lost = {task_id: counts[task_id] for task_id in sorted(set(counts) - set(asked.tasks.tasks))}
    return Answer(tuple(_lost(task_id, count) for task_id, count in lost.items()))


def _lost(task_id: str, count: int) -> Condition:
    what = f"{count} recordings belong to it, and tasks/{task_id}.yaml is missing or cannot be used"
    action = f"restore tasks/{task_id}.yaml (sopilot backup restore), or correct it"
    return problem("task_of_recordings", task_id, what, action)


def models(asked: Situation) -> Answer:
    """The models that tasks ask for, their files against their manifests."""
    return Answer(tuple(_model(one) for one in model_states(asked.home) if one.tasks))


def _model(model: ModelState) -> Condition | Fine:
    if model.usable:
        return Fine("model", model.name, model.state)
    return problem("model", model.name, model.state, "sopilot model preload, or follow the message")
