"""The process of one run below a worker: ``python -m ...run_process RUN_ID WORKER_PID``.

Dagster's own command for it would go on after a killed worker, while the run counts as lost and is started
elsewhere.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import Final

from dagster import DagsterInstance
from dagster._cli.api import _execute_run_command_body
from dagster._utils.interrupts import capture_interrupts

_WATCH_S: Final = 0.5


def main(run_id: str, worker: int) -> int:
    """0 when the run succeeded, else 1; the process dies at once when its worker does."""
    threading.Thread(target=_end_with, args=(worker,), daemon=True).start()
    with capture_interrupts(), DagsterInstance.get() as instance:
        return _execute_run_command_body(
            run_id, instance, write_stream_fn=lambda _: None, set_exit_code_on_failure=True
        )


def _end_with(worker: int) -> None:
    while os.getppid() == worker:
        time.sleep(_WATCH_S)
    # no step may finish what is started anew elsewhere; published files are whole at any moment
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
