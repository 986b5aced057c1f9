"""The process of one run: ``python -m ...run_process RUN_ID [--held FILE | --worker PID]``.

It does what Dagster's own command for it does, and keeps a file held for as long as it lives, by which the
launcher of one machine knows it. Below a worker of several machines it ends with the worker: else it would go
on while the run counts as lost and is started elsewhere.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import threading
import time
from typing import Final

from dagster import DagsterInstance
from dagster._cli.api import _execute_run_command_body
from dagster._utils.interrupts import capture_interrupts

from sopilot_assets.processes.posix.running import end_at_once

_WATCH_S: Final = 0.5


def main(arguments: list[str]) -> int:
    """0 when the run succeeded, else 1."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run_id")
    parser.add_argument("--held", type=int)
    parser.add_argument("--worker", type=int)
    given = parser.parse_args(arguments)
    if given.held is not None:
        os.set_inheritable(given.held, False)  # what the run starts shall not hold the file after it
    if given.worker is not None:
        threading.Thread(target=_end_with, args=(given.worker,), daemon=True).start()
    # what Dagster imported stays; looking through it again took a fifth of the time in which a run starts
    gc.freeze()
    with capture_interrupts(), DagsterInstance.get() as instance:
        return _execute_run_command_body(
            given.run_id, instance, write_stream_fn=lambda _: None, set_exit_code_on_failure=True
        )


def _end_with(worker: int) -> None:
    while os.getppid() == worker:
        time.sleep(_WATCH_S)
    # no step may finish what is started anew elsewhere; published files are whole at any moment
    end_at_once()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
