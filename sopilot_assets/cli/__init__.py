"""The command line: `sopilot`.

Each command parses, calls one function of the library and shows what came back. Anything heavy is imported
inside the commands, so that `sopilot --help` answers at once.

Reads and writes nothing itself but what a command shows.
"""

from __future__ import annotations

from sopilot_assets.cli.app import app

__all__ = ["app"]
