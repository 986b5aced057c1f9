"""Who looks at which recording just now, so that two people do not label the same one at once.

A turn ends by itself, and decides nothing: what counts is decided where a label is saved. It lies in the
desk's database, which all server processes share.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from sopilot_assets.desk.database import transaction
from sopilot_assets.store.home import Home

LASTS: Final = timedelta(minutes=30)


def take_turn(home: Home, who: str, keys: Iterable[str], *, at: datetime) -> str | None:
    """The first of these recordings that nobody else looks at, which ``who`` looks at from now on and for as
    long as `LASTS`, instead of what they looked at before; None where others look at all of them.
    """
    with transaction(home) as database:
        now = at.isoformat()
        rows = database.execute("select key from turns where who != ? and until > ?", (who, now))
        held = {str(row["key"]) for row in rows}
        chosen = next((key for key in keys if key not in held), None)
        database.execute("delete from turns where who = ? or until <= ?", (who, now))
        if chosen is not None:
            until = (at + LASTS).isoformat()
            database.execute("insert into turns values (?, ?, ?)", (who, chosen, until))
    return chosen
