"""What people read of an alert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sopilot_assets.texts.names import one_line
from sopilot_assets.upkeep.alerts.alert import AlertEvent, Happening

_HEADLINES: Final = {
    Happening.RAISED.value: "",
    Happening.REPEATED.value: "still: ",
    Happening.RESOLVED.value: "over: ",
}


@dataclass(frozen=True, slots=True)
class Message:
    """An alert for people; ``installation`` says which one it is about."""

    installation: str
    subject: str
    text: str


def message_of(event: AlertEvent, installation: str) -> Message:
    """The alert as a subject line and a text."""
    over = event.event == Happening.RESOLVED
    word = "RESOLVED" if over else event.severity.upper()
    subject = f"[sopilot {installation}] {word}: {_HEADLINES.get(event.event, '')}{event.what}"
    lines = [
        f"{word}: {event.what}",
        "",
        f"About:      {event.kind}: {event.subject}",
        *([] if over else [f"What to do: {event.action}"]),
        f"Since:      {event.first_seen}",
        f"Now:        {event.at}",
        *([f"Times:      {event.count}"] if event.count > 1 else []),
        f"Where:      {installation}",
        f"Alert:      {event.alert_id}, message {event.id}",
    ]
    return Message(installation, one_line(subject, 160), "\n".join(lines) + "\n")
