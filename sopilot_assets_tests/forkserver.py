"""Functions run in processes of their own that are forked from one which has imported what they need.

To be killed, mostly: a new interpreter would take longer to import everything than to do the work.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Event
from typing import Final

CONTEXT: Final = multiprocessing.get_context("forkserver")


def started(function: Callable[..., None], *arguments: object, **named: object) -> ForkServerProcess:
    """The process that runs a function of a module, which has imported that module when this returns."""
    CONTEXT.set_forkserver_preload([function.__module__])
    ready = CONTEXT.Event()
    process = CONTEXT.Process(target=_ready, args=(ready, function, arguments, named))
    process.start()
    ready.wait(60)
    return process


def _ready(
    ready: Event,
    function: Callable[..., None],
    arguments: tuple[object, ...],
    named: dict[str, object],
) -> None:
    ready.set()
    function(*arguments, **named)
