"""People at the desk as a program: each with a session of their own, who do by chance what people do there.

Whatever they were told was taken is noted, so that it can be looked for afterwards.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import itertools
import json
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from sopilot_assets.desk.accounts import Account
from sopilot_assets.desk.roles import TRAINERS, Role

_WAITS_S: Final = 60.0
_PIECE_BYTES: Final = 128 << 10
_RANGE_BYTES: Final = 256 << 10
_KEY: Final = r"[a-z0-9_]+-[gt]-[0-9a-f]{12}"
_FILTERS: Final = (
    "",
    "?order=urgent",
    "?order=lowest",
    "?decision=fail",
    "?decision=review&order=urgent",
    "?deviation=missing_step",
    "?q=trainee_00",
    "?contested=yes",
    "?site=site_a&order=person",
    "?since=2020-01-01&order=oldest",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: its kind, how long the answer took, its status (0: none came) and what is wrong with it."""

    kind: str
    seconds: float
    status: int
    wrong: str | None


@dataclass(frozen=True, slots=True)
class Marked:
    """Steps of a gold that the desk said it has taken: (step, start_s, end_s) each."""

    key: str
    who: str
    steps: tuple[tuple[str, float, float], ...]
    based_on: str
    independent: bool


@dataclass(slots=True)
class Told:
    """What a person asked, and what the desk said it has taken: marks, comments (with the recording's key)
    and uploads (the SHA-256 of their bytes); ``again`` counts refusals that are right answers.
    """

    asked: list[Asked] = field(default_factory=list)
    marks: list[Marked] = field(default_factory=list)
    comments: list[tuple[str, str]] = field(default_factory=list)
    uploads: list[str] = field(default_factory=list)
    again: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Film:
    """A recording that people upload, each time with other bytes at its end; where it belongs."""

    data: bytes
    task_id: str
    site: str

    def another(self, mark: str) -> bytes:
        """The same recording with a box that players skip (ISO/IEC 14496-12, 8.1.2), so that it is new."""
        said = mark.encode()
        return self.data + (8 + len(said)).to_bytes(4, "big") + b"free" + said


class _Unexpected(Exception):
    """What a person was doing ends here; it is noted already."""


