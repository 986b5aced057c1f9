"""The pages and recordings of a home beside Dagster's own pages: only looked at; a review page that is not
there yet is made.
"""

from __future__ import annotations

import mimetypes
from html import escape
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from sopilot_assets.defs.web.addresses import SHOWN, shown_file
from sopilot_assets.errors import ConfigError
from sopilot_assets.scoring.review import index_page
from sopilot_assets.settings import DeskSettings, load_settings
from sopilot_assets.stations.media import shown_as_filmed
from sopilot_assets.stations.review_pages import is_page, review_page_of
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.publish import local_path
from sopilot_assets.store.shared import at_hand

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}
"""A page that was made anew is fetched anew, and no other site shows it in its own."""

_KINDS: Final = {".mkv": "video/x-matroska", ".mov": "video/mp4", ".m4v": "video/mp4", ".mts": "video/mp2t"}
"""What the list of the system lacks, or calls by a name that browsers do not play."""

_MOST_MADE: Final = 2
"""Review pages that are made at a time; who asks for more waits."""

_COVERED: Final = (
    "<p>Faces or regions of this recording are covered wherever it is shown (privacy in settings.yaml and in "
    "the task). Its review page and the desk show it so.</p>"
    "<p>この録画は、顔または指定された領域を隠して表示します（settings.yaml と作業ファイルの privacy）。"
    "結果のページまたはデスクでご覧ください。</p>"
)


class HomePages:
    """The app, and before it the pages, reports and recordings of a home (see `SHOWN`)."""

    def __init__(self, app: ASGIApp, home: Home) -> None:
        self._app, self._home = app, home
        self._making = BoundedSemaphore(_MOST_MADE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for a file of the home; all others are the app's."""
        path = scope.get("path", "")
        folder = path.removeprefix("/").partition("/")[0]
        if scope["type"] != "http" or folder not in SHOWN:
            await self._app(scope, receive, send)
            return
        if scope["method"] not in ("GET", "HEAD"):
            answer: Response = HTMLResponse("Only to look at.", 405, {**HEADERS, "Allow": "GET, HEAD"})
        else:
            answer = await run_in_threadpool(self._answer, path)
        await answer(scope, receive, send)

    def _answer(self, path: str) -> Response:
        if path.count("/") == 1:
            return RedirectResponse(f"{path}/", headers=HEADERS)
        if path == "/reviews/":
            path = "/reviews/index.html"
        if path == "/reports/":
            return HTMLResponse(self._reports(self._desk()), headers=HEADERS)
        file = shown_file(self._home, path)
        return self._missing(path) if file is None else self._file(path, file)

    def _file(self, path: str, file: Path) -> Response:
        """A file of the home as people may see it; a review page is made if need be."""
        if path.startswith("/videos/") and not shown_as_filmed(self._home, file.name):
            return HTMLResponse(_page("Covered / 非表示", _COVERED, self._desk()), 403, HEADERS)
        if path.startswith("/reviews/") and path != "/reviews/index.html":
            return self._review(PartitionKey.parse(file.stem), file)
        if at_hand(file).is_file():
            return FileResponse(file, headers=HEADERS, media_type=_kind(file))
        if path == "/reviews/index.html":
            return HTMLResponse(index_page(()), headers=HEADERS)
        return self._missing(path)

    def _missing(self, path: str) -> Response:
        missing = _page("Not found", f"<p>There is no {escape(path)}.</p>", self._desk())
        return HTMLResponse(missing, 404, HEADERS)

    def _review(self, key: PartitionKey, file: Path) -> Response:
        """A review page, made where it is not there yet; what the result says in words where there can be
        none.
        """
        if is_page(self._home, key, at_hand(file)):
            return FileResponse(file, headers=HEADERS, media_type=_kind(file))
        with self._making:
            found = review_page_of(self._home, key)
        if found.path is not None:
            return FileResponse(found.path, headers=HEADERS, media_type=_kind(found.path))
        said = [found.verdict.name, found.verdict.headline] if found.verdict else []
        body = "".join(
            f'<p>{escape(one.en)}</p><p lang="ja">{escape(one.ja)}</p>'
            for one in (*said, *filter(None, [found.waits]))
        )
        return HTMLResponse(_page(str(key), body, self._desk()), 200 if said else 404, HEADERS)

    def _desk(self) -> str:
        """Where the desk is; where the settings cannot be read, which doctor says, where it is by default."""
        try:
            return load_settings(self._home).desk.address
        except ConfigError:
            return DeskSettings().address

    def _reports(self, desk: str) -> str:
        """A list of the daily reports, the newest first."""
        folder = local_path(self._home.reports)
        shown = [path for path in folder.glob("*.html") if SHOWN["reports"].fullmatch(path.name)]
        days = sorted((path.stem for path in shown), reverse=True)
        listed = "".join(f'<li><a href="{day}.html">{day}</a></li>' for day in days)
        body = f"<ul>{listed}</ul>" if days else "<p>None yet. / まだありません。</p>"
        return _page("Daily reports / 日報", body, desk)


def _kind(file: Path) -> str:
    kind = _KINDS.get(file.suffix) or mimetypes.guess_type(file.name)[0]
    return kind or ("text/plain" if file.suffix in {".py", ".md", ".sha256"} else "application/octet-stream")


def _page(title: str, body: str, desk: str) -> str:
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title></head><body><h1>{title}</h1>{body}"
        '<p><a href="/reviews/">All recordings / 録画の一覧</a></p>'
        f'<p><a href="{escape(desk)}">Desk: upload, mark steps, results / デスク</a></p></body></html>'
    )
