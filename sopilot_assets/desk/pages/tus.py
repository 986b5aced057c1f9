"""The upload protocol tus 1.0.0 (https://tus.io/protocols/resumable-upload): creation, checksum, expiration
and termination. Any client of it can send recordings here, with a session and, where it is no browser, the
header X-Sopilot.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

import anyio
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from sopilot_assets.capture.landing import land, read_landing
from sopilot_assets.capture.scan import CapturePlace
from sopilot_assets.capture.sidecar import Sidecar
from sopilot_assets.capture.uploads import (
    ALGORITHMS,
    Upload,
    UploadLimits,
    begin_upload,
    cancel_upload,
    changed_bytes,
    find_upload,
    invalid,
    received_bytes,
    receiving,
    require_time,
    too_many_bytes,
    when_recorded,
)
from sopilot_assets.desk.accounts import Account
from sopilot_assets.desk.call import Call
from sopilot_assets.desk.roles import TRAINERS, Role
from sopilot_assets.desk.routing import DeskRoute
from sopilot_assets.disk import GIB, Room, room_for_files
from sopilot_assets.errors import ConfigError, UploadError
from sopilot_assets.settings import load_settings
from sopilot_assets.store.home import plain_id
from sopilot_assets.tasks import load_task
from sopilot_assets.texts.names import composed

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sopilot_assets.capture.uploads import Receiving

UPLOADERS: Final = TRAINERS | {Role.TRAINEE}
"""Who may send recordings: trainees their own."""

_VERSION: Final = "1.0.0"
_BODY: Final = "application/offset+octet-stream"
_BLOCK_BYTES: Final = 1 << 20
_SILENT_S: Final = 20.0
"""A request whose bytes stay away so long is ended, so that the sender, who lost the connection, can go on
with another one.
"""
_NUMBER: Final = re.compile(r"[0-9]{1,15}")
_LONGEST_METADATA: Final = 16_384
_STATUS: Final = {
    "invalid": 400,
    "kind": 415,
    "too_large": 413,
    "too_many": 429,
    "no_room": 507,
    "busy": 423,
    "offset": 409,
    "checksum": 460,
    "over": 410,
    "landed": 409,
}


def upload_limits(call: Call) -> UploadLimits:
    """What the home's settings allow."""
    settings = load_settings(call.home)
    return UploadLimits(int(settings.uploads.largest_gib * GIB), settings.retention.uploads_days)


def said(call: Call, error: UploadError) -> str:
    """Why an upload was refused, in the person's language, without where the home lies."""
    return call.home.relative_text(error.ja if call.language.value == "ja" else str(error))


def options(call: Call) -> Response:
    """What this server can do."""
    return _answer(
        204,
        {
            "Tus-Version": _VERSION,
            "Tus-Extension": "creation,checksum,expiration,termination",
            "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
            "Tus-Max-Size": str(upload_limits(call).largest_bytes),
        },
    )


def create(call: Call) -> Response:
    """Begin an upload."""
    if (other := _other_version(call)) is not None:
        return other
    try:
        upload = _begun(call)
    except UploadError as error:
        return _refused(call, error)
    return _answer(201, {"Location": f"/uploads/{upload.upload_id}", **_expires(upload)})


def head(call: Call) -> Response:
    """How many bytes are there."""
    if (other := _other_version(call)) is not None:
        return other
    upload = _own(call)
    if upload is None:
        return _answer(404)
    try:
        require_time(call.home, upload, at=call.now)
        _landed_or_at_work(call, upload)
    except UploadError:
        return _answer(410)
    there = received_bytes(call.home, upload)
    return _answer(
        200,
        {
            "Upload-Offset": str(there),
            "Upload-Length": str(upload.size_bytes),
            "Cache-Control": "no-store",
            **_expires(upload),
        },
    )


