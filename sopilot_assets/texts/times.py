"""Times as people read them."""

from __future__ import annotations

from datetime import datetime


def minute(time: str) -> str:
    """A time as ledgers and sidecars write it, to the minute; in UTC it says so.

    >>> minute("2026-02-23T09:30:12+00:00"), minute("2026-02-23T09:30:12+09:00")
    ('2026-02-23 09:30 UTC', '2026-02-23 09:30 +09:00')
    """
    moment = datetime.fromisoformat(time)
    zone = "" if moment.tzinfo is None else moment.isoformat()[-6:].replace("+00:00", "UTC")
    return f"{moment:%Y-%m-%d %H:%M} {zone}".rstrip()
