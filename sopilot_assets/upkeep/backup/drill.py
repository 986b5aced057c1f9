"""Whether a backup would bring a home back: restored into a scratch folder, and compared with what lives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import pyarrow.parquet as pq
from upath import UPath

from sopilot_assets.capture.erasures import erasures, removed_videos
from sopilot_assets.capture.ledgers import videos_ledger
from sopilot_assets.capture.registry import active_recordings
from sopilot_assets.disk import GIB
from sopilot_assets.errors import BackupError, SopilotError
from sopilot_assets.evidence.results import results_ledger
from sopilot_assets.reference.ledger import current_reference_ids
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.settings import load_settings
from sopilot_assets.stations.clip_embeddings import embeddings_ledger
from sopilot_assets.stations.outcome import Progress
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.listing import whole_listing
from sopilot_assets.store.publish import file_sha256, local_path, scratch_folder
from sopilot_assets.upkeep.backup.databases import database_problem
from sopilot_assets.upkeep.backup.repository import Repository
from sopilot_assets.upkeep.backup.restore import refuse_full, write_files
from sopilot_assets.upkeep.backup.snapshot import SQLITE, Remark, Snapshot, path_of
from sopilot_assets.upkeep.chains import event_chains

Look: TypeAlias = Callable[[Home], Iterable[Remark]]
"""What else is wrong with a restored home."""

_MOST_NAMED: Final = 20
_MOST_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Drill:
    """What a drill found: how many files and ledger rows were compared, and every problem."""

    name: str
    files: int
    bytes: int
    rows: int
    problems: tuple[Remark, ...]


def drill(
    home: Home,
    repository: Repository,
    name: str,
    *,
    look: Look | None = None,
    on_progress: Progress | None = None,
) -> Drill:
    """Restore a snapshot into a scratch folder of the home, and compare it.

    Every file must have its hash; every row must be in the home as well, since rows are never removed; every
    file that rows speak of must be there; label chains and databases must be sound. ``look`` may add to that.
    That the snapshot cannot be restored, for want of room too, is a problem like any other.
    """
    root = local_path(home.root)
    with scratch_folder(root) as scratch:
        try:
            snapshot = repository.snapshot(name)
            # a drill must not be what pauses intake
            refuse_full(scratch, snapshot, spare_bytes=int(load_settings(home).disk.pause_gib * GIB))
            write_files(repository, snapshot, scratch / "home", on_progress=on_progress)
        except BackupError as error:
            return Drill(name, 0, 0, 0, (Remark(name, str(error)),))
        except OSError as error:
            what = f"could not be written ({error.strerror or error}); make room or mend the disk"
            return Drill(name, 0, 0, 0, (Remark(name, what),))
        restored = Home.at(scratch / "home")
        rows, lost = _lost_rows(restored, home)
        problems = [*lost, *_problems(restored, snapshot), *(look(restored) if look else ())]
    return Drill(name, len(snapshot.files), snapshot.bytes, rows, tuple(problems))


def stored_row_ids(home: Home) -> dict[str, set[str]]:
    """The ids of all rows of every ledger of a home, by the ledger's name."""
    folders = sorted(path for path in local_path(home.ledgers).glob("*") if path.is_dir())
    return {folder.name: _row_ids(folder) for folder in folders}


def _row_ids(folder: Path) -> set[str]:
    for _ in range(_MOST_TRIES):
        try:
            tables = [pq.read_table(name, columns=["row_id"]) for name in whole_listing(folder, ".parquet")]
        except FileNotFoundError:
            continue  # its files were merged since it was listed
        return {row_id for table in tables for row_id in table["row_id"].to_pylist()}
    raise BackupError(f"{folder}: its files were merged {_MOST_TRIES} times while it was read. Try again.")


def _lost_rows(restored: Home, home: Home) -> tuple[int, list[Remark]]:
    """How many rows the backup has, and for each ledger whether the home lacks some of them."""
    backed_up = stored_row_ids(restored)
    living = stored_row_ids(home)
    lost = {name: len(rows - living.get(name, set())) for name, rows in backed_up.items()}
    remarks = [
        Remark(
            f"ledgers/{name}",
            f"the home lost {count} of the {len(backed_up[name])} rows that the backup has; stop work, "
            "restore the backup to another home and copy the missing files of this ledger from it",
        )
        for name, count in lost.items()
        if count
    ]
    return sum(map(len, backed_up.values())), remarks


def _problems(restored: Home, snapshot: Snapshot) -> Iterator[Remark]:
    root = local_path(restored.root)
    for file in snapshot.files:
        if file.kind == SQLITE and (problem := database_problem(root / path_of(file.path))):
            yield Remark(file.path, f"the database is not sound: {problem}")
    for question in (_missing_files, _unknown_recordings, _broken_chains, _changed_results):
        try:
            yield from question(restored)
        except SopilotError as error:
            yield Remark("ledgers", str(error))


def _missing_files(restored: Home) -> Iterator[Remark]:
    """Files that rows speak of and that are not there."""
    missing = sorted(
        {str(path.relative_to(restored.root)) for path in _spoken_of(restored) if not path.exists()}
    )
    for path in missing[:_MOST_NAMED]:
        yield Remark(path, f"is not there, though a row speaks of it; {len(missing)} such files in all")


def _spoken_of(home: Home) -> Iterator[UPath]:
    """The recordings, embeddings and references that the newest rows name."""
    known = erasures(home)
    over = removed_videos(known)
    for key, entry in active_recordings(home).items():
        if key not in over:
            yield home.videos / entry.stored_name
    embedded = embeddings_ledger(home).query("select model_id, key from latest where problem is null")
    for model_id, key in zip(embedded["model_id"], embedded["key"], strict=True):
        if key in over or key not in known:
            yield home.embedding(model_id, PartitionKey.parse(key).video_id)
    for task_id, reference_id in current_reference_ids(home).items():
        yield home.reference(task_id, reference_id)


def _unknown_recordings(restored: Home) -> Iterator[Remark]:
    """Rows of stations whose recording was never taken in."""
    known = set(videos_ledger(restored).query("select key from all_rows")["key"])
    for ledger in (embeddings_ledger(restored), scores_ledger(restored)):
        unknown = sorted(set(ledger.query("select key from all_rows")["key"]) - known)
        if unknown:
            what = f"{len(unknown)} rows of recordings that were never taken in, {unknown[0]} among them"
            yield Remark(f"ledgers/{ledger.name}", what)


def _broken_chains(restored: Home) -> Iterator[Remark]:
    """Events of labels, promotions and adoptions that were dropped or changed."""
    for chain in event_chains(restored):
        for task_id in chain.tasks():
            try:
                chain.read(task_id)
            except chain.refuse as error:
                yield Remark(f"ledgers/{chain.ledger.name}", str(error))


def _changed_results(restored: Home) -> Iterator[Remark]:
    """Files of studies that are not what the ledger of results says."""
    results = results_ledger(restored).latest()
    for result, sha256 in zip(results["result"], results["sha256"], strict=True):
        path = local_path(restored.studies) / result
        if not path.is_file() or file_sha256(path) != sha256:
            yield Remark(
                f"studies/{result}",
                "is not the file that the ledger study_results speaks of; it was changed or removed by hand",
            )
