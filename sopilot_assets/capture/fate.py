"""The fate of an upload: on its way, waiting for the intake, taken in, refused; and how well it is filmed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import pandas as pd
from pydantic import TypeAdapter

from sopilot_assets.capture.filming import Checked, check_filming
from sopilot_assets.capture.landing import Landing, land, read_landing
from sopilot_assets.capture.ledgers import ACTIVE, quarantine_ledger, videos_ledger
from sopilot_assets.capture.reasons import Reason
from sopilot_assets.capture.uploads import Upload, received_bytes, upload_folder
from sopilot_assets.errors import ConfigError, UploadError
from sopilot_assets.processes.held_file import take
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Row, plain_rows
from sopilot_assets.store.publish import local_path, publish_bytes
from sopilot_assets.tasks import QualityGate, load_task


class UploadStage(StrEnum):
    """How far an upload is.

    ``receiving``: bytes are missing. ``landing``: all are there, and are being looked over. ``waiting``: in
    the capture folder, for the intake. ``registered`` and ``refused``: what intake made of it. ``changed``:
    it was thrown away, since its bytes are not those that were sent. ``removed``: somebody took it out of the
    capture folder.
    """

    RECEIVING = "receiving"
    LANDING = "landing"
    WAITING = "waiting"
    REGISTERED = "registered"
    REFUSED = "refused"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of an upload: ``received_bytes`` are there; ``key`` is the recording's once it is
    registered, ``reason`` and ``detail`` say why it was refused. ``known_before``: the recording, or the file
    in the capture folder, was there before. ``checked`` is how well it is filmed, where that is known yet.
    """

    stage: UploadStage
    received_bytes: int
    key: str | None = None
    reason: Reason | None = None
    detail: str = ""
    known_before: bool = False
    checked: Checked | None = None


_CHECKS: Final = TypeAdapter(Checked)


def fate_of(home: Home, upload: Upload) -> Fate:
    """What became of an upload so far; one that is complete and was not landed, lands."""
    try:
        landing = land(home, upload)
    except UploadError as error:
        if error.why != "busy":
            raise
        landing = read_landing(home, upload)
    if landing is None:
        there = received_bytes(home, upload)
        stage = UploadStage.RECEIVING if there < upload.size_bytes else UploadStage.LANDING
        return Fate(stage, there)
    return _of_landed(home, upload, landing)


def _of_landed(home: Home, upload: Upload, landing: Landing) -> Fate:
    size = upload.size_bytes
    if landing.changed:
        return Fate(UploadStage.CHANGED, 0)
    checked = _read_check(home, upload)
    key = landing.key or _registered(home, upload, landing.sha256)
    before = landing.key is not None or landing.was_there
    if key is not None:
        return Fate(UploadStage.REGISTERED, size, key=key, known_before=before, checked=checked)
    if landing.target is not None and (local_path(home.capture) / landing.target).exists():
        return Fate(UploadStage.WAITING, size, known_before=before, checked=checked)
    refused = _refused(home, landing)
    if refused is None:
        return Fate(UploadStage.REMOVED, size, checked=checked)
    reason = Reason(str(refused["reason"]))
    return Fate(
        UploadStage.REFUSED, size, reason=reason, detail=str(refused["detail"] or ""), checked=checked
    )


def check_upload(home: Home, upload: Upload) -> Checked | None:
    """How well a recording that has landed is filmed, measured once; None where another one is being
    measured, or it has left the capture folder.

    On one machine one recording at a time is measured, in a limited child process.
    """
    known, landing = _read_check(home, upload), read_landing(home, upload)
    if known is not None or landing is None or landing.target is None:
        return known
    path = local_path(home.capture) / landing.target
    held = take(local_path(home.uploads) / ".measuring.lock")
    if held is None:
        return None
    try:
        gate = load_task(home.tasks / f"{upload.place.task_id}.yaml").quality_gate
        checked = check_filming(path, gate.model_copy(update={"enabled": True}))
    except ConfigError:  # the task's file, or the recording, is not there any more
        return None
    finally:
        os.close(held)
    if not path.exists():  # it was taken in while it was read
        return None
    publish_bytes(_check_path(home, upload), _CHECKS.dump_json(checked, indent=1))
    return checked


def refuses(role: str, gate: QualityGate, checked: Checked) -> bool:
    """Whether intake will refuse a recording that is filmed so: one that cannot be used, and a gold outside
    of its task's limits.
    """
    return checked.problem is not None or (role == "gold" and gate.enabled and bool(checked.reasons))


def _read_check(home: Home, upload: Upload) -> Checked | None:
    path = _check_path(home, upload)
    return _CHECKS.validate_json(path.read_bytes()) if path.exists() else None


def _check_path(home: Home, upload: Upload) -> Path:
    return upload_folder(home, upload) / "filming.json"


def _registered(home: Home, upload: Upload, sha256: str) -> str | None:
    place = {"task_id": [upload.place.task_id], "role": [upload.place.role]}
    asked = pd.DataFrame({"sha256": [sha256], "status": [ACTIVE], **place})
    sql = "select latest.key from latest join asked using (sha256, status, task_id, role) order by key"
    rows = plain_rows(videos_ledger(home).query(sql, asked=asked))
    return str(rows[0]["key"]) if rows else None


def _refused(home: Home, landing: Landing) -> Row | None:
    asked = pd.DataFrame({"sha256": [landing.sha256], "capture_path": [landing.target]})
    sql = "select reason, detail from latest join asked using (sha256, capture_path)"
    rows = plain_rows(quarantine_ledger(home).query(sql, asked=asked))
    return rows[0] if rows else None
