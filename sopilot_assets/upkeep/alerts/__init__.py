"""What needs somebody's attention: noted, told once, repeated while it lasts, and told when it is over.

``raise_alert`` and ``settle`` note alerts in ``alerts/alerts.jsonl``; ``deliver`` sends what was noted by
webhook and e-mail.
"""

from sopilot_assets.upkeep.alerts.alert import AlertEvent, Happening
from sopilot_assets.upkeep.alerts.deliver import AlertDelivery, deliver, undelivered
from sopilot_assets.upkeep.alerts.noting import (
    OpenAlert,
    open_alerts,
    raise_alert,
    read_events,
    resolve_alert,
    settle,
)

__all__ = [
    "AlertDelivery",
    "AlertEvent",
    "Happening",
    "OpenAlert",
    "deliver",
    "open_alerts",
    "raise_alert",
    "read_events",
    "resolve_alert",
    "settle",
    "undelivered",
]
