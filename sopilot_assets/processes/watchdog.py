"""Signs of life to systemd (sd_notify(3)): that a service is ready, lives, and is about to end.

systemd restarts a service that gives none for the time that its unit says (``WatchdogSec``). A sign is given
only after something looked whether the service does what it is for; a process that is stopped, waits for ever
or no longer answers gives none. Where systemd did not start the process, nothing is told to anybody.
"""

from __future__ import annotations

import http.client
import os
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from sopilot_assets.processes.posix.running import send_to

SOCKET: Final = "NOTIFY_SOCKET"
"""The variable that names the socket which systemd listens on."""
LIMIT: Final = "WATCHDOG_USEC"
"""The variable with the microseconds within which systemd wants a sign of life."""
_STARTING_S: Final = 0.5
_USUAL_S: Final = 30.0
_ANSWER_S: Final = 20.0
_TOLD_S: Final = 5.0


def tell(*states: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Send states such as ``READY=1`` or ``WATCHDOG=1``; False where nobody takes them."""
    address = environment.get(SOCKET, "")
    if not address:
        return False
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    # not told where systemd is busy, or being replaced by a newer one: the next sign will arrive
    return send_to(address, "\n".join(states), patience_s=_TOLD_S)


@contextmanager
def watched(lives: Callable[[], bool], *, environment: Mapping[str, str] = os.environ) -> Iterator[None]:
    """While the block runs, a thread asks ``lives`` and passes on that it is so: the first time that the
    service is ready, then four times within the limit of the watchdog. At the end it says that it stops.
    """
    if not environment.get(SOCKET):
        yield
        return
    over = threading.Event()
    watching = threading.Thread(target=_watch, args=(lives, over, environment), name="watchdog", daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        tell("STOPPING=1", environment=environment)


def answers(host: str, port: int, path: str, *, tls: bool = False, patience_s: float = _ANSWER_S) -> bool:
    """Whether a web server on this machine answers, whatever it says, within so many seconds."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared with
    asking: http.client.HTTPConnection
    if tls:
        unchecked = ssl._create_unverified_context()  # noqa: S323, SLF001 - our own port, only whether it lives
        asking = http.client.HTTPSConnection(host, port, timeout=patience_s, context=unchecked)
    else:
        asking = http.client.HTTPConnection(host, port, timeout=patience_s)
    try:
        asking.request("GET", path)
        asking.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        with suppress(OSError):
            asking.close()
    return True


def _watch(lives: Callable[[], bool], over: threading.Event, environment: Mapping[str, str]) -> None:
    limit_s = int(environment.get(LIMIT) or 0) / 1e6
    every_s, ready = limit_s / 4 or _USUAL_S, False
    while not over.wait(every_s if ready else _STARTING_S):
        if lives() and not over.is_set():
            told = tell(*(() if ready else ("READY=1",)), "WATCHDOG=1", environment=environment)
            ready = ready or told
