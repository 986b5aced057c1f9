"""Dossiers without the pictures of erased recordings.

A dossier is signed, so nothing of it may change; but pictures may go where ``erased.json`` says so (see
`dossier.verifier.erased`). That file is published first, then the pictures go, then the zip is made anew.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from sopilot_assets.dossier.package import dossier_zip, erased_document
from sopilot_assets.dossier.signing import SigningKey, list_keys, sign
from sopilot_assets.dossier.verifier.erased import (
    ALLOWED_SIGNERS,
    ERASABLE,
    ERASED,
    ERASED_SIGNATURE,
    PAGE,
)
from sopilot_assets.dossier.verifier.files import MANIFEST, sha256
from sopilot_assets.dossier.verifier.tables import CASES_FILE
from sopilot_assets.errors import DossierError, ErasureError
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import (
    local_path,
    only_writer,
    publish_bytes,
    publish_moved,
    remove_unfinished,
    scratch_folder,
)
from sopilot_assets.store.shared import withdraw
from sopilot_assets.upkeep.erasing.plan import ErasurePlan
from sopilot_assets.upkeep.erasing.texts import NamesInText

_NOTHING: Final = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
"""A picture of one transparent pixel."""
_OF_GOLD: Final = re.compile(r"_gold\.jpg$")


def dossiers_with(home: Home, plan: ErasurePlan) -> list[Path]:
    """The folders of dossiers whose rows are about recordings of this person, or which show a gold of theirs,
    by path.
    """
    found = sorted(local_path(home.dossiers).glob("*/*/dossier.json"))
    return [
        path.parent for path in found if _cases(path.parent) & plan.keys or _gold_stills(path.parent, plan)
    ]


def erase_in_dossier(home: Home, folder: Path, plan: ErasurePlan) -> int:
    """Take the pictures of erased recordings out of a dossier; returns how many it lost with this and before.

    Its other files keep their bytes. A PDF beside it is removed: it can be printed again.
    """
    with only_writer(folder.with_name(".lock")):
        remove_unfinished(folder)
        recordings, removed = _told(folder, plan)
        page = _page_without(folder, removed, plan)
        hashes = (_stated(folder)[PAGE], sha256(page))
        data = erased_document(recordings, removed, page=None if hashes[0] == hashes[1] else hashes)
        key = _key_of(home, folder)
        # in this order: a picture is only missing where that is said, and no signature is of other bytes
        if not (folder / ERASED).exists() or (folder / ERASED).read_bytes() != data:
            (folder / ERASED_SIGNATURE).unlink(missing_ok=True)
            _publish(folder, ERASED, data)
        if key is not None:
            _publish(folder, ERASED_SIGNATURE, sign(key, data))
        _publish(folder, PAGE, page)
        for name in removed:
            withdraw(folder / name)
            (folder / name).unlink(missing_ok=True)
        _seal(folder)
    return len(removed)


def _publish(folder: Path, name: str, data: bytes) -> None:
    """Publish a file of a dossier. It is written beside it: what kill -9 leaves half written in a dossier
    would keep it from verifying.
    """
    with scratch_folder(folder.parent) as beside:
        publish_bytes(beside / name, data)
        publish_moved(beside / name, folder / name)


def _seal(folder: Path) -> None:
    """Make the zip anew, and remove what was printed."""
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    publish_bytes(folder.with_name(f"{folder.name}.zip"), dossier_zip(folder.name, files))
    folder.with_name(f"{folder.name}.pdf").unlink(missing_ok=True)
    for empty in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        if not any(empty.iterdir()):
            empty.rmdir()


def _told(folder: Path, plan: ErasurePlan) -> tuple[set[str], dict[str, str]]:
    """The recordings and the pictures that ``erased.json`` names with this erasure; what it said before
    stays.
    """
    path = folder / ERASED
    known = json.loads(path.read_bytes()) if path.exists() else {"recordings": [], "removed": {}}
    stated = _stated(folder)
    gone = {name: digest for name, digest in stated.items() if _shows(name, folder, plan)}
    recordings = {*map(str, known["recordings"]), *(_cases(folder) & plan.keys)}
    return recordings, {**{str(name): str(one) for name, one in known["removed"].items()}, **gone}


def _shows(name: str, folder: Path, plan: ErasurePlan) -> bool:
    if not name.startswith(ERASABLE):
        return False
    return name.split("/")[1] in plan.keys or bool(plan.golds and name in _gold_stills(folder, plan))


def _gold_stills(folder: Path, plan: ErasurePlan) -> set[str]:
    """The pictures of golds in a dossier of a task in which golds are erased: their names do not say of which
    gold they are.
    """
    if not plan.golds or _task(folder) not in {one.task_id for one in plan.golds}:
        return set()
    return {name for name in _stated(folder) if name.startswith(ERASABLE) and _OF_GOLD.search(name)}


def _page_without(folder: Path, removed: Mapping[str, str], plan: ErasurePlan) -> bytes:
    """The page of the dossier without the pictures that are removed, which it holds as text, and without the
    names of files; these stay in the signed rows.
    """
    page = (folder / PAGE).read_bytes().decode("utf-8")
    for data in _still_there(folder, removed):
        page = page.replace(f"data:image/jpeg;base64,{base64.b64encode(data).decode()}", _NOTHING)
    return NamesInText(plan.names).removed(page).encode("utf-8")


def _still_there(folder: Path, removed: Mapping[str, str]) -> Iterator[bytes]:
    for name in removed:
        path = folder / name
        if path.exists():
            yield path.read_bytes()


def _key_of(home: Home, folder: Path) -> SigningKey | None:
    """The key that the dossier is signed with; None where the home does not have it any more."""
    signers = (folder / ALLOWED_SIGNERS).read_bytes()
    try:
        return next((key for key in list_keys(home.keys) if key.allowed_signers == signers), None)
    except DossierError:  # a key that cannot be used signs nothing
        return None


def _cases(folder: Path) -> frozenset[str]:
    path = folder / CASES_FILE
    if not path.exists():
        return frozenset()
    return frozenset(
        row["case_id"] for row in csv.DictReader(io.StringIO(path.read_text("utf-8"), newline=""))
    )


def _task(folder: Path) -> str:
    return str(json.loads((folder / "dossier.json").read_bytes()).get("task_id"))


def _stated(folder: Path) -> dict[str, str]:
    """The hashes of the files as the signed manifest states them."""
    try:
        files = json.loads((folder / MANIFEST).read_bytes())["files"]
        return {str(name): str(one["sha256"]) for name, one in files.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ErasureError(
            f"{folder / MANIFEST}: expected the manifest of a dossier, found something else ({error}). "
            "Remove the dossier, or restore it from a backup."
        ) from error
