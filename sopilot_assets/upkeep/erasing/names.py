"""The names of a person's files that nobody else's file has: those are taken out of all texts."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from sopilot_assets.capture.ledgers import duplicates_ledger, quarantine_ledger, videos_ledger
from sopilot_assets.capture.uploads import Upload
from sopilot_assets.store.home import VIDEO_ID_DIGITS, Home
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.erasing.texts import REMOVED

_NO_NAMES: Final = frozenset({"", "unknown", REMOVED})


def own_names(
    home: Home, keys: Collection[str], *, files: Iterable[Path] = (), uploads: Iterable[Upload] = ()
) -> set[str]:
    """The names and paths by which recordings with these ``keys`` were ever dropped, and which ``files`` in
    the capture folder and in quarantine and ``uploads`` have, as far as nobody else's are called so.
    """
    videos = {key.rpartition("-")[2] for key in keys}
    capture, quarantine = local_path(home.capture), local_path(home.quarantine)
    refused, mine = set[str](), {upload.name for upload in uploads}
    for path in files:
        if path.is_relative_to(capture):
            mine |= {path.name, path.relative_to(capture).as_posix()}
        elif path.is_relative_to(quarantine):
            refused.add(path.name)
    others = set[str]()
    for ledger, whose, stored in (
        (videos_ledger(home), "key", "''"),
        (duplicates_ledger(home), "key", "''"),
        (quarantine_ledger(home), "stored_name", "stored_name"),
    ):
        sql = (
            f"select distinct {whose} as whose, original_name, capture_path, {stored} as stored from all_rows"  # noqa: S608 - constants
        )
        for row in plain_rows(ledger.query(sql)):
            its = str(row["whose"])
            # what was refused is stored by the first digits of its hash and its name
            is_own = its in keys or its in refused or its[:VIDEO_ID_DIGITS] in videos
            names = {str(row[name] or "") for name in ("original_name", "capture_path", "stored")}
            (mine if is_own else others).update(names)
    return mine - others - _NO_NAMES
