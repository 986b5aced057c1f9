"""What happens to an alert over time: a condition that people are told of."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from sopilot_assets.texts.names import one_line, printable
from sopilot_assets.upkeep.conditions.condition import Condition, ConditionSeverity, Key


class Happening(StrEnum):
    """What an event says: the alert is new, happened once more (noted, not sent), still lasts, or is over."""

    RAISED = "raised"
    AGAIN = "again"
    REPEATED = "repeated"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """One line of ``alerts/alerts.jsonl``; times are ISO 8601 in UTC, ``count`` is how often it happened.

    ``id`` is the event's own, ``alert_id`` the same for all events of one alert from raised to resolved.
    """

    id: str
    alert_id: str
    event: str
    at: str
    kind: str
    subject: str
    severity: str
    what: str
    action: str
    occurrence: str
    first_seen: str
    count: int

    @property
    def key(self) -> Key:
        """Kind and subject."""
        return self.kind, self.subject

    @property
    def about(self) -> str:
        """Nothing: no event takes the place of another."""
        return ""

    @property
    def is_told(self) -> bool:
        """Whether it is sent to people, not only noted."""
        return self.event != Happening.AGAIN

    @property
    def time(self) -> datetime:
        """When it happened."""
        return datetime.fromisoformat(self.at)

    def as_line(self) -> dict[str, object]:
        """The event as plain values."""
        return asdict(self)


def event_of(
    alert: Condition, happening: Happening, *, at: datetime, first_seen: str, count: int
) -> AlertEvent:
    """The event that says that ``happening`` befell the alert at ``at``; control characters are taken out."""
    alert_id = _digest(alert.kind, alert.subject, first_seen)[:12]
    return AlertEvent(
        id=_digest(alert_id, happening, at.isoformat(), alert.occurrence)[:20],
        alert_id=alert_id,
        event=happening.value,
        at=at.isoformat(),
        kind=alert.kind,
        subject=printable(alert.subject),
        severity=alert.severity.value,
        what=one_line(alert.what),
        action=one_line(alert.action),
        occurrence=alert.occurrence,
        first_seen=first_seen,
        count=count,
    )


def trial_event(now: datetime) -> AlertEvent:
    """An event that says that messages arrive; it is not noted anywhere."""
    what = "this is a test: messages of this installation arrive here"
    alert = Condition("test", "sopilot alert deliver --test", ConditionSeverity.WARNING, what, "nothing")
    return event_of(alert, Happening.RAISED, at=now, first_seen=now.isoformat(), count=1)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
