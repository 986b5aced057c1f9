"""A command that ends with the process that started it, whatever ends that one: ``python -m
sopilot_assets.processes.tied COMMAND ...``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from sopilot_assets.processes.posix.running import end_with_starter


def tied(command: Sequence[str]) -> list[str]:
    """The command line that runs the command in the same process as its child, and asks it to end (SIGTERM)
    when the thread that started it has ended. The first word of the command is the path of a program.
    """
    return [sys.executable, "-m", __name__, str(os.getpid()), *command]


def main(arguments: Sequence[str]) -> None:
    """Become the command; end at once where who started this has gone already."""
    starter, *command = arguments
    end_with_starter()
    if os.getppid() == int(starter):
        os.execv(command[0], command)  # noqa: S606 - our own list of arguments


if __name__ == "__main__":
    main(sys.argv[1:])
