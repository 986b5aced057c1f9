"""kill -9 of the desk while somebody confirms: what was confirmed is there once, what was not is a draft.

SOPILOT_KILLS=100 for the thorough form (`make thorough`).
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener, urlopen

import pytest

from sopilot_assets.capture.promotions import ConfirmedStep
from sopilot_assets.desk.guards import SCRIPTED
from sopilot_assets.store.chain import NO_EVENT
from sopilot_assets.store.home import Home
from sopilot_assets_tests.desk.marked_home import counting, events, said, unmarked_home
from sopilot_assets_tests.desk.process import serve
from sopilot_assets_tests.forkserver import started

pytestmark = pytest.mark.whole

KILLS = int(os.environ.get("SOPILOT_KILLS", "4"))
LONGEST_S = 0.5
"""A confirmation is killed at a moment up to so long after it was sent."""
_STARTS_S = 60.0


@contextmanager
def server(home: Home, port: int) -> Iterator[ForkServerProcess]:
    """The desk in a process of its own, ready to answer."""
    process = started(serve, str(home.root), port)
    try:
        until = time.monotonic() + _STARTS_S
        while time.monotonic() < until:
            with suppress(URLError), urlopen(f"http://127.0.0.1:{port}/sign-in"):
                break
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.join()


def sent(browser: OpenerDirector, address: str, fields: dict[str, str]) -> bytes:
    """The answer to a form."""
    request = Request(address, urlencode(fields).encode(), {SCRIPTED: "1", "accept": "application/json"})
    with browser.open(request, timeout=60) as answer:
        body: bytes = answer.read()
        return body


def signed_in(address: str) -> OpenerDirector:
    """A browser in which ada is signed in."""
    browser = build_opener(HTTPCookieProcessor())
    sent(browser, f"{address}/sign-in", {"who": "ada"})
    return browser


def moved(steps: tuple[ConfirmedStep, ...], number: int) -> tuple[ConfirmedStep, ...]:
    """Steps that no confirmation before said."""
    last = steps[-1]
    return (*steps[:-1], last.model_copy(update={"end_s": round(last.end_s - number / 1000, 3)}))


def test_what_was_confirmed_is_there_once_and_what_was_not_can_be_confirmed_again(
    embedded_original: Home, tmp_path: Path
) -> None:
    home, true = unmarked_home(embedded_original, tmp_path)
    key, steps = sorted(true.items())[0]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address, chance = f"http://127.0.0.1:{port}", random.Random(7)
    based_on = NO_EVENT
    for number in range(1, KILLS + 1):
        wanted = moved(steps, number)
        with server(home, port) as running:
            browser, pid = signed_in(address), running.pid
            assert pid is not None
            killer = threading.Timer(chance.uniform(0, LONGEST_S), os.kill, (pid, signal.SIGKILL))
            killer.start()
            with suppress(OSError, HTTPException):  # the server is gone
                sent(browser, f"{address}/golds/{key}/steps", said(wanted, based_on))
            killer.join()
            running.join()
            assert running.exitcode == -signal.SIGKILL
        # the chain holds, and the new mark is whole or not there
        assert counting(home, key) in (wanted, moved(steps, number - 1) if number > 1 else ())
        assert len(events(home)) in (number - 1, number)
        # the draft is sent once more, as a person does: now it is there, once
        with server(home, port):
            again = sent(signed_in(address), f"{address}/golds/{key}/steps", said(wanted, based_on))
        based_on = json.loads(again)["based_on"]
        assert counting(home, key) == wanted
        assert len(events(home)) == number
    assert [event.based_on for event in events(home)][1:] == [e.event_id for e in events(home)][:-1]
