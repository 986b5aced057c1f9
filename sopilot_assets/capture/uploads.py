"""Uploads: recordings that arrive in pieces, over connections that break, at servers that are restarted.

Each has a folder below ``uploads/`` in the home, outside of the capture folder: ``upload.json``, what is
known of it, and ``data``, the bytes so far. Bytes are only ever appended, by one process at a time; how many
there are is what the disk says. What became of it when all were there says `landing`.
"""

from __future__ import annotations

import base64
import binascii
import errno
import hashlib
import hmac
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from sopilot_assets.capture.add import is_no_recording, no_such_place
from sopilot_assets.capture.scan import CapturePlace
from sopilot_assets.capture.sidecar import Sidecar
from sopilot_assets.disk import GIB, Room
from sopilot_assets.errors import UploadError
from sopilot_assets.processes.held_file import take
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, publish_bytes
from sopilot_assets.texts.languages import Text
from sopilot_assets.texts.names import composed, printable, safe_name

if TYPE_CHECKING:
    from hashlib import _Hash

ALGORITHMS: Final = {"sha256": 32, "sha1": 20}
"""By which a client may have its bytes checked, and the bytes of a digest; the second only since many clients
know no other."""
MOST_UNFINISHED: Final = 200
"""Uploads that one account may have begun and not ended."""

