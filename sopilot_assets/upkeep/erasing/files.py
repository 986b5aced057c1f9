"""The files of a home that show a person or name their recordings: found, and removed.

Whatever is made of a recording has its key, its hash or the first digits of that in its name. Copies under
other names (still in the capture folder, in quarantine, beside it) are found by their bytes.
"""

from __future__ import annotations

import os
import re
import stat
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import ValidationError

from sopilot_assets.capture.names import REASON_SUFFIX
from sopilot_assets.capture.sidecar import Sidecar
from sopilot_assets.capture.taken import read_taken, write_taken
from sopilot_assets.capture.uploads import Upload, all_uploads, upload_data
from sopilot_assets.errors import SopilotError
from sopilot_assets.processes.posix.files import flush
from sopilot_assets.store.home import VIDEO_ID_DIGITS, Home
from sopilot_assets.store.publish import file_sha256, local_path, published_files
from sopilot_assets.store.shared import withdraw
from sopilot_assets.upkeep.erasing.plan import ErasurePlan, pages_with_golds

ELSEWHERE: Final = frozenset(
    {"ledgers", "dossiers", "studies", "tasks", "keys", "dagster", "desk", "erasing"}
)
"""Folders of the home whose files are no pictures: what they hold is changed, not removed."""

_HASH: Final = re.compile(rf"(?<![0-9a-f])[0-9a-f]{{{VIDEO_ID_DIGITS}}}")


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that goes: where it lies, its size in bytes, and what kind of thing it is: the folder of the
    home that it lies in.
    """

    path: Path
    size_bytes: int
    kind: str


def files_of(home: Home, plan: ErasurePlan) -> list[FoundFile]:
    """The files that go with an erasure, by path; nothing is changed."""
    root = local_path(home.root)
    wanted = {one.sha256: one.size_bytes for one in plan.recordings}
    found = set(_named(root, plan.video_ids)) | set(_by_bytes(root, wanted))
    found |= {root / "reviews" / f"{key}.html" for key in pages_with_golds(home, plan)}
    for upload in uploads_of(home, plan.person, plan.removed_accounts):
        found |= {path for path in upload_data(home, upload).parent.iterdir() if path.is_file()}
    found |= set(_dropped_as(home, plan.person))
    found |= set(references_of(home, {one.video_id for one in plan.golds}))
    beside = [other for path in found for other in _beside(path, root)]
    return _told({*found, *beside}, root)


def remove_files(files: Collection[FoundFile]) -> None:
    """Remove them, from the object store of a shared home too, and have the disk confirm it."""
    for one in files:
        withdraw(one.path)
        one.path.unlink(missing_ok=True)
    for folder in {one.path.parent for one in files}:
        if folder.is_dir():
            flush(folder)


def forget_taken(home: Home, keys: Collection[str]) -> None:
    """Forget what is noted of their files in the capture folder; whoever calls this is the only intake."""
    write_taken(home, {name: one for name, one in read_taken(home).items() if one.key not in keys})


def left_behind(home: Home, video_ids: Collection[str]) -> list[FoundFile]:
    """The files with names of erased recordings, which somebody made who had begun before these were."""
    root = local_path(home.root)
    return _told(_named(root, frozenset(video_ids)), root)


def pictures_of(home: Home, video_ids: Collection[str], keys: Collection[str]) -> list[FoundFile]:
    """The videos of recordings and the pictures made of them, and the pages of these keys; what was computed
    of them stays.
    """
    root = local_path(home.root)
    names = frozenset(video_ids)
    found = [path for top in ("videos", "proxies") for path in _named(root, names, tops=[top])]
    found += [root / "reviews" / f"{key}.html" for key in keys]
    return _told(found, root)


def references_of(home: Home, video_ids: Collection[str]) -> Iterator[Path]:
    """The references that were made of one of these golds, with their calibrations: they hold how its clips
    look.
    """
    for path in published_files(home.root / "references", "*/*.npz") if video_ids else ():
        with np.load(path, allow_pickle=False) as arrays:
            facts = str(arrays["facts"]) if "facts" in arrays else ""
        if any(video_id in facts for video_id in video_ids):
            yield path
            yield path.with_name(f"{path.stem}.calibration.json")


def _named(root: Path, video_ids: frozenset[str], tops: Sequence[str] | None = None) -> Iterator[Path]:
    for path in _files(root, tops):
        if any(digits in video_ids for digits in _HASH.findall(path.name)):
            yield path


def _by_bytes(root: Path, wanted: Mapping[str, int]) -> Iterator[Path]:
    """The copies of these files, by SHA-256 and size; only files of the same size are read."""
    of_size = defaultdict(set)
    for sha256, size in wanted.items():
        of_size[size].add(sha256)
    for path in _files(root):
        with suppress(FileNotFoundError):  # others work here too, and links may lead nowhere
            if (hashes := of_size.get(path.stat().st_size)) and file_sha256(path) in hashes:
                yield path


def _files(root: Path, tops: Sequence[str] | None = None) -> Iterator[Path]:
    """The files below some folders of the home: below all that hold pictures where none are named."""
    for top in tops or sorted(set(os.listdir(root)) - ELSEWHERE):  # noqa: PTH208 - a path for each costs more
        for folder, _, names in os.walk(root / top):
            yield from (Path(folder, name) for name in names)


def uploads_of(home: Home, person: str, accounts: Collection[str]) -> list[Upload]:
    """What is on its way, or is known of what landed: of this person, or from their account."""
    return [one for one in all_uploads(home) if one.facts.person == person or one.who in accounts]


def _dropped_as(home: Home, person: str) -> Iterator[Path]:
    """What was dropped, or refused, as a recording of this person: its sidecar says so."""
    for folder in (local_path(home.capture), local_path(home.quarantine)):
        for path in sorted(folder.rglob("*.json")) if folder.is_dir() else ():
            if not path.name.endswith(REASON_SUFFIX) and _person_in(path) == person:
                yield path
                yield path.with_name(path.name.removesuffix(".json"))


def _person_in(path: Path) -> str | None:
    try:
        return Sidecar.model_validate_json(path.read_bytes()).person
    except (OSError, ValidationError, SopilotError):
        return None  # no sidecar: it says nothing of anybody


def _beside(path: Path, root: Path) -> Iterator[Path]:
    """The sidecar and the reason of a dropped or refused file."""
    if path.relative_to(root).parts[0] in ("capture", "quarantine", "demo"):
        yield path.with_name(f"{path.name}.json")
        yield path.with_name(f"{path.name}{REASON_SUFFIX}")


def _told(paths: Iterable[Path], root: Path) -> list[FoundFile]:
    """Those that are files and still there, by path."""
    found = []
    for path in sorted(set(paths)):
        with suppress(FileNotFoundError):
            if stat.S_ISREG((state := path.stat()).st_mode):
                found.append(FoundFile(path, state.st_size, path.relative_to(root).parts[0]))
    return found
