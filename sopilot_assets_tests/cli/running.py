"""Running commands as a user does, and reading what they print."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from typer.testing import CliRunner, Result

from sopilot_assets.cli import app
from sopilot_assets.store.home import Home


def sopilot(home: Home | Path, *words: str | Path, exit_code: int = 0) -> Result:
    """The result of ``sopilot <words>`` in a home; its exit code must be ``exit_code``."""
    root = home.root if isinstance(home, Home) else home
    result = CliRunner().invoke(app, ["--home", str(root), *map(str, words)], env={"COLUMNS": "200"})
    assert result.exit_code == exit_code, f"{result.exit_code}: {result.output}\n{result.exception!r}"
    return result


def rows(home: Home, *words: str | Path, exit_code: int = 0) -> list[Mapping[str, object]]:
    """What a command prints with ``--json``."""
    printed: list[Mapping[str, object]] = json.loads(
        sopilot(home, *words, "--json", exit_code=exit_code).stdout
    )
    return printed
