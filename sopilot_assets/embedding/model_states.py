"""Which embedding models a home has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sopilot_assets.embedding.backends import EMBEDDERS
from sopilot_assets.embedding.manifest import MANIFEST, ModelManifest, check_files, read_manifest
from sopilot_assets.errors import ModelError
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import find_tasks

_WITHOUT_FILES: Final = {
    "lite0_box": ("made at the first use", True),
    "lite0_flow": ("made at the first use", True),
    "vjepa2": ("not there: sopilot model preload FOLDER", False),
    "color_motion": ("needs no files", True),
}

_SHARED_FOLDER: Final = {"lite0_box": "lite0_flow"}
"""Models that are made of the files of another one."""


@dataclass(frozen=True, slots=True)
class ModelState:
    """One model, in words, and the tasks that ask for it; ``usable`` says whether it can be loaded."""

    name: str
    state: str
    usable: bool
    tasks: tuple[str, ...]


def model_states(home: Home) -> list[ModelState]:
    """Every model that there is, with its files compared with their manifest; nothing is loaded or made."""
    wanted = {task_id: task.embedder.value for task_id, task in find_tasks(home.root).tasks.items()}
    return [
        ModelState(
            name, *_state(home, name), tuple(sorted(task for task, asked in wanted.items() if asked == name))
        )
        for name in EMBEDDERS
    ]


def _state(home: Home, name: str) -> tuple[str, bool]:
    folder = local_path(home.models) / _SHARED_FOLDER.get(name, name)
    folders = sorted(path.parent for path in folder.rglob(MANIFEST))
    try:
        found = [manifest for one in folders if (manifest := _checked(one)) is not None]
    except ModelError as error:
        return f"damaged: {error}", False
    if found:
        return f"{sum(len(manifest.files) for manifest in found)} files, as in their manifest", True
    return _WITHOUT_FILES[name]


def _checked(folder: Path) -> ModelManifest | None:
    manifest = read_manifest(folder)
    if manifest is not None:
        check_files(folder, manifest)
    return manifest
