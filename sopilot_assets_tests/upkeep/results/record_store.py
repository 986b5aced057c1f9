"""A learning record store on loopback, as strict as xAPI 1.0.3 lets one be, that can be told to fail.

It keeps statements by id: the same again is taken, another one of the same id is a conflict; voiding
statements cannot be voided (xAPI 1.0.3, part 2, 2.3.2, and part 3, 2.1).
"""

from __future__ import annotations

import base64
import http.server
import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

KNOWN = "Basic " + base64.b64encode(b"sopilot:opensesame").decode()
VOIDED = "http://adlnet.gov/expapi/verbs/voided"
IRI = re.compile(r"^[a-z][a-z0-9+.-]*:[^\s<>\"{}|\\^`]+$")
TAG = re.compile(r"^([a-z]{2,3}(-[A-Z]{2})?|und)$")
OF_STATEMENT = {"id", "actor", "verb", "object", "result", "context", "timestamp"}
OF_RESULT = {"score", "success", "completion", "response", "duration", "extensions"}
OF_CONTEXT = {"registration", "platform", "contextActivities", "extensions"}


@dataclass
class RecordStore:
    """``statements`` by id, in the order in which they came; ``answers`` are the status codes to give instead
    of looking. A process of ``kills`` is killed once the next statement is kept, before it is answered.
    """

    port: int = 0
    statements: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: list[int] = field(default_factory=list)
    puts: list[str] = field(default_factory=list)
    kills: list[int] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)
    hangs: bool = False

    @property
    def url(self) -> str:
        """Its endpoint."""
        return f"http://127.0.0.1:{self.port}/xapi/"

    @property
    def standing(self) -> list[dict[str, Any]]:
        """The statements that are neither voided nor voiding."""
        voided = {one["object"]["id"] for one in self.statements.values() if one["verb"]["id"] == VOIDED}
        return [
            one for name, one in self.statements.items() if name not in voided and one["verb"]["id"] != VOIDED
        ]


def faults(statement: dict[str, Any]) -> Iterator[str]:
    """What xAPI 1.0.3 does not let a statement be."""
    yield from (f"unknown {name}" for name in statement.keys() - OF_STATEMENT)
    if UUID(statement["id"]).version is None or statement["id"] != str(UUID(statement["id"])):
        yield "id is no UUID"
    account = statement["actor"]["account"]
    if statement["actor"].keys() != {"objectType", "account"} or account.keys() != {"homePage", "name"}:
        yield "the actor is not identified once"
    if not IRI.match(account["homePage"]) or not account["name"]:
        yield "the account has no home page or name"
    if not IRI.match(statement["verb"]["id"]) or not all(map(TAG.match, statement["verb"]["display"])):
        yield "verb"
    if datetime.fromisoformat(statement["timestamp"]).tzinfo is None:
        yield "the timestamp has no zone"
    if _has_null(statement):
        yield "null outside of extensions"
    yield from _of_object(statement)
    yield from _of_result(statement.get("result", {}))
    context = statement.get("context", {})
    yield from (f"unknown context {name}" for name in context.keys() - OF_CONTEXT)
    for name, extensions in (("context", context), ("result", statement.get("result", {}))):
        yield from (f"{name} {key}" for key in extensions.get("extensions", {}) if not IRI.match(key))


def _has_null(value: object) -> bool:
    if isinstance(value, dict):
        return any(_has_null(its) for name, its in value.items() if name != "extensions")
    return value is None or (isinstance(value, list) and any(map(_has_null, value)))


def _of_object(statement: dict[str, Any]) -> Iterator[str]:
    its = statement["object"]
    if statement["verb"]["id"] == VOIDED:
        if its.keys() != {"objectType", "id"} or its["objectType"] != "StatementRef":
            yield "voids no statement"
        return
    activities = [its, *statement["context"]["contextActivities"].get("parent", [])]
    for one in activities:
        if one["objectType"] != "Activity" or not IRI.match(one["id"]):
            yield "activity"
        if not IRI.match(one["definition"]["type"]) or not all(map(TAG.match, one["definition"]["name"])):
            yield "definition"


def _of_result(result: dict[str, Any]) -> Iterator[str]:
    yield from (f"unknown result {name}" for name in result.keys() - OF_RESULT)
    score = result.get("score")
    if score and not (-1 <= score["scaled"] <= 1 and score["min"] <= score["raw"] <= score["max"]):
        yield "score"


class _Server(http.server.ThreadingHTTPServer):
    def __init__(self, state: RecordStore) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state, self.free = state, threading.Event()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._say(200 if self._is_known() else 401)

    def do_PUT(self) -> None:
        state, body = self.server.state, json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if state.hangs:
            self.server.free.wait(20)
        if state.answers:
            self._say(state.answers.pop(0))
        elif not self._is_known():
            self._say(401)
        else:
            state.versions.add(self.headers["X-Experience-API-Version"])
            self._say(self._kept(body))

    def _is_known(self) -> bool:
        return bool(self.headers["Authorization"] == KNOWN)

    def _kept(self, body: dict[str, Any]) -> int:
        state = self.server.state
        (named,) = parse_qs(urlsplit(self.path).query)["statementId"]
        target = state.statements.get(body["object"].get("id", ""))
        voids_voiding = body["verb"]["id"] == VOIDED and target and target["verb"]["id"] == VOIDED
        if named != body["id"] or list(faults(body)) or voids_voiding:
            return 400
        state.puts.append(named)
        before = state.statements.setdefault(named, body)
        if state.kills:
            os.kill(state.kills.pop(), signal.SIGKILL)
        return 204 if before == body else 409

    def _say(self, status: int) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
        except OSError:
            self.close_connection = True  # who sent it was killed, or has gone

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def record_store() -> Iterator[RecordStore]:
    """A running store for the user ``sopilot`` with the password ``opensesame``."""
    state = RecordStore()
    server = _Server(state)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    state.port = int(server.server_address[1])
    thread.start()
    try:
        yield state
    finally:
        server.free.set()
        server.shutdown()
        server.server_close()
        thread.join()
