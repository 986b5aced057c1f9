"""Two homes compared: every file and every logical row, apart from ids and times.

Times become a word. Runs have ids, and hashes of what holds a time differ too, so an id (12 hex digits or
more, or a UUID) that only one home has may stand where the other has another, but then everywhere: the
renaming has to be one to one over the whole home. An id that both homes have stands for itself.
"""

from __future__ import annotations

import base64
import io
import re
import sqlite3
import zipfile
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from sopilot_assets.store.ledgers import BOOKKEEPING
from sopilot_assets.store.publish import TEMPORARY_PREFIX, published_files

TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d| UTC)?|\d{8}T\d{12,}"
)
IDENTITY: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<![0-9A-Za-z])[0-9a-f]{12,128}(?![0-9A-Za-z])"
)
SIGNATURE: Final = re.compile(r"-----BEGIN SSH SIGNATURE-----.*?-----END SSH SIGNATURE-----", re.DOTALL)
BINARY: Final = frozenset({".mp4", ".npz", ".pdf", ".png", ".jpg", ".sqlite"})
SKIPPED: Final = ("dagster", "proxies", "models")
"""Folders that a home can make again, or that hold Dagster's records of runs."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a home holds: text by name, with times taken out, and bytes by name."""

    text: dict[str, str] = field(default_factory=dict)
    binary: dict[str, bytes] = field(default_factory=dict)


def content_of(home: Path) -> Content:
    """Every published file of a home, archives by their members, and every ledger as its distinct rows."""
    found = Content()
    for path in sorted(home.rglob("*")):
        name = str(path.relative_to(home))
        if not path.is_file() or path.name.startswith(".") or path.suffix == ".lock":
            continue
        if path.relative_to(home).parts[0] in SKIPPED or path.suffix == ".parquet":
            continue
        _take(found, name, path.read_bytes())
    for folder in sorted((home / "ledgers").iterdir()):
        if folder.is_dir():
            found.text[f"ledger {folder.name}"] = "\n".join(sorted(_rows_as_text(folder)))
    return found


def _rows_as_text(folder: Path) -> Iterable[str]:
    rows = rows_of(folder)
    if folder.name == "looks":  # a run that was killed and repeated looked twice, at the same
        told = ({name: row[name] for name in row if name != "look_id"} for row in rows)
        return {_plain(str(row)) for row in told}
    return [_plain(str(row)) for row in rows]


def _take(found: Content, name: str, data: bytes) -> None:
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                _take(found, f"{name}/{member}", archive.read(member))
    elif Path(name).suffix in BINARY:
        found.binary[name] = data
    else:
        found.text[name] = _plain(data.decode("utf-8"))


def _plain(text: str) -> str:
    return SIGNATURE.sub("<signature>", TIME.sub("<time>", _decoded(text)))


def _decoded(text: str) -> str:
    """Text with the base64 payload of an envelope in clear, since it holds ids too."""

    def decode(match: re.Match[str]) -> str:
        return f'"payload": {base64.b64decode(match[1]).decode("utf-8")}'

    return re.sub(r'"payload":\s*"([A-Za-z0-9+/=]{40,})"', decode, text)


def rows_of(folder: Path) -> list[dict[str, object]]:
    """The distinct rows of a ledger's folder, without who wrote them when; reads every file whole."""
    rows: dict[str, dict[str, object]] = {}
    for path in published_files(folder, "*.parquet"):
        for row in pq.ParquetFile(path).read().to_pylist():
            content = {name: value for name, value in row.items() if name not in (*BOOKKEEPING, "row_id")}
            rows[row["row_id"]] = content
    return list(rows.values())


def differences(one: Path, other: Path) -> list[str]:
    """What is not the same in both homes; empty when they are alike apart from ids and times."""
    return content_differences(content_of(one), content_of(other))


def content_differences(left: Content, right: Content) -> list[str]:
    """What is not the same in the contents of two homes."""
    ids = (_ids(left), _ids(right))
    names = _Names(shared=frozenset(ids[0] & ids[1]))
    faults = _compared(
        {**left.text, "names of files": _listing(left)},
        {**right.text, "names of files": _listing(right)},
        names,
    )
    for name in sorted({*left.binary, *right.binary}):
        if left.binary.get(name) != right.binary.get(name):
            faults.append(f"{name}: other bytes, or in one home only")
    return faults