async def patch(call: Call) -> Response:
    """Append bytes; the last ones land the recording."""
    if (other := _other_version(call)) is not None:
        return other
    upload = await run_in_threadpool(_own, call)
    if upload is None:
        return _answer(404)
    try:
        offset = _patched_from(call, upload)
        require_time(call.home, upload, at=call.now)
        # who lost the answer to the last bytes asks once more, with none
        whole = await run_in_threadpool(received_bytes, call.home, upload) == upload.size_bytes == offset
        there = offset if whole else await _received(call, upload, offset)
        if there == upload.size_bytes:
            await run_in_threadpool(_landed_or_at_work, call, upload)
    except UploadError as error:
        return _refused(call, error)
    except ClientDisconnect:
        return _answer(400)  # to nobody
    except TimeoutError:
        return _answer(408)
    return _answer(204, {"Upload-Offset": str(there), **_expires(upload)})


def terminate(call: Call) -> Response:
    """Give an upload up."""
    if (other := _other_version(call)) is not None:
        return other
    upload = _own(call)
    if upload is None:
        return _answer(404)
    try:
        cancel_upload(call.home, upload)
    except UploadError as error:
        return _refused(call, error)
    return _answer(204)


def _begun(call: Call) -> Upload:
    length = _number(call, "upload-length")
    told = _metadata(call.request.headers.get("upload-metadata", ""))
    place, facts = _place(call, told), _facts(call, told)
    _require_own(call.who, place, facts)
    return begin_upload(
        call.home,
        who=call.who.who,
        name=told.get("filename", ""),
        size_bytes=length,
        place=place,
        facts=facts,
        sha256=told.get("sha256", "").lower() or None,
        at=call.now,
        limits=upload_limits(call),
        room=_room(call),
    )


def _place(call: Call, told: Mapping[str, str]) -> CapturePlace:
    task_id = told.get("task", "")
    try:
        load_task(call.home.tasks / f"{plain_id(task_id, 'procedure')}.yaml")
    except ConfigError as error:
        raise invalid(
            f"procedure {task_id!r}: it is not there, or its file needs mending. Choose another.",
            f"手順書「{task_id}」がないか、ファイルに誤りがあります。別の手順書を選んでください。",
        ) from error
    site, camera = (composed(told.get(name, "")).strip() for name in ("site", "camera"))
    if not site:
        raise invalid(
            "site: expected where it was filmed, e.g. line1.", "拠点を入力してください（例: line1）。"
        )
    return CapturePlace(task_id, told.get("role", ""), site, camera or None)


def _facts(call: Call, told: Mapping[str, str]) -> Sidecar:
    who = call.who
    person = who.person if who.role is Role.TRAINEE else told.get("person") or None
    recorded_at = when_recorded(told.get("recorded_at", "").strip(), at=call.now)
    try:
        return Sidecar(person=person, session=told.get("session") or None, recorded_at=recorded_at)
    except ValidationError as error:
        raise invalid(
            "person and session: expected at most 200 characters each.",
            "人とセッションはそれぞれ 200 文字以内で入力してください。",
        ) from error


def _require_own(who: Account, place: CapturePlace, facts: Sidecar) -> None:
    """Raise ``UploadError`` where a trainee sends what is not theirs."""
    if who.role is not Role.TRAINEE:
        return
    if facts.person is None:
        raise invalid(
            "Your account has no person code; ask your trainer for one before you send recordings.",
            "アカウントに作業者コードがありません。録画を送る前に指導員に登録を依頼してください。",
        )
    if place.role != "trainee":
        raise invalid(
            "Trainees send their own recordings; golds come from trainers.",
            "受講者が送れるのは自分の録画だけです。お手本は指導員が登録します。",
        )


async def _received(call: Call, upload: Upload, offset: int) -> int:
    """How many bytes are there once the request's bytes have been appended."""
    block: AbstractContextManager[Receiving] = receiving(
        call.home,
        upload,
        offset=offset,
        checksum=call.request.headers.get("upload-checksum"),
        room=_room(call),
    )
    one = await run_in_threadpool(block.__enter__)
    try:
        async for data in _blocks(call):
            await run_in_threadpool(one.write, data)
        return await run_in_threadpool(one.finish)
    finally:
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(block.__exit__, None, None, None)


