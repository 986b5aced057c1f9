"""Times as people read them, and as programs order them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime


def minute(time: str) -> str:
    """A time as ledgers and sidecars write it, to the minute; in UTC it says so.

    >>> minute("2026-02-23T09:30:12+00:00"), minute("2026-02-23T09:30:12+09:00")
    ('2026-02-23 09:30 UTC', '2026-02-23 09:30 +09:00')
    """
    moment = datetime.fromisoformat(time)
    zone = "" if moment.tzinfo is None else moment.isoformat()[-6:].replace("+00:00", "UTC")
    return f"{moment:%Y-%m-%d %H:%M} {zone}".rstrip()


def utc(moment: str) -> str:
    """A time of a ledger or sidecar in UTC, all of the same length, so that texts are in the order of times;
    one without a zone counts as UTC.

    >>> utc("2026-02-23T09:30:12+09:00"), utc("2026-02-23T09:30:12.25")
    ('2026-02-23T00:30:12.000000Z', '2026-02-23T09:30:12.250000Z')
    """
    at = datetime.fromisoformat(moment)
    with suppress(OverflowError):  # in no year of UTC, as clocks that were never set say it
        at = at.astimezone(UTC) if at.tzinfo else at
    at = at.replace(tzinfo=UTC)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
