"""The ledgers of intake: which videos are registered, which files were refused, which arrived a second
time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from sopilot_assets.store.home import VIDEO_ID_DIGITS, Home, PartitionKey
from sopilot_assets.store.ledgers import Cell, Ledger, Row
from sopilot_assets.texts.names import composed, printable

if TYPE_CHECKING:  # who only reads the tables loads no video library
    from sopilot_assets.capture.examine import Examination
    from sopilot_assets.capture.reasons import Reason
    from sopilot_assets.capture.scan import CapturePlace, DroppedFile
    from sopilot_assets.capture.sidecar import Sidecar

ACTIVE: Final = "active"
RETIRED: Final = "retired"
"""``status`` of a trainee recording that was made a gold of its task afterwards."""
REPLACED: Final = "replaced"
"""``status`` of a recording that was taken in before it was whole; ``why`` is the key of the whole one."""
WITHDRAWN: Final = "withdrawn"
"""``status`` of a recording that somebody took out, until it is restored."""
ERASED: Final = "erased"
"""``status`` of a recording that was erased at a person's wish: its pictures and names are gone for good."""
DAMAGED: Final = "damaged"
"""The flag of a recording of which a part is missing or does not decode."""

_PLACE = {"task_id": pa.string(), "role": pa.string(), "site": pa.string(), "camera": pa.string()}
_PROVENANCE = {name: pa.string() for name in ("person", "session", "recorded_at", "source_video")}
_CHANGE = {name: pa.string() for name in ("changed_by", "changed_at", "why")}
_QUALITY = {
    name: pa.float64() for name in ("brightness", "dark_share", "bright_share", "sharpness", "shake_percent")
}

VIDEO_COLUMNS: Final = {
    "key": pa.string(),
    "video_id": pa.string(),
    "sha256": pa.string(),
    **_PLACE,
    **_PROVENANCE,
    "original_name": pa.string(),
    "capture_path": pa.string(),
    "stored_name": pa.string(),
    "size_bytes": pa.int64(),
    "duration_s": pa.float64(),
    "frame_count": pa.int64(),
    "width": pa.int64(),
    "height": pa.int64(),
    "rotation_deg": pa.int64(),
    "codec": pa.string(),
    "container": pa.string(),
    "mean_fps": pa.float64(),
    "variable_rate": pa.bool_(),
    "reader": pa.string(),
    "refusal": pa.string(),
    "damaged_share": pa.float64(),
    **_QUALITY,
    "flags": pa.string(),
    "status": pa.string(),
    **_CHANGE,
}
"""``flags`` are comma-separated. ``reader`` and ``refusal`` differ in rows of before only: which of two
readers read the video, and why the first one did not. ``changed_by``, ``changed_at`` and ``why`` say how a
row came to differ from the one before it, and are null in the first row of a recording.
"""

QUARANTINE_COLUMNS: Final = {
    "quarantine_id": pa.string(),
    "sha256": pa.string(),
    "capture_path": pa.string(),
    "original_name": pa.string(),
    "stored_name": pa.string(),
    "size_bytes": pa.int64(),
    "reason": pa.string(),
    "detail": pa.string(),
}

DUPLICATE_COLUMNS: Final = {
    "duplicate_id": pa.string(),
    "key": pa.string(),
    "sha256": pa.string(),
    "capture_path": pa.string(),
    "original_name": pa.string(),
}


def videos_ledger(home: Home) -> Ledger:
    """One row per registered recording and task; the newest row of a partition key counts."""
    return Ledger(home.ledgers, "videos", VIDEO_COLUMNS, "key")


def quarantine_ledger(home: Home) -> Ledger:
    """One row per refused file."""
    return Ledger(home.ledgers, "quarantine", QUARANTINE_COLUMNS, "quarantine_id")


def duplicates_ledger(home: Home) -> Ledger:
    """One row per file whose bytes were registered already."""
    return Ledger(home.ledgers, "duplicates", DUPLICATE_COLUMNS, "duplicate_id")


def partition_key(place: CapturePlace, sha256: str) -> PartitionKey:
    """The partition of a recording in a task."""
    return PartitionKey(place.task_id, place.role, sha256[:VIDEO_ID_DIGITS])


def video_row(
    candidate: DroppedFile,
    place: CapturePlace,
    *,
    sha256: str,
    stored_name: str,
    sidecar: Sidecar,
    examination: Examination,
    flags: Iterable[str],
) -> Row:
    """The row of an accepted recording; the same file always gives the same row.

    Its name is the one it was dropped by first, also when it comes out of quarantine.
    """
    probe, quality = examination.probe, examination.quality
    key = partition_key(place, sha256)
    return {
        "key": str(key),
        "video_id": key.video_id,
        "sha256": sha256,
        **asdict(place),
        "person": sidecar.person,
        "session": sidecar.session,
        "recorded_at": sidecar.recorded_at.isoformat() if sidecar.recorded_at else None,
        "source_video": sidecar.source_video,
        "original_name": composed(printable(candidate.path.name.removeprefix(f"{key.video_id}-"))),
        "capture_path": candidate.relative,
        "stored_name": stored_name,
        "size_bytes": candidate.state.size_bytes,
        "duration_s": round(probe.duration_s, 6),
        "frame_count": probe.frame_count,
        "width": probe.width,
        "height": probe.height,
        "rotation_deg": probe.rotation_deg,
        "codec": probe.codec,
        "container": probe.container,
        "mean_fps": round(probe.mean_fps, 6),
        "variable_rate": probe.variable_rate,
        "reader": examination.reader,
        "refusal": None,
        "damaged_share": examination.damaged_share,
        **{name: getattr(quality, name) for name in _QUALITY},
        "flags": ",".join(flags),
        "status": ACTIVE,
        **dict.fromkeys(_CHANGE),
    }


def retired_row(registered: Row) -> Row:
    """The row that retires a recording whose bytes became a gold of the same task."""
    return {**registered, "status": RETIRED}


def changed_row(registered: Row, change: Mapping[str, Cell], *, who: str, at: str, why: str) -> Row:
    """The row of a recording after a change: ``who`` made it, when (ISO 8601) and why."""
    return {**registered, **change, "changed_by": who, "changed_at": at, "why": why}


def quarantine_row(
    candidate: DroppedFile, *, sha256: str, stored_name: str, reason: Reason, detail: str
) -> Row:
    """The row of a refused file."""
    return {
        "quarantine_id": f"{sha256[:VIDEO_ID_DIGITS]}:{candidate.relative}",
        "sha256": sha256,
        "capture_path": candidate.relative,
        "original_name": printable(candidate.path.name),
        "stored_name": stored_name,
        "size_bytes": candidate.state.size_bytes,
        "reason": reason.value,
        "detail": detail,
    }


def duplicate_row(candidate: DroppedFile, registered: Row) -> Row:
    """The row of a file whose bytes are registered already."""
    return {
        "duplicate_id": f"{registered['key']}:{candidate.relative}",
        "key": registered["key"],
        "sha256": registered["sha256"],
        "capture_path": candidate.relative,
        "original_name": printable(candidate.path.name),
    }
