"""What needs somebody's attention: noted, told once, repeated while it lasts, and told when it is over.

``raise_alert`` and ``settle`` note alerts in ``alerts/alerts.jsonl``; ``deliver`` sends what was noted by
webhook and e-mail.
"""

from sopilot_assets.operations.alerts.alert import Alert, Event, Happening, Severity
from sopilot_assets.operations.alerts.deliver import Delivery, Undelivered, deliver, undelivered
from sopilot_assets.operations.alerts.noting import (
    OpenAlert,
    open_alerts,
    raise_alert,
    read_events,
    resolve_alert,
    settle,
)

__all__ = [
    "Alert",
    "Delivery",
    "Event",
    "Happening",
    "OpenAlert",
    "Severity",
    "Undelivered",
    "deliver",
    "open_alerts",
    "raise_alert",
    "read_events",
    "resolve_alert",
    "settle",
    "undelivered",
]
