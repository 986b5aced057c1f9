"""Which days have a report, those since the home was first used, and where it lies."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Final

from upath import UPath

from sopilot_assets.capture.ledgers import quarantine_ledger, videos_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.daily.facts import known_facts

_FIRST: Final = "select min(written_at) as first from all_rows"


def first_day(home: Home) -> date | None:
    """The day of the first recording, taken in or refused, or of an earlier report; None before any."""
    begun = [
        str(time)[:10]
        for ledger in (videos_ledger(home), quarantine_ledger(home))
        for time in ledger.query(_FIRST)["first"].dropna()
    ]
    days = [*begun, *known_facts(home)]
    return date.fromisoformat(min(days)) if days else None


def days_to_report(home: Home, today: date, *, most: int) -> list[date]:
    """The finished days, at most so many and none before the home was used, whose report was not made yet, or
    not to its end.
    """
    first = first_day(home)
    if first is None:
        return []
    days = [today - timedelta(days=back) for back in range(most, 0, -1)]
    return [day for day in days if day >= first and not _is_made(home, day)]


def report_path(home: Home, day: date, suffix: str) -> UPath:
    """Where the report of a day lies, by its suffix."""
    return home.reports / f"{day.isoformat()}.{suffix}"


def _is_made(home: Home, day: date) -> bool:
    """Whether the whole day's report is there; its table is what is published last of it."""
    try:
        content = json.loads(local_path(report_path(home, day, "json")).read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return isinstance(content, dict) and content.get("complete") is True