async def _blocks(call: Call) -> AsyncIterator[bytearray]:
    """The request's bytes, some of them at a time; those that came before the connection broke, too."""
    gathered = bytearray()
    stream = call.request.stream()
    broken: ClientDisconnect | TimeoutError | None = None
    while broken is None:
        try:
            with anyio.fail_after(_SILENT_S):
                data = await anext(stream, None)
        except (ClientDisconnect, TimeoutError) as error:
            broken = error
            break
        if data is None:
            break
        gathered += data
        if len(gathered) >= _BLOCK_BYTES:
            yield gathered
            gathered = bytearray()
    if gathered:
        yield gathered
    if broken is not None:
        raise broken


def _landed_or_at_work(call: Call, upload: Upload) -> None:
    """Land what is complete. Raises ``UploadError`` where its bytes are not those that were sent."""
    try:
        landing = land(call.home, upload)
    except UploadError as error:
        if error.why != "busy":
            raise
        landing = read_landing(call.home, upload)
    if landing is not None and landing.changed:
        raise changed_bytes(upload)


def _patched_from(call: Call, upload: Upload) -> int:
    if call.request.headers.get("content-type", "").partition(";")[0].strip().lower() != _BODY:
        raise UploadError("kind", f"Content-Type: expected {_BODY}.", ja=f"Content-Type は {_BODY} です。")
    offset = _number(call, "upload-offset")
    length = call.request.headers.get("content-length", "0")
    if _NUMBER.fullmatch(length) and 0 <= upload.size_bytes - offset < int(length):
        raise too_many_bytes(upload)
    return offset


def _own(call: Call) -> Upload | None:
    return find_upload(call.home, call.param("upload_id"), call.who.who)


def _room(call: Call) -> Room:
    return room_for_files(call.home, load_settings(call.home).disk)


def _number(call: Call, header: str) -> int:
    text = call.request.headers.get(header, "")
    if not _NUMBER.fullmatch(text):
        raise invalid(f"{header}: expected a number of bytes.", f"{header} にはバイト数を指定してください。")
    return int(text)


def _metadata(header: str) -> dict[str, str]:
    """What the client says of the file: names, each with a value in Base64."""
    wrong = invalid(
        "Upload-Metadata: expected names and Base64.", "Upload-Metadata の形式が正しくありません。"
    )
    if len(header) > _LONGEST_METADATA:
        raise wrong
    told: dict[str, str] = {}
    for pair in filter(None, (one.strip() for one in header.split(","))):
        name, _, value = pair.partition(" ")
        try:
            told[name] = base64.b64decode(value, validate=True).decode("utf-8")
        except (binascii.Error, ValueError) as error:
            raise wrong from error
    return told


def _other_version(call: Call) -> Response | None:
    """The answer to a client that speaks another version of the protocol."""
    if call.request.headers.get("tus-resumable") == _VERSION:
        return None
    return _answer(412, {"Tus-Version": _VERSION})


def _expires(upload: Upload) -> dict[str, str]:
    return {"Upload-Expires": format_datetime(upload.expires_at.astimezone(UTC), usegmt=True)}


def _refused(call: Call, error: UploadError) -> Response:
    headers = {"Tus-Resumable": _VERSION}
    return JSONResponse({"error": said(call, error), "why": error.why}, _STATUS[error.why], headers)


def _answer(status: int, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status_code=status, headers={"Tus-Resumable": _VERSION, **(headers or {})})


ROUTES: Final = (
    DeskRoute("/uploads", options, UPLOADERS, ("OPTIONS",)),
    DeskRoute("/uploads", create, UPLOADERS, ("POST",), streams=True),
    DeskRoute("/uploads/{upload_id}", options, UPLOADERS, ("OPTIONS",)),
    DeskRoute("/uploads/{upload_id}", head, UPLOADERS, ("HEAD",)),
    DeskRoute("/uploads/{upload_id}", patch, UPLOADERS, ("PATCH",), streams=True),
    DeskRoute("/uploads/{upload_id}", terminate, UPLOADERS, ("DELETE",)),
)
