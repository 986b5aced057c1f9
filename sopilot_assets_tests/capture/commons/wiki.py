"""A small MediaWiki site on loopback: it answers searches page by page, serves files, and can misbehave."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit


@dataclass
class WikiFile:
    """One file of the site; ``stated_sha1`` other than the content's makes the site state a wrong one."""

    title: str
    content: bytes
    licence: str | None = "cc-by-4.0"
    artist: str = '<a href="//example.org/u">Ann &amp; Bob</a>'
    mime: str = "video/webm"
    duration: float | None = 30.0
    stated_sha1: str | None = None
    host: str | None = None

    @property
    def sha1(self) -> str:
        return self.stated_sha1 or hashlib.sha1(self.content).hexdigest()


@dataclass
class Wiki:
    """The site: its files in the order of relevance, and how it misbehaves."""

    files: list[WikiFile]
    page_size: int = 2
    ignores_ranges: bool = False
    stated_less: int = 0
    """How many bytes less than there are the site states for each file."""
    cut_once_after: int | None = None
    """Bytes after which the first answer with a file ends, once."""
    busy: list[str] = field(default_factory=list)
    """Answers to give first: "429", "503" or "maxlag"."""
    requests: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    address: str = ""

    @property
    def api(self) -> str:
        return f"{self.address}/w/api.php"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wiki: Wiki

    def do_GET(self) -> None:
        self.wiki.requests.append(self.path)
        self.wiki.agents.add(self.headers["User-Agent"])
        if self.wiki.busy:
            self._busy(self.wiki.busy.pop(0))
        elif urlsplit(self.path).path == "/w/api.php":
            self._search({name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})
        else:
            self._file(int(urlsplit(self.path).path.removeprefix("/files/")))

    def log_message(self, *_: object) -> None:
        return

    def _busy(self, how: str) -> None:
        if how == "maxlag":
            self._json({"error": {"code": "maxlag", "info": "Waiting for a database"}}, retry_after="0")
        else:
            self._send(int(how), b"", {"Retry-After": "0"})

    def _search(self, asked: dict[str, str]) -> None:
        if asked.get("generator") != "search" or asked.get("gsrnamespace") != "6" or "maxlag" not in asked:
            self._json({"error": {"code": "badvalue", "info": "not the search that this site knows"}})
            return
        start = int(asked.get("gsroffset", 0))
        part = self.wiki.files[start : start + self.wiki.page_size]
        pages = [self._page(start + place + 1, one) for place, one in enumerate(part)]
        answer: dict[str, Any] = {"batchcomplete": True, "query": {"pages": pages[::-1]}}
        if start + len(part) < len(self.wiki.files):
            answer["continue"] = {"gsroffset": start + len(part), "continue": "gsroffset||"}
        self._json(answer if self.wiki.files else {"batchcomplete": True})

    def _page(self, index: int, one: WikiFile) -> dict[str, Any]:
        address = f"http://{one.host}" if one.host else self.wiki.address
        extra = {"Artist": {"value": one.artist}, "LicenseShortName": {"value": "CC BY 4.0"}}
        if one.licence:
            extra["License"] = {"value": one.licence}
        information = {
            "url": f"{address}/files/{index}",
            "descriptionurl": f"{self.wiki.address}/wiki/{quote(one.title)}",
            "sha1": one.sha1,
            "size": len(one.content) - self.wiki.stated_less,
            "mime": one.mime,
            "extmetadata": extra,
            **({"duration": one.duration} if one.duration is not None else {}),
        }
        return {"pageid": index, "ns": 6, "title": one.title, "index": index, "imageinfo": [information]}

    def _file(self, index: int) -> None:
        content = self.wiki.files[index - 1].content
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        headers = {}
        if start and not self.wiki.ignores_ranges:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content = content[start:]
        self.send_response(206 if headers else 200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        cut, self.wiki.cut_once_after = self.wiki.cut_once_after, None
        self.wfile.write(content if cut is None else content[:cut])
        self.close_connection = cut is not None

    def _json(self, answer: dict[str, Any], retry_after: str | None = None) -> None:
        headers = {"Content-Type": "application/json"} | ({"Retry-After": retry_after} if retry_after else {})
        self._send(200, json.dumps(answer).encode(), headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(wiki: Wiki) -> Iterator[Wiki]:
    """The site, reachable at its ``address`` meanwhile."""
    handler = type("Handler", (_Handler,), {"wiki": wiki})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    wiki.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield wiki
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
