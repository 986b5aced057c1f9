"""Model folders: the files of a model, with the hash of each in a manifest that is written last.

A folder without a manifest is unfinished; a file that does not match its manifest is refused, never used.
"""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError
from upath import UPath

from sopilot_assets.errors import ModelError
from sopilot_assets.store.publish import file_sha256, local_path, publish_path, publish_text

MANIFEST: Final = "manifest.json"


class ModelManifest(BaseModel):
    """What a model folder holds: file names and their SHA-256, and where they came from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    source: str
    files: dict[str, str]

    def digest(self) -> str:
        """One SHA-256 over all file names and hashes, 64 hex digits."""
        return hashlib.sha256(json.dumps(self.files, sort_keys=True).encode()).hexdigest()


def read_manifest(folder: Path | UPath) -> ModelManifest | None:
    """The folder's manifest, None when it has none; raises `ModelError` when it is not one."""
    path = local_path(folder) / MANIFEST
    if not path.is_file():
        return None
    try:
        return ModelManifest.model_validate_json(path.read_text("utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{path}: not a model manifest ({error}); delete the folder {path.parent} and prepare the "
            f"model again "
            "(`sopilot model verify` or `sopilot model preload`)."
        ) from error


def write_manifest(folder: Path | UPath, manifest: ModelManifest) -> None:
    """Publish the manifest: from now on the folder counts."""
    publish_text(
        local_path(folder) / MANIFEST, json.dumps(manifest.model_dump(), indent=2, sort_keys=True) + "\n"
    )


def check_files(folder: Path | UPath, manifest: ModelManifest) -> None:
    """Nothing when every file of the manifest is there with its hash; raises `ModelError` naming the first
    that is not.
    """
    local = local_path(folder)
    for name, expected in sorted(manifest.files.items()):
        path = local / name
        if not path.is_file():
            raise ModelError(f"{path}: listed in {MANIFEST} but missing; {_mend(local, manifest)}")
        found = file_sha256(path)
        if found != expected:
            raise ModelError(
                f"{path}: expected SHA-256 {expected} as listed in {MANIFEST}, found {found}: the file was "
                f"changed or damaged; "
                f"{_mend(local, manifest)}"
            )


def copy_into(folder: Path | UPath, files: Mapping[str, Path]) -> dict[str, str]:
    """Publish copies of ``files`` (name in the folder -> source) and return the hash of each copy."""
    local = local_path(folder)
    for name, source in files.items():
        publish_path(local / name, functools.partial(_copy, source))
    return {name: file_sha256(local / name) for name in sorted(files)}


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def _mend(folder: Path, manifest: ModelManifest) -> str:
    return f"delete the folder {folder} and prepare {manifest.name} again (source: {manifest.source})."
