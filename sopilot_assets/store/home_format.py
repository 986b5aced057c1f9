"""The format of a home: the number that says which versions of the program may write into it.

It stands in ``sopilot-home.json`` in the home; a home without that file is of format 1, which 0.1.0 wrote.
Who writes a file asks first (`publish`), and so does who opens a database of the home. Reading is never
refused.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sopilot_assets
from sopilot_assets.errors import FormatError, StoreError

FORMAT_FILE: Final = "sopilot-home.json"
HOME_FORMAT: Final = 2
"""The format of homes that this version makes, and to which `sopilot upgrade run` brings older ones."""
OLDEST_WRITABLE: Final = 1
"""The oldest format that this version may write into as it is. Older ones have to be upgraded first."""

_CHANGING: Final = ContextVar("_CHANGING", default=False)


@dataclass(frozen=True, slots=True)
class HomeFormat:
    """What a home says of its format: its ``number``, which program made it so, and by which ``upgrade``.

    ``towards`` is a format while the home is on its way there: an upgrade, or taking one back, that has not
    ended.
    """

    number: int = 1
    made_by: str = "sopilot 0.1.0"
    upgrade: str | None = None
    towards: int | None = None

    def as_json(self) -> bytes:
        """The content of the file that says so."""
        said = {"format": self.number, "made_by": self.made_by}
        if self.upgrade is not None:
            said["upgrade"] = self.upgrade
        if self.towards is not None:
            said["towards"] = self.towards
        return json.dumps(said, indent=1).encode("ascii") + b"\n"


def this_program() -> str:
    """This program and its version, as files that it makes name it."""
    return f"sopilot {sopilot_assets.__version__}"


def read_format(root: Path) -> HomeFormat:
    """What the home ``root`` says of its format.

    Raises ``FormatError`` for a file that says something else, ``StoreError`` for one that cannot be read.
    """
    return _said(root) or HomeFormat()


def refuse_unwritable(root: Path) -> None:
    """Nothing; ``FormatError`` where this version must not write into the home ``root``."""
    _refuse(root, read_format(root))


def refuse_unwritable_file(path: Path) -> None:
    """The same for the home that a file lies in, if it lies in one that names its format."""
    for root in path.parents:
        # asked before every file that is written, so the cheap question comes first
        if os.path.exists(f"{root}/{FORMAT_FILE}") and (found := _said(root)) is not None:  # noqa: PTH110
            _refuse(root, found)
            return


@contextlib.contextmanager
def changing_format() -> Iterator[None]:
    """What is written in this block is the change of a home's format itself."""
    token = _CHANGING.set(True)
    try:
        yield
    finally:
        _CHANGING.reset(token)


def _refuse(root: Path, found: HomeFormat) -> None:
    if _CHANGING.get():
        return
    file = root / FORMAT_FILE
    if found.number > HOME_FORMAT:
        raise FormatError(
            f"{file}: expected format {HOME_FORMAT} or older, which {this_program()} writes, found "
            f"{found.number}, made by {found.made_by}. Nothing was written, and reading goes on. Activate "
            f"{found.made_by} or a later version (`install.sh --activate VERSION`), or let that version take "
            "its upgrade back: `sopilot upgrade revert`."
        )
    if found.towards is not None:
        raise FormatError(
            f"{file}: expected a home of one format, found one on its way from {found.number} to "
            f"{found.towards}: {found.upgrade} has not ended. Nothing was written. `sopilot upgrade run` of "
            f"{found.made_by} finishes it, `sopilot upgrade revert` takes it back."
        )
    if found.number < OLDEST_WRITABLE:
        raise FormatError(
            f"{file}: expected format {OLDEST_WRITABLE} to {HOME_FORMAT}, which {this_program()} writes, "
            f"found {found.number}, made by {found.made_by}. Nothing was written, and reading goes on. "
            "`sopilot upgrade check` says what would change, `sopilot upgrade run` does it."
        )


def _said(root: Path) -> HomeFormat | None:
    """What the file of a folder says; None where there is none."""
    path = root / FORMAT_FILE
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreError(
            f"{path}: could not be read ({error.strerror or error}); it says which versions may write here. "
            "Mend the disk or the permissions, then run the same step again."
        ) from error
    return _parsed(path, data)


def _parsed(path: Path, data: bytes) -> HomeFormat:
    try:
        said = json.loads(data)
        number, towards = said["format"], said.get("towards")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(path, data) from error
    # later versions may say more, which is no concern of this one
    if not isinstance(number, int) or not isinstance(towards, int | None):
        raise _damaged(path, data)
    upgrade = said.get("upgrade")
    made_by = str(said.get("made_by", "a later version"))
    return HomeFormat(number, made_by, None if upgrade is None else str(upgrade), towards)


def _damaged(path: Path, data: bytes) -> FormatError:
    return FormatError(
        f'{path}: expected {{"format": {HOME_FORMAT}, ...}}, found {data[:80]!r}. Nothing was written. '
        "Restore the file from a backup; `sopilot backup list` shows which there are."
    )
