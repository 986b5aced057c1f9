"""Uploads from a phone, a tablet or a folder, which go on where they were interrupted, and their fate.

The bytes themselves arrive by the protocol in `tus`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Final

from starlette.responses import JSONResponse, Response

from sopilot_assets.capture.fate import Fate, UploadStage, check_upload, fate_of, refuses
from sopilot_assets.capture.filming import Checked
from sopilot_assets.capture.ledgers import ERASED, videos_ledger
from sopilot_assets.capture.reasons import Reason
from sopilot_assets.capture.uploads import Upload, all_uploads, find_upload, received_bytes
from sopilot_assets.desk.call import Call
from sopilot_assets.desk.pages.tus import UPLOADERS, upload_limits
from sopilot_assets.desk.roles import Role
from sopilot_assets.desk.routing import DeskRoute, failed
from sopilot_assets.errors import ConfigError
from sopilot_assets.store.home import ROLES
from sopilot_assets.tasks import PrivacyNotice, TaskSpec, find_tasks, load_task, notice_of
from sopilot_assets.texts.languages import Language, Text

_SHOWN: Final = 30
"""Uploads of before that the page lists, the newest first."""

_STAGES: Final = {
    UploadStage.RECEIVING: Text("Not all of it has arrived.", "まだすべて届いていません。"),
    UploadStage.LANDING: Text("It has arrived and is being checked.", "届きました。確認しています。"),
    UploadStage.WAITING: Text(
        "It has arrived whole, and is taken in within a minute or two.",
        "すべて届きました。1～2 分ほどで取り込まれます。",
    ),
    UploadStage.REGISTERED: Text("It has been taken in.", "取り込みました。"),
    UploadStage.REFUSED: Text(
        "It was refused; the file is kept in quarantine.",
        "受け付けられませんでした。ファイルは隔離フォルダに残っています。",
    ),
    UploadStage.CHANGED: Text(
        "The bytes that arrived are not those that were sent. Send it again.",
        "届いたデータが送信元と一致しません。もう一度送信してください。",
    ),
    UploadStage.REMOVED: Text(
        "Somebody took it out of the capture folder before it was taken in.",
        "取り込まれる前に capture フォルダから取り出されました。",
    ),
}
_KNOWN_BEFORE: Final = Text("This recording was there already.", "この録画はすでにありました。")
_WELL: Final = Text("Filmed well.", "撮影状態は良好です。")
_WILL_BE_REFUSED: Final = Text("It will be refused, since:", "次の理由で受け付けられません。")
_COULD_BE_BETTER: Final = Text(
    "It is taken in all the same, but could be filmed better:", "取り込みますが、撮影に改善の余地があります。"
)
_SEE: Final = Text("See the recording", "録画を見る")
_MARK: Final = Text("Mark its steps", "手順を記録する")
_AXES: Final = {
    "brightness": Text("brightness", "明るさ"),
    "sharpness": Text("sharpness", "鮮明さ"),
    "stability": Text("camera shake", "手ぶれ"),
    "resolution": Text("resolution", "解像度"),
    "duration": Text("length", "長さ"),
}


def upload_page(call: Call) -> Response:
    """Choose what is filmed, then the files."""
    own = call.who.role is Role.TRAINEE
    sites, cameras, persons = _known(call)
    mine = [one for one in all_uploads(call.home) if one.who == call.who.who]
    mine.sort(key=lambda one: one.begun_at, reverse=True)
    tasks = find_tasks(call.home.root).tasks
    return call.page(
        "upload.html.j2",
        title=Text("Upload recordings", "録画のアップロード"),
        values={
            "tasks": tasks,
            "notices": _notices(call, tasks),
            "roles": ("trainee",) if own else ROLES,
            "own": own,
            "person": call.who.person,
            "sites": sites,
            "cameras": cameras,
            "persons": [] if own else persons,
            "chosen": {name: call.request.query_params.get(name, "") for name in ("task", "role")},
            "largest_bytes": upload_limits(call).largest_bytes,
            "earlier": [_earlier(call, one) for one in islice(mine, _SHOWN)],
        },
    )


def _notices(call: Call, tasks: Mapping[str, TaskSpec]) -> list[tuple[Text | None, PrivacyNotice]]:
    """What people are told of why they are filmed: for all tasks, and where a task says something else."""
    common = notice_of(call.home)
    others = [(task.names, notice_of(call.home, task.privacy)) for task in tasks.values()]
    return [(None, common), *((name, one) for name, one in others if one != common)]


def fate(call: Call) -> Response:
    """What became of an upload, as JSON, in the person's language."""
    upload = find_upload(call.home, call.param("upload_id"), call.who.who)
    if upload is None:
        return failed(call, 404, Text("There is no such upload.", "そのアップロードはありません。"))
    found = fate_of(call.home, upload)
    checked = found.checked
    if checked is None and found.stage is UploadStage.WAITING:
        checked = check_upload(call.home, upload)
    return JSONResponse(_told(call, upload, found, checked))


