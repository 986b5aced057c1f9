"""What is covered of a task's recordings, by the installation's settings and the task's own file."""

from __future__ import annotations

import functools
from typing import Final

from upath import UPath

from sopilot_assets.errors import ConfigError
from sopilot_assets.privacy.covering import Covering
from sopilot_assets.settings import PrivacySettings, load_settings, settings_path
from sopilot_assets.store.home import Home
from sopilot_assets.tasks import MaskedRegion, TaskPrivacy
from sopilot_assets.tasks.files import read_task
from sopilot_assets.tasks.history import task_file

EVERYTHING: Final = MaskedRegion(left=0.0, top=0.0, width=1.0, height=1.0)
"""Masked while a task's file cannot be read, since nobody knows then which regions are."""


def covering_for(home: Home, task_id: str, *, leaves_house: bool = False) -> Covering:
    """What is covered of a task's recordings where people of the house look at them, or in what is handed
    over to others (``leaves_house``).

    While the settings cannot be understood, which doctor and an alert say, faces are covered.
    """
    task = task_file(home, task_id)
    return _covering(home, task_id, leaves_house, _state(settings_path(home)), _state(task))


def covering(settings: PrivacySettings, task: TaskPrivacy, *, leaves_house: bool) -> Covering:
    """What these settings and the task's section ``privacy`` cover."""
    faces = settings.blur_faces == "everywhere" or (leaves_house and settings.blur_faces == "dossiers")
    return Covering(faces, task.masked_regions)


@functools.lru_cache(maxsize=256)
def _covering(home: Home, task_id: str, leaves_house: bool, *_: tuple[int, int] | None) -> Covering:
    try:
        settings = load_settings(home).privacy
    except ConfigError:
        settings = PrivacySettings(blur_faces="everywhere")
    try:
        task = read_task(task_file(home, task_id)).privacy
    except ConfigError:
        task = TaskPrivacy(masked_regions=(EVERYTHING,))
    return covering(settings, task, leaves_house=leaves_house)


def _state(path: UPath) -> tuple[int, int] | None:
    """Size and time of change of a file, which tell whether it is another; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, int(found.st_mtime * 1e9)
