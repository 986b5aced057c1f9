"""Refused files: kept with their sidecar and the reason, so that they can be dropped again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sopilot_assets.capture.ledgers import quarantine_row
from sopilot_assets.capture.names import REASON_SUFFIX
from sopilot_assets.capture.reasons import Reason
from sopilot_assets.capture.scan import DroppedFile
from sopilot_assets.capture.whole import is_closed, may_begin_video
from sopilot_assets.store.home import VIDEO_ID_DIGITS, Home
from sopilot_assets.store.ledgers import Row
from sopilot_assets.store.publish import local_path, publish_path, publish_text
from sopilot_assets.texts.names import printable, safe_name

_MENDED: Final = frozenset({Reason.TRUNCATED, Reason.NOT_A_VIDEO, Reason.NO_VIDEO_STREAM, Reason.UNREADABLE})
"""Refusals that the rest of a file may mend."""


@dataclass(frozen=True, slots=True)
class DroppedCopy:
    """The private copy of a dropped file that is examined and then published.

    ``closed`` where its container says that it ends here, ``begun`` where it begins like a video.
    """

    path: Path
    sha256: str
    closed: bool
    begun: bool

    @classmethod
    def of(cls, path: Path, sha256: str) -> DroppedCopy:
        """The copy at ``path``."""
        return cls(path, sha256, is_closed(path), may_begin_video(path))

    def may_grow(self, reason: Reason) -> bool:
        """Whether more of the file, if there is more to come, may mend why it is refused."""
        return self.begun and (reason in _MENDED or not self.closed)

    def publish(self, target: Path) -> None:
        """Move the copy to its place."""

        def rename(temporary: Path) -> None:
            self.path.replace(temporary)

        publish_path(target, rename)


class Refusal(Exception):
    """Ends the examination of one file: it goes to quarantine for this reason."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = printable(detail)


def put_in_quarantine(home: Home, candidate: DroppedFile, copy: DroppedCopy, refusal: Refusal) -> Row:
    """The ledger's row of a refused file, which lies in quarantine with its sidecar and the reason."""
    name = f"{copy.sha256[:VIDEO_ID_DIGITS]}-{safe_name(candidate.path.name)}"
    folder = local_path(home.quarantine)
    if candidate.sidecar is not None:
        publish_path(folder / f"{name}.json", _copier(candidate.sidecar))
    publish_text(folder / f"{name}{REASON_SUFFIX}", _reason_text(candidate, copy, refusal))
    copy.publish(folder / name)
    return quarantine_row(
        candidate,
        sha256=copy.sha256,
        stored_name=name,
        reason=refusal.reason,
        detail=refusal.detail,
    )


def _reason_text(candidate: DroppedFile, copy: DroppedCopy, refusal: Refusal) -> str:
    text = refusal.reason.text
    content = {
        "reason": refusal.reason.value,
        "en": {"what": text.english, "do": text.do_english},
        "ja": {"what": text.japanese, "do": text.do_japanese},
        "detail": refusal.detail,
        "capture_path": candidate.relative,
        "original_name": printable(candidate.path.name),
        "size_bytes": candidate.state.size_bytes,
        "sha256": copy.sha256,
    }
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def _copier(source: Path) -> Callable[[Path], None]:
    def copy(target: Path) -> None:
        shutil.copyfile(source, target, follow_symlinks=False)

    return copy
