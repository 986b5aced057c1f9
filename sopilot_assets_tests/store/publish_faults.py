"""What is left of a file, a ledger and a lock when each system call of their writer fails or is killed.

python -m sopilot_assets_tests.store.publish_faults          # the table: writer, fault, outcome, times
python -m sopilot_assets_tests.store.publish_faults --json   # each case
python -m sopilot_assets_tests.store.publish_faults --few    # three of the six faults
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from sopilot_assets.store.ledgers import Ledger
from sopilot_assets.store.publish import TEMPORARY_PREFIX, only_writer, publish_bytes, publish_path
from sopilot_assets_tests.store.syscall_faults import KILL, Fault, calls_of, fail_each, mark

FAULTS = (
    *(Fault(name) for name in ("EIO", "ENOSPC", "EACCES", "EINTR")),
    Fault("EIO", lasting=True),
    Fault(KILL),
)
FEW_FAULTS = (Fault("EIO"), Fault("EIO", lasting=True), Fault(KILL))
UNDISTURBED = 15
OLD, NEW, MIXTURE = "old", "new", "MIXTURE"
BYTES = {OLD: b"old " * 1000, NEW: b"a new one" * 40_000}


@dataclass(frozen=True, slots=True)
class Case:
    """What a writer's fault left: the state, how many unfinished files, and whether the writer then works."""

    writer: str
    number: int
    call: str
    fault: str
    ending: str
    state: str
    unfinished: int
    heals: bool


@dataclass(frozen=True, slots=True)
class Writer:
    """A function that writes, how to put the old state back, and which state is there."""

    name: str
    write: Callable[[], object]
    put_old: Callable[[], object]
    state: Callable[[], str]
    folder: Path

    def cases(self, faults: Iterable[Fault] = FAULTS) -> Iterator[Case]:
        """Every case, with each fault at each system call."""
        self.put_old()
        self.write()  # what is imported or read once is done outside of the faults
        for fault in faults:
            for ending in fail_each(self.write, fault, self.put_old):
                state, unfinished = self.state(), len(list(self.folder.rglob(f"{TEMPORARY_PREFIX}*")))
                self.write()
                yield Case(
                    self.name,
                    **asdict(ending),
                    state=state,
                    unfinished=unfinished,
                    heals=self.state() == NEW,
                )

    def calls(self) -> list[str]:
        """The system calls of one undisturbed writing, the shortest of some: a folder that changed just now
        may be looked at once more.
        """
        self.put_old()
        self.write()
        return min((self._calls_once() for _ in range(UNDISTURBED)), key=len)

    def _calls_once(self) -> list[str]:
        self.put_old()
        return calls_of(self.write)


def writers(root: Path) -> tuple[Writer, ...]:
    """All writers, each in a folder of its own below ``root``."""
    return (
        _replacing(root / "replaces a file"),
        _first(root / "first file of a new folder"),
        _arrow(root / "Arrow writes the file"),
        _ledger(root / "row of a ledger"),
        _locked(root / "file behind a lock"),
    )


def _replacing(folder: Path) -> Writer:
    target = folder / "file.bin"
    return Writer(
        folder.name,
        lambda: publish_bytes(target, BYTES[NEW]),
        lambda: _refill(folder, {"file.bin": BYTES[OLD]}),
        lambda: _state_of(target),
        folder,
    )


def _first(folder: Path) -> Writer:
    target = folder / "a" / "b" / "file.bin"

    def state() -> str:
        return _state_of(target) if target.exists() else OLD

    return Writer(
        folder.name, lambda: publish_bytes(target, BYTES[NEW]), lambda: _refill(folder, {}), state, folder
    )


def _arrow(folder: Path) -> Writer:
    target = folder / "table.parquet"
    tables = {
        state: pa.table({"n": list(range(rows)), "s": [f"{state}{n}" for n in range(rows)]})
        for state, rows in ((OLD, 10), (NEW, 3000))
    }

    def state() -> str:
        found = pq.ParquetFile(target).read()
        return next((name for name, table in tables.items() if found.equals(table)), MIXTURE)

    def write(which: str) -> None:
        publish_path(target, lambda path: pq.write_table(tables[which], path, compression="zstd"))

    write(OLD)
    kept = {target.name: target.read_bytes()}
    return Writer(folder.name, lambda: write(NEW), lambda: _refill(folder, kept), state, folder)


class UnmarkedReading(Ledger):
    """A ledger whose reading before each append, by DuckDB's own threads, is left alone."""

    def _newest(self, subjects: Collection[str]) -> dict[str, tuple[str, str]]:
        mark()
        found = Ledger._newest(self, subjects)
        mark()
        return found


def _ledger(folder: Path) -> Writer:
    ledger = UnmarkedReading(UPath(folder), "things", {"key": pa.string(), "size": pa.int64()}, "key")

    def append(rows: list[dict[str, object]], run_id: str) -> None:
        ledger.append(rows, run_id=run_id, written_at="2026-01-01T00:00:00+00:00")

    append([{"key": "a", "size": 1}, {"key": "b", "size": 1}], "first")
    kept = {f"things/{Path(name).name}": Path(name).read_bytes() for name in ledger.files()}

    def state() -> str:
        rows = sorted(ledger.all_rows()[["key", "size"]].itertuples(index=False, name=None))
        old = [("a", 1), ("b", 1)]
        return {str(old): OLD, str(sorted([*old, ("b", 2), ("c", 2)])): NEW}.get(str(rows), MIXTURE)

    return Writer(
        folder.name,
        lambda: append([{"key": "b", "size": 2}, {"key": "c", "size": 2}], "second"),
        lambda: _refill(folder, kept),
        state,
        folder,
    )


def _locked(folder: Path) -> Writer:
    target = folder / "file.bin"

    def write() -> None:
        with only_writer(folder / "locks" / ".lock"):
            publish_bytes(target, BYTES[NEW])

    return Writer(
        folder.name,
        write,
        lambda: _refill(folder, {"file.bin": BYTES[OLD]}),
        lambda: _state_of(target),
        folder,
    )


def _state_of(path: Path) -> str:
    data = path.read_bytes()
    return next((state for state, whole in BYTES.items() if data == whole), MIXTURE)


def _refill(folder: Path, files: dict[str, bytes]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)


def main(arguments: list[str]) -> None:
    """Print every case, as JSON lines or counted."""
    memory = Path("/dev/shm")  # flushing takes no time there
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        for writer in writers(Path(folder)):
            cases = list(writer.cases(FEW_FAULTS if "--few" in arguments else FAULTS))
            if "--json" in arguments:
                sys.stdout.writelines(json.dumps(asdict(case)) + "\n" for case in cases)
                sys.stdout.write(json.dumps({"writer": writer.name, "calls": writer.calls()}) + "\n")
            else:
                _print_counts(writer.name, cases)


def _print_counts(name: str, cases: list[Case]) -> None:
    counts = Counter((case.fault, case.ending, case.state, case.heals) for case in cases)
    sys.stdout.write(f"{name}: {len(cases)} cases, {max(case.number for case in cases) + 1} calls\n")
    for (fault, ending, state, heals), times in sorted(counts.items()):
        sys.stdout.write(f"  {times:4d} x {fault:18} {ending:42} {state:8} heals: {heals}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
