"""Task files: what a procedure consists of, how it is judged, and which versions of that are locked."""

from sopilot_assets.tasks.differences import Difference
from sopilot_assets.tasks.files import TaskSet, find_tasks, load_task, load_tasks, parse_task
from sopilot_assets.tasks.locking import LockState, Verification, lock_task, verify_task
from sopilot_assets.tasks.locks import LockedTask, locked_versions
from sopilot_assets.tasks.spec import DeviationType, Embedder, QualityGate, Severity, Step, TaskSpec, Weights
from sopilot_assets.tasks.starter import new_task

__all__ = [
    "DeviationType",
    "Difference",
    "Embedder",
    "LockState",
    "LockedTask",
    "QualityGate",
    "Severity",
    "Step",
    "TaskSet",
    "TaskSpec",
    "Verification",
    "Weights",
    "find_tasks",
    "load_task",
    "load_tasks",
    "lock_task",
    "locked_versions",
    "new_task",
    "parse_task",
    "verify_task",
]
