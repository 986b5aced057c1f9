"""The command line: `sopilot`.

Every command is `sopilot NOUN VERB`; a noun has a module of its name. A command parses, calls one function of
the library and shows what came back.

Reads and writes nothing itself but what a command shows.
"""

from __future__ import annotations

from sopilot_assets.cli.app import app

__all__ = ["app"]
