"""Secrets: read from environment variables when they are needed, and kept out of every text."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from sopilot_assets.errors import ConfigError

HIDDEN = "***"


def secret(name: str, environment: Mapping[str, str], *, purpose: str) -> str:
    """The value of an environment variable; raises ``ConfigError`` where it has none that can be sent."""
    value = environment.get(name, "").strip()
    if not value:
        raise ConfigError(
            f"variable {name}: expected {purpose}, found nothing. Set it where Dagster is started, e.g. in "
            "the service's environment file, and start it anew."
        )
    if not (value.isascii() and value.isprintable()):
        # HTTP and SMTP take nothing else, and their libraries show what they refuse
        raise ConfigError(
            f"variable {name}: expected {purpose} on one line of ASCII characters, found others (not shown, "
            "since it is secret). Correct it where Dagster is started."
        )
    return value


@dataclass(frozen=True, slots=True)
class Secrets:
    """The environment variables that hold something secret; those of ``addresses`` hold a URL, of which every
    part is.
    """

    variables: Collection[str | None]
    addresses: Collection[str | None]
    environment: Mapping[str, str]

    def hidden_in(self, text: str) -> str:
        """The text with the value of every secret replaced."""
        for value in sorted(set(self._values()), key=len, reverse=True):
            text = text.replace(value, HIDDEN)
        return text

    def _values(self) -> Iterator[str]:
        for name in (*self.variables, *self.addresses):
            value = self.environment.get(name, "").strip() if name else ""
            if value:
                yield from (value, quote(value, safe=""))
        for name in self.addresses:
            yield from _parts(self.environment.get(name, "").strip() if name else "")


def _parts(url: str) -> Iterator[str]:
    """What of an address is secret by itself: its path, its query, its password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    yield from (part for part in (parts.path, parts.query, parts.password) if part and len(part) > 3)
