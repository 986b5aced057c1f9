"""The sign of life of whoever looks after a campaign: ``campaigns/<id>/watch.json``."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Final

from sopilot_assets.processes.boot_clock import Moment
from sopilot_assets.processes.children import marks_at_work
from sopilot_assets.store.canonical import pretty_json
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import publish_bytes
from sopilot_assets.upkeep.campaign.plan import folder, mark

_NAME: Final = "watch.json"


def note_watch(home: Home, campaign_id: str, now: Moment) -> None:
    """Note that the campaign was looked after at this moment."""
    document = {"at": now.wall.isoformat(), "boot_id": now.boot_id, "since_boot_s": now.since_boot_s}
    publish_bytes(folder(home, campaign_id) / _NAME, pretty_json(document))


def last_watch(home: Home, campaign_id: str) -> Moment | None:
    """When the campaign was looked after last; None for never, or where that cannot be read."""
    try:
        found = json.loads((folder(home, campaign_id) / _NAME).read_bytes())
        return Moment(datetime.fromisoformat(found["at"]), found["boot_id"], float(found["since_boot_s"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def current_step(home: Home, campaign_id: str) -> str | None:
    """The step that is at work on this machine, as ``<cycle>/<step>``; None where none is."""
    return max((one.partition("/")[2] for one in marks_at_work(mark(home, campaign_id))), default=None)
