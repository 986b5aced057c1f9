"""Task files: what a procedure consists of, how it is judged, and which versions of that are locked.

Reads ``tasks/``; writes task files and locks.
"""

from sopilot_assets.tasks.differences import FieldDifference
from sopilot_assets.tasks.files import TaskSet, find_tasks, load_task, parse_task, task_ids
from sopilot_assets.tasks.locking import LockState, LockVerification, lock_task, verify_task
from sopilot_assets.tasks.locks import LockedTask, locked_versions
from sopilot_assets.tasks.privacy import (
    MaskedRegion,
    PrivacyNotice,
    TaskPrivacy,
    notice_of,
    privacy_notice,
)
from sopilot_assets.tasks.spec import (
    NEW_TASKS_USE,
    DeviationType,
    EmbedderName,
    QualityGate,
    Severity,
    Step,
    TaskSpec,
    Weights,
)
from sopilot_assets.tasks.starter import new_task

__all__ = [
    "NEW_TASKS_USE",
    "DeviationType",
    "EmbedderName",
    "FieldDifference",
    "LockState",
    "LockVerification",
    "LockedTask",
    "MaskedRegion",
    "PrivacyNotice",
    "QualityGate",
    "Severity",
    "Step",
    "TaskPrivacy",
    "TaskSet",
    "TaskSpec",
    "Weights",
    "find_tasks",
    "load_task",
    "lock_task",
    "locked_versions",
    "new_task",
    "notice_of",
    "parse_task",
    "privacy_notice",
    "task_ids",
    "verify_task",
]
