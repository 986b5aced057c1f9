"""The journal of alerts: raised once, repeated while they last, resolved.

Which alerts are open is read from the journal each time; there is no second place that could disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from upath import UPath

from sopilot_assets.errors import LedgerError
from sopilot_assets.store.home import Home
from sopilot_assets.store.journal import append_journal, read_journal
from sopilot_assets.store.publish import only_writer
from sopilot_assets.texts.names import printable
from sopilot_assets.upkeep.alerts.alert import AlertEvent, Happening, event_of
from sopilot_assets.upkeep.conditions.condition import Condition, ConditionSeverity, Key

JOURNAL: Final = "alerts.jsonl"
REPEAT_AFTER_HOURS: Final = 24.0


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """An alert that is not over: its newest event, and when people were told last (ISO 8601)."""

    newest: AlertEvent
    told_at: str


def journal_path(home: Home) -> UPath:
    """Where alerts are noted."""
    return home.alerts / JOURNAL


def read_events(home: Home) -> list[AlertEvent]:
    """All events, oldest first; raises ``LedgerError`` for lines that are none."""
    return [_event(home, line) for line in read_journal(journal_path(home))]


def open_alerts(home: Home) -> list[OpenAlert]:
    """The alerts that are not over, the longest open first."""
    return sorted(_standing(read_events(home)).open.values(), key=lambda one: one.newest.first_seen)


def raise_alert(
    home: Home, alert: Condition, *, now: datetime, repeat_after_hours: float = REPEAT_AFTER_HOURS
) -> AlertEvent | None:
    """The event noted for the alert; None where the same alert is open already and nothing is to be said.

    An open alert is told again after ``repeat_after_hours``, or when it became a problem. An ``occurrence``
    that was noted before is never noted again.
    """
    return next(iter(raise_alerts(home, [alert], now=now, repeat_after_hours=repeat_after_hours)), None)


def raise_alerts(
    home: Home, alerts: Iterable[Condition], *, now: datetime, repeat_after_hours: float
) -> list[AlertEvent]:
    """The events noted for the alerts, as `raise_alert` notes each; the journal is read once."""
    with _alone(home):
        standing, events = _standing(read_events(home)), list[AlertEvent]()
        for alert in alerts:
            event = _raised(alert, standing, now, repeat_after_hours)
            if event is not None:
                standing.add(event)
                events.append(event)
        append_journal(journal_path(home), [event.as_line() for event in events])
        return events


def resolve_alert(home: Home, kind: str, subject: str, *, now: datetime, what: str = "") -> AlertEvent | None:
    """The event that ends an open alert, ``what`` saying how; None where none is open."""
    with _alone(home):
        found = _standing(read_events(home)).open.get((kind, printable(subject)))
        event = _resolved(found, now, what) if found else None
        append_journal(journal_path(home), [event.as_line()] if event else [])
        return event


def settle(
    home: Home,
    kinds: Collection[str],
    alerts: Sequence[Condition],
    *,
    now: datetime,
    repeat_after_hours: float = REPEAT_AFTER_HOURS,
) -> list[AlertEvent]:
    """The events that make the open alerts of these kinds exactly ``alerts``: raised, repeated, resolved."""
    with _alone(home):
        standing = _standing(read_events(home))
        lasting = {alert.key for alert in alerts}
        over = [one for key, one in standing.open.items() if key[0] in kinds and key not in lasting]
        raised = (_raised(alert, standing, now, repeat_after_hours) for alert in alerts)
        events = [*(_resolved(one, now, "") for one in over), *(event for event in raised if event)]
        append_journal(journal_path(home), [event.as_line() for event in events])
        return events


@dataclass(slots=True)
class _Standing:
    """What the journal says now: open alerts by kind and subject, and every occurrence ever noted."""

    open: dict[Key, OpenAlert] = field(default_factory=dict)
    occurrences: set[tuple[str, str]] = field(default_factory=set)

    def add(self, event: AlertEvent) -> None:
        """Take one more event in."""
        self.occurrences.add((event.kind, event.occurrence))
        if event.event == Happening.RESOLVED:
            self.open.pop(event.key, None)
        else:
            before = self.open.get(event.key)
            told_at = event.at if event.is_told or before is None else before.told_at
            self.open[event.key] = OpenAlert(event, told_at)


def _standing(events: Iterable[AlertEvent]) -> _Standing:
    standing = _Standing()
    for event in events:
        standing.add(event)
    return standing


def _raised(
    alert: Condition, standing: _Standing, now: datetime, repeat_after_hours: float
) -> AlertEvent | None:
    if alert.occurrence and (alert.kind, alert.occurrence) in standing.occurrences:
        return None
    found = standing.open.get(alert.key)
    if found is None:
        return event_of(alert, Happening.RAISED, at=now, first_seen=now.isoformat(), count=1)
    worse = found.newest.severity == ConditionSeverity.WARNING and alert.severity is ConditionSeverity.PROBLEM
    # the clock may have been set back, so what was told in the future is as old as what was told long ago
    silent = abs(now - datetime.fromisoformat(found.told_at))
    due = worse or silent >= timedelta(hours=repeat_after_hours)
    if not (due or alert.occurrence):
        return None
    happening = Happening.REPEATED if due else Happening.AGAIN
    count = found.newest.count + bool(alert.occurrence)
    return event_of(alert, happening, at=now, first_seen=found.newest.first_seen, count=count)


def _resolved(found: OpenAlert, now: datetime, what: str) -> AlertEvent:
    newest = found.newest
    alert = Condition(
        newest.kind, newest.subject, ConditionSeverity(newest.severity), what or newest.what, "nothing"
    )
    return event_of(alert, Happening.RESOLVED, at=now, first_seen=newest.first_seen, count=newest.count)


def _alone(home: Home) -> AbstractContextManager[None]:
    return only_writer(home.alerts / ".alerts.lock")


def _event(home: Home, line: dict[str, object]) -> AlertEvent:
    make: Callable[..., AlertEvent] = AlertEvent
    try:
        return make(**line)
    except TypeError as error:
        raise LedgerError(
            f"{journal_path(home)}: expected lines with the fields {', '.join(AlertEvent.__slots__)}, found "
            f"{', '.join(line)}. Restore the file from a backup."
        ) from error
