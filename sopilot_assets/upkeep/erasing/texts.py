"""Texts without the names of erased recordings: reports, alerts, logs and what was sent."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import markupsafe

from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, only_writer, publish_bytes

REMOVED: Final = "(erased)"
"""What stands where a name stood."""
_TEXTS: Final = (
    "alerts/*.jsonl",
    "outbox/*.jsonl",
    "reports/**/*",
    "campaigns/**/*",
    "dagster/storage/**/*",
    "capture/**/*.csv",
    "demo/**/*.csv",
    "demo/**/*.json*",
)
_LOCKS: Final = ("alerts/.alerts.lock", "alerts/.delivering.lock", "outbox/.delivering.lock")
"""Held meanwhile, so that nobody adds to a journal that is being replaced."""


_BEFORE: Final = r"(?:(?<![\w.-])|(?<=\\[nrt])|(?<=\\u30[01][0-9a-f])|(?<=\\uff[01][0-9a-f]))"
"""Before a name there is no letter; JSON writes ends of lines and Japanese signs with some."""


def spellings(name: str) -> set[str]:
    """A name as it is, and as JSON and pages write it."""
    return {name, json.dumps(name)[1:-1], html.escape(name), str(markupsafe.escape(name))}


@dataclass(frozen=True, slots=True)
class NamesInText:
    """Names, found as whole words, as they are and as JSON and pages write them; ``codes`` only where they
    are a value of Dagster's metadata. What follows without a space, as in Japanese, is no part of a name.
    """

    names: Collection[str]
    codes: Collection[str] = ()
    _pattern: re.Pattern[str] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        spelled = {one for name in self.names for one in spellings(name)}
        words = [_BEFORE + re.escape(one) + _after(one) for one in sorted(spelled, key=len, reverse=True)]
        words += [
            f'(?<="{label}": "){re.escape(code)}(?=")'
            for code in sorted({one for code in self.codes for one in spellings(code)})
            for label in ("text", "person")
        ]
        object.__setattr__(self, "_pattern", re.compile("|".join(words)) if words else None)

    def removed(self, text: str) -> str:
        """The text without them."""
        return self._pattern.sub(REMOVED, text) if self._pattern else text


def _after(name: str) -> str:
    return r"(?![A-Za-z0-9_-])" if name[-1].isascii() else r"(?![\w-])"


def clean_texts(home: Home, names: NamesInText, video_ids: Collection[str]) -> int:
    """Take the names out of the texts of a home, and the rows of these golds out of ``steps.csv``; returns
    how many files changed. What cannot be read as text is left alone.
    """
    changed = 0
    with ExitStack() as held:
        for lock in _LOCKS:
            if local_path(home.root / lock).parent.is_dir():
                held.enter_context(only_writer(home.root / lock))
        for path in _texts(local_path(home.root)):
            changed += _clean(path, names, video_ids)
    return changed


def _texts(root: Path) -> Iterator[Path]:
    for pattern in _TEXTS:
        yield from (path for path in sorted(root.glob(pattern)) if path.is_file())


def _clean(path: Path, names: NamesInText, video_ids: Collection[str]) -> bool:
    try:
        text = path.read_bytes().decode("utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return False
    told = _without_rows(text, names, video_ids) if path.suffix == ".csv" else names.removed(text)
    if told != text:
        publish_bytes(path, told.encode("utf-8"))
    return told != text


def _without_rows(text: str, names: NamesInText, video_ids: Collection[str]) -> str:
    """The lines of a table that name none of the recordings."""
    kept = [
        line
        for line in text.splitlines(keepends=True)
        if names.removed(line) == line and not _cells(line) & set(video_ids)
    ]
    return "".join(kept)


def _cells(line: str) -> set[str]:
    return {cell.strip() for row in csv.reader(io.StringIO(line)) for cell in row}
