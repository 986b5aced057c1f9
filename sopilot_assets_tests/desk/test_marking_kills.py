"""kill -9 of the desk while somebody confirms: what was confirmed is there once, what was not is a draft.

SOPILOT_KILLS=100 for the thorough form (`make thorough`).
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from sopilot_assets.capture.promotions import ConfirmedStep
from sopilot_assets.desk.guards import SCRIPTED
from sopilot_assets.store.chain import NO_EVENT
from sopilot_assets.store.home import HOME_VARIABLE, Home
from sopilot_assets_tests.desk.marked_home import counting, events, said, unmarked_home

KILLS = int(os.environ.get("SOPILOT_KILLS", "4"))
LONGEST_S = 0.5
"""A confirmation is killed at a moment up to so long after it was sent."""
_STARTS_S = 60.0


@contextmanager
def server(home: Home, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The desk in a process of its own, ready to answer."""
    command = [sys.executable, "-m", "uvicorn", "--factory", "sopilot_assets.desk:create_app"]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--log-level", "error"],
        env={**os.environ, HOME_VARIABLE: str(home.root)},
    )
    try:
        until = time.monotonic() + _STARTS_S
        while time.monotonic() < until:
            with suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/sign-in")
                break
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


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
        with server(home, port) as running, httpx.Client(base_url=address, headers={SCRIPTED: "1"}) as client:
            client.post("/sign-in", data={"who": "ada"})
            killer = subprocess.Popen(
                ["sh", "-c", f"sleep {chance.uniform(0, LONGEST_S):.3f}; kill -9 {running.pid}"]
            )
            with suppress(httpx.TransportError):
                answer = client.post(f"/golds/{key}/steps", data=said(wanted, based_on))
                assert answer.status_code == 200
            killer.wait()
            assert running.wait() == -signal.SIGKILL
        # the chain holds, and the new mark is whole or not there
        assert counting(home, key) in (wanted, moved(steps, number - 1) if number > 1 else ())
        assert len(events(home)) in (number - 1, number)
        # the draft is sent once more, as a person does: now it is there, once
        with server(home, port), httpx.Client(base_url=address, headers={SCRIPTED: "1"}) as client:
            client.post("/sign-in", data={"who": "ada"})
            again = client.post(f"/golds/{key}/steps", data=said(wanted, based_on))
            assert again.status_code == 200
            based_on = again.json()["based_on"]
        assert counting(home, key) == wanted
        assert len(events(home)) == number
    assert [event.based_on for event in events(home)][1:] == [e.event_id for e in events(home)][:-1]
