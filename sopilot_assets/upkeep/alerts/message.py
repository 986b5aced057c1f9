"""What people read of an alert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from sopilot_assets.upkeep.alerts.alert import AlertEvent, Happening

_HEADLINES: Final = {
    Happening.RAISED.value: "",
    Happening.REPEATED.value: "still: ",
    Happening.RESOLVED.value: "over: ",
}


class DeliveryError(Exception):
    """The alert could not be handed over."""


@dataclass(frozen=True, slots=True)
class Message:
    """An alert for people; ``installation`` says which one it is about."""

    installation: str
    subject: str
    text: str


class Channel(Protocol):
    """One way to reach people."""

    @property
    def name(self) -> str:
        """What the journal of deliveries calls it."""
        ...

    def send(self, event: AlertEvent, message: Message) -> str:
        """A note about the delivery. Raises ``DeliveryError`` or ``ConfigError`` where there was none."""
        ...


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
    return Message(installation, _short(subject), "\n".join(lines) + "\n")


def why(error: object) -> str:
    """What went wrong with a connection, in few words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__ if isinstance(error, BaseException) else str(error)


def _short(text: str, longest: int = 160) -> str:
    return text if len(text) <= longest else f"{text[: longest - 2]} …"
