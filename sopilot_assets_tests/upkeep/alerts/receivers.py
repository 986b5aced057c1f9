"""A webhook and a mail server on loopback that keep what they got, and can be told to refuse it."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any


@dataclass
class WebhookReceiver:
    """What was posted: headers and JSON, in order; ``answers`` are the status codes to give, then 200, and
    ``taken`` the keys of the posts that got 200.
    """

    port: int = 0
    answers: list[int] = field(default_factory=list)
    posts: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    location: str = ""

    @property
    def url(self) -> str:
        """An address with something secret in it."""
        return f"http://127.0.0.1:{self.port}/hooks/T0P-S3CR3T?key=hidden-too"


@dataclass
class MailReceiver:
    """The mails that arrived, in order; ``answers`` are the codes to give after DATA, then 250."""

    port: int = 0
    answers: list[int] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    says: str = "done"
    leaves: str = "221 bye"


@contextmanager
def webhook_receiver() -> Iterator[WebhookReceiver]:
    """A running webhook."""
    state = WebhookReceiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.posts.append((dict(self.headers), json.loads(body)))
            answer = state.answers.pop(0) if state.answers else 200
            if answer == 200:
                state.taken.append(self.headers["Idempotency-Key"])
            self.send_response(answer)
            self.send_header("Location", state.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with _running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as state.port:
        yield state


class _MailServer(socketserver.ThreadingTCPServer):
    def __init__(self, state: MailReceiver) -> None:
        super().__init__(("127.0.0.1", 0), _MailHandler)
        self.state = state


class _MailHandler(socketserver.StreamRequestHandler):
    server: _MailServer

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline().decode().strip():
            verb = line.split()[0].upper()
            if verb == "QUIT":
                self._say(self.server.state.leaves)
                return
            self._say(self._answer(verb, line))

    def _answer(self, verb: str, line: str) -> str:
        if verb == "EHLO":
            return "250-here\r\n250 AUTH PLAIN"
        if verb == "AUTH":
            self.server.state.logins.append(line)
            return "235 yes"
        return self._data() if verb == "DATA" else "250 yes"

    def _data(self) -> str:
        self._say("354 go on")
        lines = list(iter(self.rfile.readline, b".\r\n"))
        answers = self.server.state.answers
        code = answers.pop(0) if answers else 250
        if code == 250:
            mail = message_from_bytes(b"".join(lines), policy=policy.default)
            assert isinstance(mail, EmailMessage)
            self.server.state.mails.append(mail)
        return f"{code} {self.server.state.says}"

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


@contextmanager
def mail_receiver() -> Iterator[MailReceiver]:
    """A running mail server that speaks as much SMTP as one client needs."""
    state = MailReceiver()
    with _running(_MailServer(state)) as state.port:
        yield state


@contextmanager
def _running(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
