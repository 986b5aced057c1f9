"""Commands, each in a process of its own that is forked from one which has loaded what they all need.

    python -m sopilot_assets_tests.cli.forked <commands.json

It reads ``{"watched": [modules], "commands": [[words], ...]}`` and writes a line of JSON for each command:
its exit code, what it said, and which of the watched modules it has loaded, those of its parent among them.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Collection, Sequence

import duckdb  # noqa: F401 - for all commands, once
import pandas as pd  # noqa: F401
import pyarrow.parquet as pq  # noqa: F401

from sopilot_assets.cli import app


def main() -> None:
    """Run what standard input asks for, one after the other."""
    asked = json.load(sys.stdin)
    for words in asked["commands"]:
        sys.stdout.write(json.dumps(in_a_fork(words, asked["watched"])) + "\n")
        sys.stdout.flush()


def in_a_fork(words: Sequence[str], watched: Collection[str]) -> dict[str, object]:
    """The exit code of a command, what it printed, and the watched modules in its process."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said, tempfile.TemporaryFile("w+") as loaded:
        child = os.fork()
        if child == 0:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            code = exit_code(words)
            json.dump(sorted({*watched} & sys.modules.keys()), loaded)
            for stream in (sys.stdout, sys.stderr, loaded):
                stream.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        said.seek(0)
        loaded.seek(0)
        return {
            "exit_code": os.waitstatus_to_exitcode(status),
            "said": said.read(),
            "loaded": json.load(loaded),
        }


def exit_code(words: Sequence[str]) -> int:
    """Of one command in this process; 70 after an error that it did not expect, which is printed."""
    try:
        app(words)
    except SystemExit as ended:
        return int(ended.code or 0)
    except Exception:  # noqa: BLE001 - whatever it is, it is said
        traceback.print_exc()
        return 70
    return 0


if __name__ == "__main__":
    main()