def _listing(content: Content) -> str:
    return "\n".join(sorted([*content.text, *content.binary]))


def _ids(content: Content) -> set[str]:
    whole = "\n".join([*content.text.values(), _listing(content)])
    return set(IDENTITY.findall(whole))


@dataclass
class _Names:
    """The renaming found so far, both ways."""

    shared: frozenset[str]
    there: dict[str, str] = field(default_factory=dict)
    back: dict[str, str] = field(default_factory=dict)

    def agree(self, one: str, other: str) -> bool:
        if one in self.shared or other in self.shared:
            return one == other
        return self.there.setdefault(one, other) == other and self.back.setdefault(other, one) == one


def _compared(left: dict[str, str], right: dict[str, str], names: _Names) -> list[str]:
    """Texts whose words differ, or whose ids cannot be renamed into each other."""
    faults = []
    by_skeleton = [{IDENTITY.sub("<id>", name): name for name in texts} for texts in (left, right)]
    for skeleton in sorted({*by_skeleton[0], *by_skeleton[1]}):
        pair = [names_of.get(skeleton) for names_of in by_skeleton]
        if None in pair:
            faults.append(f"{skeleton}: only in {'the first' if pair[1] is None else 'the second'}")
            continue
        faults += _compared_text(skeleton, left[str(pair[0])], right[str(pair[1])], names)
    return faults


def _compared_text(name: str, left: str, right: str, names: _Names) -> list[str]:
    lines = [_in_order(text, names.shared) for text in (left, right)]
    if len(lines[0]) != len(lines[1]):
        return [f"{name}: {len(lines[0])} and {len(lines[1])} lines"]
    for one, other in zip(*lines, strict=True):
        if IDENTITY.sub("<id>", one) != IDENTITY.sub("<id>", other):
            return [f"{name}: {_where(one, other)}"]
        pairs = zip(IDENTITY.findall(one), IDENTITY.findall(other), strict=True)
        torn = next((pair for pair in pairs if not names.agree(*pair)), None)
        if torn:
            return [f"{name}: {torn[0]} stands where the other has {torn[1]}"]
    return []


def _in_order(text: str, shared: frozenset[str]) -> list[str]:
    """The lines; those of ledgers and listings are sorted, so that renamed ids do not change the order."""

    def known(line: str) -> str:
        return IDENTITY.sub(lambda match: match[0] if match[0] in shared else "<id>", line)

    lines = text.splitlines()
    return sorted(lines, key=known) if text == "\n".join(sorted(lines)) else lines


def _where(one: str, other: str) -> str:
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
    return f"{one[max(0, at - 60) : at + 60]!r} against {other[max(0, at - 60) : at + 60]!r}"


def doubled_rows(home: Path, one_each: Iterable[tuple[str, str]]) -> list[str]:
    """Subjects with more than one distinct row, for ledgers (name and subject column) that have one each."""
    faults = []
    for name, subject in one_each:
        subjects = [str(row[subject]) for row in rows_of(home / "ledgers" / name)]
        faults += [
            f"ledger {name}: {one} has {subjects.count(one)} rows"
            for one in {*subjects}
            if subjects.count(one) > 1
        ]
    return faults


def torn_databases(home: Path) -> list[str]:
    """Dagster's databases that are not whole."""
    found = {path: _integrity(path) for path in sorted((home / "dagster").rglob("*.db"))}
    return [f"{path.relative_to(home)}: {said}" for path, said in found.items() if said != "ok"]


def _integrity(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        try:
            return str(connection.execute("pragma integrity_check").fetchone()[0])
        except sqlite3.DatabaseError as error:
            return str(error)


def unfinished(home: Path) -> list[Path]:
    """Temporary files and folders that killed writers left."""
    return sorted(home.rglob(f"{TEMPORARY_PREFIX}*"))