class Person:
    """Somebody at the desk; ``think_s`` is how long they look at a page at most."""

    def __init__(self, address: str, account: Account, film: Film, *, seed: str, think_s: float) -> None:
        self.account, self.told = account, Told()
        self._address, self._film, self._think_s = address, film, think_s
        self._rng = random.Random(seed)
        self._seed = seed
        self._numbers = itertools.count(1)
        self._seen: set[str] = set()
        self._keys: list[str] = []
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update({"X-Sopilot": "1", "Accept": "text/html"})

    def work(self, password: str, until: float, all_there: threading.Barrier) -> None:
        """Sign in, and do one thing after the other until ``time.monotonic()`` says ``until``."""
        all_there.wait()
        form = {"who": self.account.who, "password": password}
        try:
            self._ask("sign in", "POST", "/sign-in", right=(303,), data=form)
        except _Unexpected:
            return
        doings, weights = zip(*self._doings().items(), strict=True)
        while time.monotonic() < until:
            self._think()
            try:
                self._rng.choices(doings, weights)[0]()
            except _Unexpected:
                continue

    def _doings(self) -> Mapping[Callable[[], object], int]:
        doings: dict[Callable[[], object], int] = {
            self._today: 10,
            self._list: 20,
            self._result: 25,
            self._say: 20,
        }
        if self.account.role in TRAINERS:
            doings |= {self._mark: 20, self._golds: 3}
        if self.account.role is not Role.RATER:
            doings |= {self._upload: 2}
        return doings

    def _think(self) -> None:
        time.sleep(self._rng.uniform(0.25, 1.0) * self._think_s)

    def _ask(
        self, kind: str, method: str, path: str, *, right: tuple[int, ...] = (200,), **options: Any
    ) -> requests.Response:
        began = time.perf_counter()
        try:
            answer = self._session.request(
                method, self._address + path, allow_redirects=False, timeout=_WAITS_S, **options
            )
        except requests.RequestException as error:
            self._note(Asked(kind, time.perf_counter() - began, 0, f"{method} {path}: {error!r}"))
            raise _Unexpected from error
        took, wrong = time.perf_counter() - began, None
        if answer.status_code not in right:
            text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text))[-400:]
            wrong = f"{method} {path}: expected {right}, found {answer.status_code}: {text}"
        self._note(Asked(kind, took, answer.status_code, wrong))
        if wrong is not None:
            raise _Unexpected
        return answer

    def _note(self, asked: Asked) -> None:
        self.told.asked.append(asked)

    def _count(self, what: str) -> None:
        self.told.again[what] = self.told.again.get(what, 0) + 1

    def _today(self) -> None:
        page = self._ask("today", "GET", "/").text
        self._pictures("thumbnail", re.findall(rf"/thumbnails/{_KEY}\.jpg", page), 12)
        self._ask("changes", "GET", "/changes", headers={"Accept": "application/json"})

    def _list(self) -> None:
        page = self._ask("list", "GET", f"/recordings{self._rng.choice(_FILTERS)}").text
        keys = re.findall(rf'href="/recordings/({_KEY})"', page)
        self._keys = list(dict.fromkeys([*self._keys, *keys]))
        self._pictures("thumbnail", re.findall(rf"/thumbnails/{_KEY}\.jpg", page), 12)

    def _pictures(self, kind: str, paths: list[str], most: int) -> None:
        """Pictures of a page; what a browser keeps is not asked for again."""
        for path in [one for one in dict.fromkeys(paths) if one not in self._seen][:most]:
            self._ask(kind, "GET", path)
            self._seen.add(path)

    def _chosen(self) -> str:
        if not self._keys:
            self._list()
        if not self._keys:
            raise _Unexpected
        return self._rng.choice(self._keys)

    def _result(self) -> str:
        key = self._chosen()
        page = self._ask("result", "GET", f"/recordings/{key}").text
        self._pictures("still", re.findall(rf"/stills/{_KEY}/\d+\.jpg", page), 6)
        size = self._range("video range", f"/media/{key}", 0)
        self._range("video range", f"/media/{key}", self._rng.randrange(size))
        return page

    def _range(self, kind: str, path: str, begins: int) -> int:
        """The size of a video in bytes, after some of them."""
        asked = {"Range": f"bytes={begins}-{begins + _RANGE_BYTES - 1}"}
        answer = self._ask(kind, "GET", path, right=(206,), headers=asked)
        size = int(answer.headers["Content-Range"].rpartition("/")[2])
        if len(answer.content) != min(_RANGE_BYTES, size - begins):
            self._note(Asked(kind, 0.0, 206, f"{path}: {len(answer.content)} bytes from {begins} of {size}"))
        return size

    def _say(self) -> None:
        """Look at a result and say something of it; every comment is said once only."""
        page = self._result()
        row = re.search(r'name="row" value="([^"]+)"', page)
        if row is None:  # a rater has to label it first
            return
        self._think()
        key = re.search(rf'action="/recordings/({_KEY})/say"', page)
        assert key is not None
        comment = f"{self.account.who}-{next(self._numbers)}."
        said = {"row": row[1], "note": comment, **self._opinion(page)}
        self._ask("say", "POST", f"/recordings/{key[1]}/say", right=(303,), data=said)
        self.told.comments.append((key[1], comment))

    def _opinion(self, page: str) -> dict[str, str]:
        if self.account.role is Role.TRAINEE:
            return {"kind": "whole", "verdict": "disagree"}
        findings = re.findall(r'name="finding" value="(\d+)"', page)
        if findings and self._rng.random() < 0.6:
            agree = self._rng.choice(("yes", "no", "unsure"))
            return {"kind": "finding", "finding": self._rng.choice(findings), "agree": agree}
        if 'value="settle"' in page and self._rng.random() < 0.3:
            return {"kind": "settle", "critical": self._rng.choice(("yes", "no"))}
        verdict = self._rng.choice(("agree", "disagree", "unsure"))
        return {"kind": "whole", "verdict": verdict, "critical": self._rng.choice(("yes", "no"))}

    def _golds(self) -> list[str]:
        page = self._ask("golds", "GET", "/golds").text
        return sorted(set(re.findall(rf"/golds/({_KEY})/steps", page)))

    def _mark(self) -> None:
        """Look at a gold, move one of its borders by some milliseconds, and confirm."""
        golds = sorted(key for key in self._keys if "-g-" in key) or self._golds()
        key, alone = self._rng.choice(golds), self._rng.random() < 0.1
        address = f"/golds/{key}"
        page = self._ask("marking", "GET", f"{address}/steps{'?alone' if alone else ''}").text
        found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
        data = json.loads(found[1]) if found else {}
        film = self._ask("film", "GET", f"{address}/film").json()
        self._pictures("strip", [f"{address}/strip"], 1)
        size = self._range("video range", f"/media/{key}", 0)
        self._range("video range", f"/media/{key}", self._rng.randrange(size))
        proposed: dict[str, Any] = {}
        if data["counts"] is None:
            proposed = self._ask("proposal", "GET", f"{address}/proposal").json()
        steps = proposed.get("steps") or data["counts"]["steps"]
        based_on = data["based_on"]
        for _ in range(4):
            self._think()
            steps = self._moved(steps, film["end_ms"])
            said = {"steps": steps, "based_on": based_on, "independent": alone}
            if proposed:
                said["proposed"] = {"steps": proposed["steps"], "by": proposed["by"]}
            answer = self._ask(
                "confirm",
                "POST",
                f"{address}/steps",
                right=(200, 409),
                data={"said": json.dumps(said)},
                headers={"Accept": "application/json"},
            )
            told = answer.json()
            if answer.status_code == 200:
                if not told["new"]:
                    self._note(Asked("confirm", 0.0, 200, f"{key}: other steps were taken for the same"))
                times = tuple((one["step"], one["start_s"], one["end_s"]) for one in steps)
                self.told.marks.append(Marked(key, self.account.who, times, based_on, alone))
                return
            self._count("marks refused: somebody else confirmed meanwhile")
            steps, based_on = told["counts"]["steps"], told["based_on"]

    def _moved(self, steps: list[dict[str, Any]], end_ms: int) -> list[dict[str, Any]]:
        """The steps with the end of one of them moved, so that it lies somewhere else than before."""
        moved = [dict(one) for one in sorted(steps, key=lambda one: one["start_s"])]
        place = self._rng.randrange(len(moved))
        one = moved[place]
        after = moved[place + 1]["start_s"] if place + 1 < len(moved) else end_ms / 1000
        low, high = round(one["start_s"] * 1000) + 1, round(min(after, end_ms / 1000) * 1000)
        before = round(one["end_s"] * 1000)
        tried = self._rng.randrange(max(low, before - 400), max(low + 2, min(high, before + 400)))
        one["end_s"] = (tried + 1 if tried == before else tried) / 1000
        return moved

    def _upload(self) -> None:
        """Send a recording in pieces; sometimes the connection breaks, sometimes it was sent before."""
        mark = f"{self._seed} {next(self._numbers)}"
        if self._rng.random() < 0.15:
            mark = f"of all {self._rng.randrange(3)}"
        data = self._film.another(mark)
        sha256 = hashlib.sha256(data).hexdigest()
        self._ask("upload page", "GET", "/upload")
        begun = self._ask(
            "upload begins",
            "POST",
            "/uploads",
            right=(201,),
            headers={**_TUS, "Upload-Length": str(len(data)), "Upload-Metadata": self._metadata(sha256)},
        )
        address, there = begun.headers["Location"], 0
        while there < len(data):
            piece = data[there : there + _PIECE_BYTES]
            if self._rng.random() < 0.05:
                self._break(address, there, piece)
                there = self._there(address)
                continue
            headers = {**_TUS, "Upload-Offset": str(there), "Content-Type": "application/offset+octet-stream"}
            answer = self._ask("piece", "PATCH", address, right=(204, 409, 423), headers=headers, data=piece)
            if answer.status_code == 204:
                there = int(answer.headers["Upload-Offset"])
            else:
                self._count("pieces refused: the broken connection's bytes still arrived")
                time.sleep(0.2)
                there = self._there(address)
        self.told.uploads.append(sha256)
        for _ in range(2):
            self._think()
            fate = self._ask("fate", "GET", f"{address}/fate", headers={"Accept": "application/json"}).json()
            if fate["stage"] not in ("landing", "waiting", "registered"):
                self._note(Asked("fate", 0.0, 200, f"{address}: {fate}"))

    def _metadata(self, sha256: str) -> str:
        told = {
            "filename": f"VID_{self._rng.randrange(20):04d}.mp4",
            "task": self._film.task_id,
            "role": "trainee",
            "site": self._film.site,
            "person": self.account.person or "p99",
            "sha256": sha256,
        }
        return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in told.items())

    def _there(self, address: str) -> int:
        return int(self._ask("head", "HEAD", address, headers=_TUS).headers["Upload-Offset"])

    def _break(self, address: str, there: int, piece: bytes) -> None:
        """Send half a piece, and lose the connection."""
        cookie = "; ".join(f"{name}={value}" for name, value in self._session.cookies.items())
        connection = http.client.HTTPConnection(urlsplit(self._address).netloc, timeout=_WAITS_S)
        connection.putrequest("PATCH", address)
        headers = {
            **_TUS,
            "X-Sopilot": "1",
            "Cookie": cookie,
            "Upload-Offset": str(there),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(len(piece)),
        }
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(piece[: len(piece) // 2])
        connection.close()
        self._count("connections broken on purpose")


_TUS: Final = {"Tus-Resumable": "1.0.0"}
