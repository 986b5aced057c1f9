"""Copying recordings into the capture folder in one go, with what is known of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sopilot_assets.capture.facts import Correction, correct_recordings, facts_of
from sopilot_assets.capture.identity import copy_hashed, file_state
from sopilot_assets.capture.names import SIDECAR_SUFFIX, is_ignored, is_system_folder
from sopilot_assets.capture.registry import Recording, Registry
from sopilot_assets.capture.scan import paired_sidecars, sidecar_of
from sopilot_assets.capture.sidecar import Sidecar, read_sidecar
from sopilot_assets.disk import Room, any_room
from sopilot_assets.errors import ConfigError
from sopilot_assets.store.home import ROLES, Home
from sopilot_assets.store.publish import file_sha256, local_path, publish_path, publish_text
from sopilot_assets.texts.names import printable, safe_name

STEPS_FILE: Final = "steps.csv"
NOTHING_KNOWN: Final = Sidecar()
_NOT_RECORDINGS: Final = frozenset(
    {
        SIDECAR_SUFFIX,
        ".jsonl",
        ".csv",
        ".txt",
        ".md",
        ".yaml",
        ".yml",
        ".log",
        ".html",
        ".pdf",
        ".xlsx",
        ".py",
    }
)


@dataclass(frozen=True, slots=True)
class Added:
    """What became of one file of the source: ``target`` is its path below the capture folder, ``why`` says
    why it was not copied, ``corrections`` what it changed of the recording that is registered already.
    """

    source: str
    target: str | None = None
    why: str = ""
    corrections: tuple[Correction, ...] = ()


@dataclass(frozen=True, slots=True)
class AddReport:
    """The files of the source, in order."""

    files: tuple[Added, ...]

    @property
    def copied(self) -> tuple[Added, ...]:
        """Those that lie in the capture folder now because of this call."""
        return tuple(one for one in self.files if one.target is not None)

    @property
    def skipped(self) -> tuple[Added, ...]:
        """Those that were not copied."""
        return tuple(one for one in self.files if one.target is None)


def capture_add(
    source: Path,
    home: Home,
    *,
    task_id: str,
    role: str,
    site: str,
    camera: str | None = None,
    pattern: str = "*",
    facts: Sidecar = NOTHING_KNOWN,
    who: str = "",
    at: datetime | None = None,
    room: Room = any_room,
    on_progress: Callable[[Added, int, int], None] | None = None,
) -> AddReport:
    """What was copied from ``source``, a recording or a folder (searched with its subfolders), to
    ``capture/<task_id>/<role>/<site>/[<camera>/]``.

    ``pattern`` chooses files by name, e.g. ``gold_*``. Sidecars come along with their recording and
    ``steps.csv`` with golds; ``facts`` hold for all of them and are written into the sidecars. What lies in
    the capture folder already is skipped. Of what is registered in this task, the facts are corrected by
    ``who`` at the time ``at``; without a time they stay. A file for which ``room`` says no is skipped. Each
    file appears under its name only when it is complete. ``on_progress`` gets each file, how many are done
    and how many there are. Raises ``ConfigError`` when there is no source or the place is not a legal one.
    """
    folder = _folder(source, home, task_id=task_id, role=role, site=site, camera=camera)
    registry = Registry.read(home)
    top = source if source.is_dir() else source.parent
    files = list(_files(source, pattern) if source.is_dir() else [source])
    sidecars = _sidecars(files)
    desk = _Adding(home, top, folder, room, facts, who, at)
    done: list[Added] = []
    for path in files:
        done.append(desk.add(path, sidecars.get(path), lambda sha256: registry.of(task_id, sha256)))
        if on_progress is not None:
            on_progress(done[-1], len(done), len(files))
    if role == "gold" and source.is_dir():
        done.extend(_add_steps(source / STEPS_FILE, local_path(home.steps_csv(task_id))))
    return AddReport(tuple(done))


def _folder(source: Path, home: Home, *, task_id: str, role: str, site: str, camera: str | None) -> Path:
    if not source.is_dir() and (file_state(source) is None or _is_no_recording(source)):
        found = "something else" if source.exists() else "nothing"
        raise ConfigError(f"{source}: expected a recording or a folder of recordings, found {found}.")
    if role not in ROLES:
        raise ConfigError(f"role {role!r}: expected {' or '.join(ROLES)}.")
    for what, name in (
        ("task", task_id),
        ("site", site),
        *([("camera", camera)] if camera is not None else []),
    ):
        if name != safe_name(name) or name.startswith("."):
            raise ConfigError(f"{what} {name!r}: expected a plain folder name, e.g. {safe_name(name)!r}.")
    folder = local_path(home.capture) / task_id / role / site
    return folder / camera if camera is not None else folder


def _files(source: Path, pattern: str) -> Iterator[Path]:
    """The recordings below ``source``, by path; links, hidden files and folders, recycle bins and sidecars
    are passed over.
    """
    for path in sorted(source.rglob(pattern)):
        folders = path.relative_to(source).parts[:-1]
        if not any(map(is_system_folder, folders)) and not _is_no_recording(path) and file_state(path):
            yield path


def _is_no_recording(path: Path) -> bool:
    return is_ignored(path.name) or path.suffix.lower() in _NOT_RECORDINGS


def _sidecars(files: Sequence[Path]) -> dict[Path, Path]:
    """The sidecars of these files, which lie beside them."""
    found: dict[Path, Path] = {}
    for folder in dict.fromkeys(path.parent for path in files):
        beside = [path for path in sorted(folder.iterdir()) if file_state(path)]
        notes = [path for path in beside if path.suffix.lower() == SIDECAR_SUFFIX]
        found |= paired_sidecars([path for path in beside if not _is_no_recording(path)], notes)
    return found


@dataclass(frozen=True, slots=True)
class _Adding:
    """Copies one file after the other."""

    home: Home
    top: Path
    folder: Path
    room: Room
    facts: Sidecar
    who: str
    at: datetime | None

    def add(self, path: Path, sidecar: Path | None, registered: Callable[[str], Recording | None]) -> Added:
        """What became of one file."""
        shown = printable(path.relative_to(self.top).as_posix())
        try:
            told = self._told(sidecar)
            sha256 = file_sha256(path)
            target, is_there = _target(path, self.top, self.folder, sha256)
            if (known := registered(sha256)) is not None:
                return self._correct(shown, known, told)
            if is_there:
                return self._tell(shown, target, sidecar, told)
            full = self.room(path.lstat().st_size)
            if full is not None:
                return Added(shown, why=full)
            # first the recording: a sidecar alone could be taken for one of a recording that is here already
            publish_path(target, lambda temporary: _copy(path, temporary))
            self._write_sidecar(target, sidecar, told)
        except ConfigError as error:
            return Added(shown, why=str(error))
        except OSError as error:
            return Added(shown, why=f"could not be read: {error.strerror or error}")
        return Added(shown, target=target.relative_to(local_path(self.home.capture)).as_posix())

    def _told(self, sidecar: Path | None) -> dict[str, str | None]:
        """What the sidecar and the caller say of the recording together."""
        given = facts_of(self.facts)
        own = facts_of(read_sidecar(sidecar)) if sidecar is not None else {}
        for name in own.keys() & given.keys():
            if own[name] != given[name]:
                raise ConfigError(
                    f"its sidecar says {name} {own[name]}, expected {given[name]}; correct the sidecar or "
                    "leave the option out"
                )
        return {**own, **given}

    def _tell(self, shown: str, target: Path, sidecar: Path | None, told: Mapping[str, str | None]) -> Added:
        """What became of a file that lies in the capture folder already, and waits for its intake."""
        if not facts_of(self.facts):
            return Added(shown, why="in the capture folder already")
        self._write_sidecar(target, sidecar, told)
        return Added(shown, why="in the capture folder already; what is known of it lies beside it now")

    def _correct(self, shown: str, known: Recording, told: Mapping[str, str | None]) -> Added:
        if not told or self.at is None:
            return Added(shown, why="registered already")
        changed = correct_recordings(
            self.home,
            [str(known.key)],
            told,
            who=self.who,
            why=f"added again as {shown}",
            at=self.at,
            run_id=f"add-{self.at:%Y%m%dT%H%M%S}",
        )
        named = ", ".join(f"{one.fact} {one.was or 'unknown'} -> {one.now}" for one in changed)
        why = f"registered already{f'; corrected: {named}' if named else ''}"
        return Added(shown, why=why, corrections=tuple(changed))

    def _write_sidecar(self, target: Path, sidecar: Path | None, told: Mapping[str, str | None]) -> None:
        if facts_of(self.facts):
            publish_text(sidecar_of(target), json.dumps(told, ensure_ascii=False, indent=1) + "\n")
        elif sidecar is not None:
            publish_path(sidecar_of(target), lambda temporary: _copy(sidecar, temporary))


def _target(path: Path, source: Path, folder: Path, sha256: str) -> tuple[Path, bool]:
    """Where the file goes, and whether it is there already: under its own name where that is free, else with
    its subfolders', else with its hash.
    """
    flat = "-".join(path.relative_to(source).parts)
    hashed = f"{path.stem}-{sha256[:8]}{path.suffix}"
    targets = [folder / safe_name(name) for name in (path.name, flat, hashed)]
    for target in targets:
        if not target.exists():
            return target, False
        if file_sha256(target) == sha256:
            return target, True
    return targets[-1], True


def _add_steps(path: Path, target: Path) -> list[Added]:
    """The golds' annotations copied beside them; a different file that is there already is left alone."""
    if not path.is_file():
        return []
    if target.exists():
        same = target.read_bytes() == path.read_bytes()
        return [
            Added(
                STEPS_FILE,
                why="in the capture folder already" if same else f"{target} differs; merge it by hand",
            )
        ]
    publish_path(target, lambda temporary: _copy(path, temporary))
    return [Added(STEPS_FILE, target="/".join(target.parts[-3:]))]


def _copy(path: Path, target: Path) -> None:
    copy_hashed(path, target)
    shutil.copystat(path, target, follow_symlinks=False)