def _known(call: Call) -> tuple[list[str], list[str], list[str]]:
    """Sites, cameras and persons that recordings were registered with; an erased person's code is offered to
    nobody else.
    """
    known = f"select distinct site, camera, person from latest where status != '{ERASED}'"  # noqa: S608 - a constant
    rows = videos_ledger(call.home).query(known)
    sites, cameras, persons = (
        sorted({str(one) for one in rows[name].dropna()}) for name in ("site", "camera", "person")
    )
    return sites, cameras, persons


def _earlier(call: Call, upload: Upload) -> dict[str, object]:
    return {
        "id": upload.upload_id,
        "name": upload.name,
        "size": upload.size_bytes,
        "received": received_bytes(call.home, upload),
        "task": upload.place.task_id,
        "role": upload.place.role,
        "site": upload.place.site,
        "camera": upload.place.camera or "",
        "person": upload.facts.person or "",
        "recorded_at": upload.facts.recorded_at.isoformat() if upload.facts.recorded_at else "",
    }


def _told(call: Call, upload: Upload, found: Fate, checked: Checked | None) -> dict[str, object]:
    text = _in(call, _STAGES[found.stage])
    return {
        "stage": found.stage.value,
        "received": found.received_bytes,
        "size": upload.size_bytes,
        "text": f"{_in(call, _KNOWN_BEFORE)} {text}" if found.known_before else text,
        "over": found.stage not in (UploadStage.RECEIVING, UploadStage.LANDING, UploadStage.WAITING),
        "refused": _reason(call, found.reason) if found.reason else None,
        "link": _link(call, upload, found),
        "filming": _filming(call, upload, checked) if checked is not None else None,
    }


def _link(call: Call, upload: Upload, found: Fate) -> dict[str, str] | None:
    if found.key is None:
        return None
    if upload.place.role == "gold":
        return {"path": f"/golds/{found.key}/steps", "text": _in(call, _MARK)}
    return {"path": f"/recordings/{found.key}", "text": _in(call, _SEE)}


def _filming(call: Call, upload: Upload, checked: Checked) -> dict[str, object]:
    refused = _is_refused(call, upload, checked)
    verdict = _WELL if not checked.reasons else _WILL_BE_REFUSED if refused else _COULD_BE_BETTER
    return {
        "verdict": "well" if not checked.reasons else "refused" if refused else "advice",
        "text": _in(call, verdict),
        "reasons": [_reason(call, reason) for reason in checked.reasons],
        "axes": [
            {
                "name": _in(call, _AXES[axis.name]),
                "found": axis.found.removesuffix(" shake"),
                "well": axis.misses is None,
            }
            for axis in checked.axes
        ],
    }


def _is_refused(call: Call, upload: Upload, checked: Checked) -> bool:
    try:
        gate = load_task(call.home.tasks / f"{upload.place.task_id}.yaml").quality_gate
    except ConfigError:  # intake waits until the file is mended, and judges then
        return False
    return refuses(upload.place.role, gate, checked)


def _reason(call: Call, reason: Reason) -> dict[str, str]:
    told = reason.text
    return {
        "what": _in(call, Text(told.english, told.japanese)),
        "do": _in(call, Text(told.do_english, told.do_japanese)),
    }


def _in(call: Call, text: Text) -> str:
    return text.ja if call.language is Language.JA else text.en


ROUTES: Final = (
    DeskRoute("/upload", upload_page, UPLOADERS),
    DeskRoute("/uploads/{upload_id}/fate", fate, UPLOADERS),
)
