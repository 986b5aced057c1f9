"""Landing: an upload whose bytes are all there goes into the capture folder, once, whatever is killed when.

``landing.json`` in the upload's folder says where it goes before it is moved there. While ``data`` lies in
that folder, nothing has happened yet and the place is chosen anew; once it is gone, the recording has landed,
and only what is known of it may still have to be written beside it.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from sopilot_assets.capture.add import capture_folder, free_target, hashed_name, only_namer
from sopilot_assets.capture.facts import facts_of
from sopilot_assets.capture.registry import Registry
from sopilot_assets.capture.scan import sidecar_of
from sopilot_assets.capture.uploads import (
    Upload,
    forget_upload,
    only_user,
    received_bytes,
    unfinished_uploads,
    upload_data,
    upload_folder,
)
from sopilot_assets.errors import SopilotError, UploadError
from sopilot_assets.store.home import ROLES, VIDEO_ID_DIGITS, Home, PartitionKey
from sopilot_assets.store.publish import (
    file_sha256,
    local_path,
    publish_bytes,
    publish_moved,
    publish_text,
)
from sopilot_assets.texts.names import printable

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Landing:
    """Where an upload went: ``target`` is its path below the capture folder. ``key`` is the recording that
    has these bytes already, ``was_there`` says that a file with these bytes lay there; nothing landed then.
    ``changed``: its bytes are not those that were sent, and were thrown away. ``done``: nothing is left to
    do.
    """

    sha256: str
    target: str | None
    key: str | None = None
    was_there: bool = False
    changed: bool = False
    done: bool = False


_LANDINGS: Final = TypeAdapter(Landing)


def read_landing(home: Home, upload: Upload) -> Landing | None:
    """Where an upload went; None for one that has not landed."""
    if upload_data(home, upload).exists():
        return None
    try:
        return _LANDINGS.validate_json(_path(home, upload).read_bytes())
    except FileNotFoundError:
        return None


def land(home: Home, upload: Upload) -> Landing | None:
    """Where the upload went, into the capture folder now or earlier; None while bytes are missing.

    Raises ``UploadError`` while another process receives or lands it.
    """
    landing = read_landing(home, upload)
    if landing is not None and landing.done:
        return landing
    if received_bytes(home, upload) < upload.size_bytes:
        return None
    with only_user(home, upload):
        landing = read_landing(home, upload)
        if landing is None:
            landing = _moved(home, upload)
        return landing if landing.done else _finished(home, upload, landing)


def land_complete(home: Home) -> int:
    """Land whatever was complete when a server was ended; returns how many uploads. One that cannot land now
    (a full disk, a folder that cannot be written) stays; the log says why.
    """
    landed = 0
    for upload in list(_unlanded(home)):
        with _holding_up_no_other(upload):
            landed += land(home, upload) is not None
    return landed


def forget_expired_uploads(home: Home, uploads: Iterable[Upload]) -> int:
    """Remove uploads whose time is over; returns how many. One that is complete lands first, and stays where
    it cannot; so does one that is at work.
    """
    removed = 0
    for upload in uploads:
        with _holding_up_no_other(upload):
            land(home, upload)
            with only_user(home, upload):
                forget_upload(home, upload)
            removed += 1
    return removed


@contextlib.contextmanager
def _holding_up_no_other(upload: Upload) -> Iterator[None]:
    """Go on with the next upload where this one cannot land, which the log says; one at work is no fault."""
    try:
        yield
    except (SopilotError, OSError) as error:
        if not (isinstance(error, UploadError) and error.why == "busy"):
            _LOG.warning("The upload %s cannot land, and waits: %s", printable(upload.name), error)


def _unlanded(home: Home) -> list[Upload]:
    return [one for one in unfinished_uploads(home) if received_bytes(home, one) == one.size_bytes]


def _moved(home: Home, upload: Upload) -> Landing:
    """The landing of an upload that is complete, after its bytes have gone where they belong."""
    data = upload_data(home, upload)
    sha256 = file_sha256(data)
    folder = capture_folder(home, upload.place)
    if upload.sha256 not in (None, sha256):
        return _dropped(home, upload, Landing(sha256, None, changed=True, done=True))
    with only_namer(home):
        task_id = upload.place.task_id
        keys = [PartitionKey(task_id, role, sha256[:VIDEO_ID_DIGITS]) for role in ROLES]
        known = Registry.read_those(home, keys).of(task_id, sha256)
        if known is not None:
            return _dropped(home, upload, Landing(sha256, None, key=str(known.key), done=True))
        target, was_there = free_target(folder, [upload.name, hashed_name(upload.name, sha256)], sha256)
        landing = Landing(
            sha256, target.relative_to(local_path(home.capture)).as_posix(), was_there=was_there
        )
        if was_there:
            return _dropped(home, upload, landing)
        _note(home, upload, landing)
        publish_moved(data, target)
    return landing


def _finished(home: Home, upload: Upload, landing: Landing) -> Landing:
    """The same landing once what is known of the recording lies beside it."""
    facts = facts_of(upload.facts)
    if facts and landing.target is not None:
        sidecar = sidecar_of(local_path(home.capture) / landing.target)
        # of a file that lay there before, somebody may have said something already
        if not (landing.was_there and sidecar.exists()):
            publish_text(sidecar, json.dumps(facts, ensure_ascii=False, indent=1) + "\n")
    done = replace(landing, done=True)
    _note(home, upload, done)
    return done


def _dropped(home: Home, upload: Upload, landing: Landing) -> Landing:
    """The landing of an upload whose bytes are not wanted."""
    _note(home, upload, landing)
    upload_data(home, upload).unlink(missing_ok=True)
    return landing


def _note(home: Home, upload: Upload, landing: Landing) -> None:
    publish_bytes(_path(home, upload), _LANDINGS.dump_json(landing, indent=1))


def _path(home: Home, upload: Upload) -> Path:
    return upload_folder(home, upload) / "landing.json"
