"""Options that say what is known of a recording: who, in which session, when."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from sopilot_assets.errors import ConfigError

PERSON = Annotated[str | None, typer.Option(help="A code for who is seen, e.g. p014; not a name.")]
SESSION = Annotated[str | None, typer.Option(help="What was recorded in one go, e.g. 2026-03-02-early.")]
RECORDED_AT = Annotated[str | None, typer.Option(help="When, with the time zone: 2026-03-02T08:15:00+09:00.")]
WHO = Annotated[str | None, typer.Option("--who", help="Who says so. (Default: the account.)")]


def moment_of(text: str | None) -> datetime | None:
    """The time that ``--recorded-at`` names; raises ``ConfigError`` for anything else."""
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"--recorded-at {text}: expected a time such as 2026-03-02T08:15:00+09:00, found something else."
        ) from error