_ID: Final = re.compile(r"[0-9a-f]{32}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_LONGEST_NAME: Final = 255
_ROOM_ASKED_EVERY: Final = 256 << 20
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class Upload:
    """A recording on its way: who sends it, what it is called there, how many bytes it has, where it goes and
    what is known of it. ``sha256`` is that of all its bytes, where the sender said it.
    """

    upload_id: str
    who: str
    name: str
    size_bytes: int
    place: CapturePlace
    facts: Sidecar
    sha256: str | None
    begun_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What is taken: files of at most ``largest_bytes``, which have ``days`` to arrive."""

    largest_bytes: int
    days: int


_UPLOADS: Final = TypeAdapter(Upload)


def upload_folder(home: Home, upload: Upload) -> Path:
    """Where an upload lies until it has landed, and what is known of it afterwards."""
    return local_path(home.uploads) / upload.upload_id


def upload_data(home: Home, upload: Upload) -> Path:
    """The bytes that are there; no such file once it has landed."""
    return upload_folder(home, upload) / "data"


def begin_upload(
    home: Home,
    *,
    who: str,
    name: str,
    size_bytes: int,
    place: CapturePlace,
    facts: Sidecar,
    sha256: str | None,
    at: datetime,
    limits: UploadLimits,
    room: Room,
) -> Upload:
    """A new upload without any bytes yet. Nothing is reserved: that a file is large costs nothing.

    Raises ``UploadError`` for what can never be taken in, or not now.
    """
    called = _called(name)
    _require_sizes(called, size_bytes, limits)
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        raise invalid("sha256: expected 64 hex digits.", "sha256 は 16 進数 64 桁で指定してください。")
    wrong = no_such_place(place)
    if wrong is not None:
        raise invalid(wrong.en, wrong.ja)
    _require_room(room, size_bytes)
    if sum(one.who == who for one in unfinished_uploads(home)) >= MOST_UNFINISHED:
        raise UploadError(
            "too_many",
            f"{MOST_UNFINISHED} uploads of {who} are not finished; finish or cancel some, then begin more.",
            ja=f"{who} の未完了のアップロードが {MOST_UNFINISHED} 件あります。完了または中止してください。",
        )
    until = at + timedelta(days=limits.days)
    upload = Upload(uuid4().hex, who, called, size_bytes, place, facts, sha256, at, until)
    folder = upload_folder(home, upload)
    folder.mkdir(parents=True)
    upload_data(home, upload).touch(mode=0o600)
    publish_bytes(folder / _NOTE, _UPLOADS.dump_json(upload, indent=1))
    return upload


_NOTE: Final = "upload.json"


def when_recorded(text: str, *, at: datetime) -> datetime | None:
    """The time of recording that a sender says (ISO 8601 with its zone) at the time ``at``; None where they
    say none. Raises ``UploadError`` for what is no such time, or cannot be one of a recording.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not _FIRST_RECORDING <= moment <= at + _CLOCKS_DIFFER:
        raise invalid(
            "recorded_at: expected when it was recorded with its zone, e.g. 2026-03-02T08:15:00+09:00, "
            f"found {text[:40]!r}.",
            "recorded_at には撮影日時をタイムゾーン付きで指定してください（例: 2026-03-02T08:15:00+09:00）。",
        )
    return moment


_FIRST_RECORDING: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Cameras whose clock was never set begin before that."""
_CLOCKS_DIFFER: Final = timedelta(days=1)


def find_upload(home: Home, upload_id: str, who: str) -> Upload | None:
    """The upload of this id that ``who`` began; None where there is none."""
    upload = _read(local_path(home.uploads) / upload_id) if _ID.fullmatch(upload_id) else None
    return upload if upload is not None and upload.who == who else None


def all_uploads(home: Home) -> Iterator[Upload]:
    """Every upload that is remembered, landed ones too."""
    folder = local_path(home.uploads)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        upload = _read(path)
        if upload is not None:
            yield upload


def unfinished_uploads(home: Home) -> Iterator[Upload]:
    """The uploads whose bytes are still below ``uploads/``."""
    for data in sorted(local_path(home.uploads).glob("*/data")):
        upload = _read(data.parent)
        if upload is not None:
            yield upload


def require_time(home: Home, upload: Upload, *, at: datetime) -> None:
    """Raise ``UploadError`` for an upload that may not go on any more, or never."""
    if at >= upload.expires_at and upload_data(home, upload).exists():
        raise UploadError(
            "over",
            f"{upload.name}: its upload began on {upload.begun_at:%Y-%m-%d} and was not finished in time. "
            "Upload the file anew.",
            ja=f"{upload.name}: {upload.begun_at:%Y-%m-%d} に始めたアップロードは期限切れです。"
            "はじめから送信してください。",
        )


def left_over_folders(home: Home) -> list[Path]:
    """Folders of uploads that were removed by a process that was killed meanwhile."""
    folders = (path for path in local_path(home.uploads).glob("*") if path.is_dir())
    return sorted(path for path in folders if not (path / _NOTE).exists())


def received_bytes(home: Home, upload: Upload) -> int:
    """How many of its bytes are there and need not be sent again; all of them once it has landed."""
    try:
        there = upload_data(home, upload).stat().st_size
    except FileNotFoundError:
        return upload.size_bytes
    return _checked_bytes(upload_folder(home, upload), there)


@contextmanager
def only_user(home: Home, upload: Upload) -> Iterator[None]:
    """Hold an upload, so that no other process writes, lands or removes it; raises ``UploadError`` where one
    does. The hold ends with the process.
    """
    folder = upload_folder(home, upload)
    held = take(folder / ".lock") if folder.is_dir() else None
    try:
        if held is None:
            raise UploadError(
                "busy",
                f"{upload.name}: it is being received already. Try again in some seconds.",
                ja=f"{upload.name} は受信中です。数秒後にもう一度お試しください。",
            )
        yield
    finally:
        if held is not None:
            os.close(held)


@contextmanager
def receiving(
    home: Home, upload: Upload, *, offset: int, checksum: str | None, room: Room
) -> Iterator[Receiving]:
    """Receive bytes of an upload from ``offset`` on, which has to be where its bytes end.

    ``checksum`` is that of the bytes to come, as in the header Upload-Checksum: the algorithm, a space, the
    digest in Base64. Without one, what arrived stays whatever ends the block; with one, all of it or nothing.
    """
    expected = _checksum(checksum) if checksum is not None else None
    with only_user(home, upload):
        there = received_bytes(home, upload)
        if offset != there:
            raise UploadError(
                "offset",
                f"{upload.name}: expected bytes from {there} on, found {offset}.",
                ja=f"{upload.name}: {there} バイト目からの続きが必要です（受信: {offset}）。",
            )
        _require_room(room, upload.size_bytes - there)
        descriptor = os.open(upload_data(home, upload), os.O_WRONLY | os.O_APPEND)
        try:
            os.ftruncate(descriptor, there)
            one = Receiving(upload, upload_folder(home, upload), descriptor, there, there, room, expected)
            one.begin()
            yield one
        finally:
            os.fsync(descriptor)
            os.close(descriptor)


@dataclass(slots=True)
class Receiving:
    """The bytes of one request as they are appended."""

    upload: Upload
    folder: Path
    descriptor: int
    begins: int
    ends: int
    room: Room
    expected: tuple[str, bytes] | None
    _digest: _Hash | None = field(default=None)

    def begin(self) -> None:
        """Where they are to be checked, note from where on they are not; a process that is killed then leaves
        nothing unchecked behind.
        """
        if self.expected is None:
            self._forget_marks()
        else:
            self._digest = hashlib.new(self.expected[0], usedforsecurity=False)
            (self.folder / f"{_UNCHECKED}{self.begins}").touch()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append them. Raises ``UploadError`` where they are more than the upload has, or do not fit on the
        disk.
        """
        if self.ends + len(data) > self.upload.size_bytes:
            raise too_many_bytes(self.upload)
        if self.ends // _ROOM_ASKED_EVERY != (self.ends + len(data)) // _ROOM_ASKED_EVERY:
            _require_room(self.room, self.upload.size_bytes - self.ends)
        left = memoryview(data)
        while left:
            try:
                written = os.write(self.descriptor, left)
            except OSError as error:
                if error.errno in _FULL:
                    why = error.strerror or str(error)
                    raise _no_room(Text(why, "これ以上書き込めません")) from error
                raise
            if self._digest is not None:
                self._digest.update(left[:written])
            self.ends += written
            left = left[written:]

    def finish(self) -> int:
        """How many bytes of the upload are there now. Raises ``UploadError`` where these arrived changed."""
        if self.expected is not None and self._digest is not None:
            if not hmac.compare_digest(self._digest.digest(), self.expected[1]):
                raise changed_bytes(self.upload)
            os.fsync(self.descriptor)
            self._forget_marks()
        return self.ends

    def _forget_marks(self) -> None:
        for mark in self.folder.glob(f"{_UNCHECKED}*"):
            mark.unlink()


_UNCHECKED: Final = "unchecked_from_"
"""An empty file is called so, and by the number of bytes that were checked: no name is there in half."""


def cancel_upload(home: Home, upload: Upload) -> None:
    """Remove an upload and its bytes. Raises ``UploadError`` for one that has landed, or is at work."""
    with only_user(home, upload):
        if not upload_data(home, upload).exists():
            raise UploadError(
                "landed",
                f"{upload.name}: it has arrived already; withdraw the recording instead.",
                ja=f"{upload.name} はすでに届いています。取り消すには録画を除外してください。",
            )
        forget_upload(home, upload)


def forget_upload(home: Home, upload: Upload) -> None:
    """Remove what is left of an upload; whoever calls this holds it."""
    (upload_folder(home, upload) / _NOTE).unlink(missing_ok=True)  # first: without it, it is none
    shutil.rmtree(upload_folder(home, upload), ignore_errors=True)


def invalid(message: str, ja: str) -> UploadError:
    """The refusal of something that was said of an upload."""
    return UploadError("invalid", message, ja=ja)


def too_many_bytes(upload: Upload) -> UploadError:
    """The refusal of more bytes than an upload has."""
    return UploadError(
        "too_large",
        f"{upload.name}: expected {upload.size_bytes} bytes in all, found more.",
        ja=f"{upload.name}: 全体で {upload.size_bytes} バイトのはずですが、それより多く届きました。",
    )


def changed_bytes(upload: Upload) -> UploadError:
    """The refusal of bytes that are not those that were sent."""
    return UploadError(
        "checksum",
        f"{upload.name}: the bytes that arrived are not those that were sent. Send them again.",
        ja=f"{upload.name}: 届いたデータが送信元と一致しません。もう一度送信してください。",
    )


def _require_sizes(name: str, size_bytes: int, limits: UploadLimits) -> None:
    if size_bytes <= 0:
        raise invalid(f"{name}: the file is empty.", f"{name}: ファイルが空です。")
    if size_bytes > limits.largest_bytes:
        largest, found = limits.largest_bytes / GIB, size_bytes / GIB
        raise UploadError(
            "too_large",
            f"{name}: expected at most {largest:g} GiB, found {found:.1f} GiB. Split the recording, or raise "
            "uploads.largest_gib in settings.yaml.",
            ja=f"{name}: 上限は {largest:g} GiB ですが、{found:.1f} GiB あります。録画を分割するか、"
            "settings.yaml の uploads.largest_gib を上げてください。",
        )


def _require_room(room: Room, size_bytes: int) -> None:
    why = room(size_bytes)
    if why is not None:
        raise _no_room(why)


def _no_room(why: Text) -> UploadError:
    return UploadError(
        "no_room",
        f"There is no room for it: {why.en}. What has arrived stays; go on when there is room.",
        ja=f"ディスクの空き容量が足りません（{why.ja}）。届いた分は残ります。空きができたら続けてください。",
    )


def _called(name: str) -> str:
    """What the file is called, without the folders that some devices put before it."""
    called = printable(composed(PurePosixPath(name.replace("\\", "/")).name)).strip()
    called = called if len(called) <= _LONGEST_NAME else safe_name(called)
    if not called or is_no_recording(called):
        raise UploadError(
            "kind",
            f"{called or 'A file without a name'}: by its name this is no recording. Choose video files.",
            ja=f"{called or '名前のないファイル'}: 録画の名前ではありません。動画ファイルを選んでください。",
        )
    return called


def _checksum(text: str) -> tuple[str, bytes]:
    algorithm, _, digest = text.partition(" ")
    try:
        expected = base64.b64decode(digest, validate=True)
    except (binascii.Error, ValueError):
        expected = b""
    if (
        algorithm not in ALGORITHMS
        or len(expected) != hashlib.new(algorithm, usedforsecurity=False).digest_size
    ):
        raise invalid(
            f"Upload-Checksum: expected {' or '.join(ALGORITHMS)}, a space and a digest in Base64.",
            f"Upload-Checksum は {' または '.join(ALGORITHMS)}、空白、Base64 の順で指定してください。",
        )
    return algorithm, expected


def _checked_bytes(folder: Path, there: int) -> int:
    marks = (path.name.removeprefix(_UNCHECKED) for path in folder.glob(f"{_UNCHECKED}*"))
    return min([there, *map(int, marks)])


def _read(folder: Path) -> Upload | None:
    try:
        return _UPLOADS.validate_json((folder / _NOTE).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValidationError):
        return None
