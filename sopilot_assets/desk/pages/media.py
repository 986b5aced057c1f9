"""Videos and pictures of recordings, made when somebody looks at them first."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Final

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, JSONResponse, Response

from sopilot_assets.capture.registry import Recording
from sopilot_assets.desk.call import Call
from sopilot_assets.desk.roles import EVERYBODY
from sopilot_assets.desk.routing import DeskRoute, failed
from sopilot_assets.desk.viewing import not_there, playable_recording
from sopilot_assets.stations.media import (
    Made,
    make_stills,
    make_video,
    on_grid,
    still_of,
    thumbnail_ms,
    video_of,
)
from sopilot_assets.store.shared import at_hand
from sopilot_assets.texts.languages import Text

_KEPT: Final = {"Cache-Control": "private, max-age=86400", "Vary": "Cookie"}
"""Kept by the browser for the session it was asked in."""
_NONE: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 240 160" width="240" height="160">'
    '<path fill="#8a93a0" fill-opacity=".25" d="M0 0h240v160H0z"/>'
    '<path fill="none" stroke="#8a93a0" stroke-width="5" '
    'd="M84 56h52v48H84zm52 18 22-12v36l-22-12M72 120 168 40"/></svg>'
)
_MS: Final = re.compile(r"[0-9]{1,12}")
_ASKS_EVERY_S: Final = 0.25
_LONGEST_S: Final = 90.0


def thumbnail_address(key: str) -> str:
    """Where the small picture of a recording is."""
    return f"/thumbnails/{key}.jpg"


def still_address(recording: Recording, time_s: float) -> str:
    """Where the picture of a recording at a time is."""
    return f"/stills/{recording.key}/{on_grid(time_s)}.jpg"


def video_address(recording: Recording) -> str:
    """Where the video of a recording is."""
    return f"/media/{recording.key}"


async def thumbnail(call: Call) -> Response:
    """The small picture of a recording."""
    return await _still(call, lambda recording: thumbnail_ms(recording.duration_s))


async def still(call: Call) -> Response:
    """The picture of a recording at a time, in milliseconds; past its end the last one."""
    if not _MS.fullmatch(call.param("ms")):
        return not_there(call)
    asked = int(call.param("ms"))
    return await _still(call, lambda recording: on_grid(min(asked / 1000, recording.duration_s)))


async def _still(call: Call, moment: Callable[[Recording], int]) -> Response:
    recording = await run_in_threadpool(playable_recording, call)
    if recording is None:
        return not_there(call)
    at_ms = moment(recording)
    for _ in range(int(_LONGEST_S / _ASKS_EVERY_S)):
        made = await run_in_threadpool(still_of, call.home, recording.key, at_ms)
        if made.path is not None:
            return FileResponse(made.path, media_type="image/jpeg", headers=_KEPT)
        if made.why is not None:
            return Response(_NONE, media_type="image/svg+xml", headers=_KEPT)
        if not await run_in_threadpool(make_stills, call.home, [(recording, at_ms)]):
            await asyncio.sleep(_ASKS_EVERY_S)  # somebody else makes some
    return Response(_NONE, media_type="image/svg+xml")


def video(call: Call) -> Response:
    """The video of a recording as browsers play it, in ranges; 503 as long as it is not made."""
    recording = playable_recording(call)
    if recording is None:
        return not_there(call)
    made = video_of(call.home, recording)
    if made.path is not None:
        return FileResponse(at_hand(made.path), media_type="video/mp4", headers=_KEPT)
    answer = failed(call, 503 if made.waits else 422, _state_text(made))
    answer.background = video_task(call, recording, made)
    return answer


def video_state(call: Call) -> Response:
    """Whether the video of a recording can be played by now; asking has it made."""
    recording = playable_recording(call)
    if recording is None:
        return not_there(call)
    made = video_of(call.home, recording)
    told = _state_text(made)
    state = {"ready": made.path is not None, "failed": made.why is not None}
    text = told.ja if call.language.value == "ja" else told.en
    task = video_task(call, recording, made)
    return JSONResponse({**state, "text": "" if made.path else text}, background=task)


def video_task(call: Call, recording: Recording, made: Made) -> BackgroundTask | None:
    """What makes the video once the answer is sent, where it is not made."""
    return BackgroundTask(make_video, call.home, recording) if made.waits else None


def _state_text(made: Made) -> Text:
    if made.waits:
        return Text(
            "The video is being prepared for this browser …", "この端末で再生できる動画を準備しています…"
        )
    return Text(f"The video cannot be shown: {made.why}", f"動画を表示できません：{made.why}")


ROUTES: Final = (
    DeskRoute("/thumbnails/{key}.jpg", thumbnail, EVERYBODY),
    DeskRoute("/stills/{key}/{ms}.jpg", still, EVERYBODY),
    DeskRoute("/media/{key}", video, EVERYBODY),
    DeskRoute("/media/{key}/state", video_state, EVERYBODY),
)
