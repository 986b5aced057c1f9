"""Alerts and campaigns of a day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.upkeep.alerts.alert import AlertEvent, Happening
from sopilot_assets.upkeep.alerts.noting import read_events
from sopilot_assets.upkeep.campaign.records import CycleOutcome, cycles_ledger
from sopilot_assets.upkeep.daily.day import Day


def alerts(home: Home, day: Day) -> list[dict[str, Cell]]:
    """The alerts that were open at the end, and those that ended on the day; the longest open first."""
    newest: dict[str, AlertEvent] = {}
    for event in _before(read_events(home), day):
        newest[event.alert_id] = event
    rows = [_alert(event) for event in newest.values() if _counts(event, day)]
    return sorted(rows, key=lambda row: (row["state"] != "open", str(row["since"]), str(row["what"])))


def _before(events: Iterable[AlertEvent], day: Day) -> list[AlertEvent]:
    return [event for event in events if event.time < day.until]


def _counts(event: AlertEvent, day: Day) -> bool:
    return event.event != Happening.RESOLVED or event.at.startswith(day.date.isoformat())


def _alert(event: AlertEvent) -> dict[str, Cell]:
    over = event.event == Happening.RESOLVED
    return {
        "since": event.first_seen,
        "state": "over" if over else "open",
        "severity": event.severity,
        "what": event.what,
        "count": event.count,
        "action": event.action,
    }


def campaigns(home: Home, day: Day) -> list[dict[str, Cell]]:
    """What the campaigns did on the day: their cycles by outcome, faults and findings of their steps."""
    rows = plain_rows(cycles_ledger(home).as_of(day.moment))
    today = [row for row in rows if str(row["written_at"]).startswith(day.date.isoformat())]
    return [
        _campaign(name, [row for row in today if row["campaign"] == name])
        for name in sorted({str(row["campaign"]) for row in today})
    ]


def _campaign(name: str, cycles: list[dict[str, Cell]]) -> dict[str, Cell]:
    outcomes = Counter(str(row["outcome"]) for row in cycles)
    return {
        "campaign": name,
        **{outcome.value: outcomes[outcome.value] for outcome in CycleOutcome},
        "faults": sum(int(row["faults"] or 0) for row in cycles),
        "findings": sum(int(row["findings"] or 0) for row in cycles),
    }
