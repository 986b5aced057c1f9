"""Copying recordings into the capture folder in one go, with what is known of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import Final

from sopilot_assets.capture.facts import Correction, correct_recordings, facts_of
from sopilot_assets.capture.identity import copy_hashed, file_state
from sopilot_assets.capture.names import SIDECAR_SUFFIX, is_ignored, is_system_folder
from sopilot_assets.capture.registry import Recording, Registry
from sopilot_assets.capture.scan import CapturePlace, paired_sidecars, sidecar_of
from sopilot_assets.capture.sidecar import Sidecar, read_sidecar
from sopilot_assets.disk import Room, any_room
from sopilot_assets.errors import ConfigError
from sopilot_assets.store.home import ROLES, Home
from sopilot_assets.store.publish import (
    file_sha256,
    local_path,
    only_writer,
    publish_moved,
    publish_path,
    publish_text,
    scratch_folder,
)
from sopilot_assets.texts.languages import Text
from sopilot_assets.texts.names import printable, safe_name

STEPS_FILE: Final = "steps.csv"
_STEM_BYTES: Final = 60
_SUFFIX_BYTES: Final = 9
"""What is left of a long name beside a hash; `safe_name` would cut the hash off."""
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
    if not source.is_dir() and (file_state(source) is None or is_no_recording(source.name)):
        found = "something else" if source.exists() else "nothing"
        raise ConfigError(
            f"{source}: expected a recording or a folder of recordings, found {found}. Name one."
        )
    return capture_folder(home, CapturePlace(task_id, role, site, camera))


def capture_folder(home: Home, place: CapturePlace) -> Path:
    """The folder of the capture folder that says this; raises ``ConfigError`` where no folder can."""
    why = no_such_place(place)
    if why is not None:
        raise ConfigError(why.en)
    names = (place.task_id, place.role, place.site, place.camera)
    return local_path(home.capture).joinpath(*(name for name in names if name is not None))


def no_such_place(place: CapturePlace) -> Text | None:
    """Why no folder of the capture folder can say this; None where one can."""
    if place.role not in ROLES:
        roles = " or ".join(ROLES)
        return Text(f"role {place.role!r}: expected {roles}.", f"区分は {roles} で指定してください。")
    names = {"task": place.task_id, "site": place.site, "camera": place.camera}
    for what, name in names.items():
        if name is not None and (name != safe_name(name) or is_system_folder(name)):
            return Text(
                f"{what} {name!r}: expected a plain folder name, e.g. {_plain(name)!r}.",
                f"{_PLACES_JA[what]}「{name}」は使えません。フォルダー名に使える文字で入力してください"
                f"（例：{_plain(name)}）。",
            )
    return None


_PLACES_JA: Final = {"task": "作業", "site": "拠点", "camera": "カメラ"}


def _plain(name: str) -> str:
    plain = safe_name(name)
    return f"{plain}_1" if is_system_folder(plain) else plain


def _files(source: Path, pattern: str) -> Iterator[Path]:
    """The recordings below ``source``, by path; links, hidden files and folders, recycle bins and sidecars
    are passed over.
    """
    for path in sorted(source.rglob(pattern)):
        folders = path.relative_to(source).parts[:-1]
        if not any(map(is_system_folder, folders)) and not is_no_recording(path.name) and file_state(path):
            yield path


def is_no_recording(name: str) -> bool:
    """Whether a file cannot be a recording, or is none that intake looks at, by its name alone: the one that
    it has, and the one that it would be stored by.
    """
    names = (name, safe_name(name))
    return any(is_ignored(one) or PurePath(one).suffix.lower() in _NOT_RECORDINGS for one in names)


def _sidecars(files: Sequence[Path]) -> dict[Path, Path]:
    """The sidecars of these files, which lie beside them."""
    found: dict[Path, Path] = {}
    for folder in dict.fromkeys(path.parent for path in files):
        beside = [path for path in sorted(folder.iterdir()) if file_state(path)]
        notes = [path for path in beside if path.suffix.lower() == SIDECAR_SUFFIX]
        found |= paired_sidecars([path for path in beside if not is_no_recording(path.name)], notes)
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
            names = _names(path, self.top, sha256)
            if (known := registered(sha256)) is not None:
                return self._correct(shown, known, told)
            target, is_there = free_target(self.folder, names, sha256)
            size = path.lstat().st_size
        except ConfigError as error:
            return Added(shown, why=str(error))
        except OSError as error:
            return Added(shown, why=f"could not be read: {error.strerror or error}")
        if not is_there:
            full = self.room(size)
            if full is not None:
                return Added(shown, why=full.en)
            target, is_there = self._copied(path, names, sha256)
        if is_there:
            return self._tell(shown, target, sidecar, told)
        # after the recording: a sidecar alone could be taken for one of a recording that is here already
        self._write_sidecar(target, sidecar, told)
        return Added(shown, target=target.relative_to(local_path(self.home.capture)).as_posix())

    def _copied(self, path: Path, names: Sequence[str], sha256: str) -> tuple[Path, bool]:
        """Where the file was copied to; and whether, meanwhile, it came to lie there already."""
        with scratch_folder(self.home.capture) as scratch:
            copy = scratch / "copy"
            publish_path(copy, lambda temporary: _copy(path, temporary))
            with only_namer(self.home):
                target, is_there = free_target(self.folder, names, sha256)
                if not is_there:
                    publish_moved(copy, target)
        return target, is_there

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


def _names(path: Path, source: Path, sha256: str) -> list[str]:
    """What the file may be called: its own name, that with its subfolders', that with its hash."""
    return [path.name, "-".join(path.relative_to(source).parts), hashed_name(path.name, sha256)]


def hashed_name(name: str, sha256: str) -> str:
    """A file's name with the beginning of its hash, for a folder that has another file of its name."""
    path = PurePath(safe_name(name))
    suffix = path.suffix if len(path.suffix.encode()) <= _SUFFIX_BYTES else ""
    stem = path.name.removesuffix(suffix).encode()[:_STEM_BYTES].decode("utf-8", "ignore")
    return f"{stem}-{sha256[:8]}{suffix}"


def only_namer(home: Home) -> AbstractContextManager[None]:
    """Hold off everybody else who gives recordings their names in the capture folder: a name is free until
    somebody has taken it.
    """
    return only_writer(local_path(home.uploads) / ".landing.lock")


def free_target(folder: Path, names: Sequence[str], sha256: str) -> tuple[Path, bool]:
    """Where a file with these bytes goes: under the first of its names that is free, made safe; and whether
    it lies there already. A name is not free where a sidecar waits for its recording, but
    for the last one, which has the hash of these bytes.
    """
    targets = [folder / safe_name(name) for name in names]
    for target in targets:
        if target.exists():
            if file_sha256(target) == sha256:
                return target, True
        elif target == targets[-1] or not sidecar_of(target).exists():
            return target, False
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
    _, state = copy_hashed(path, target)
    os.utime(target, ns=(state.mtime_ns, state.mtime_ns))
