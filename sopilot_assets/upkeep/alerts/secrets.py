"""Secrets: read from environment variables when they are needed, and kept out of every text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import quote, urlsplit

from sopilot_assets.errors import ConfigError
from sopilot_assets.settings import AlertSettings

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


def without_secrets(text: str, alerts: AlertSettings, environment: Mapping[str, str]) -> str:
    """The text with the value of every secret of the settings replaced."""
    for value in sorted(set(_values(alerts, environment)), key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return text


def _values(alerts: AlertSettings, environment: Mapping[str, str]) -> Iterator[str]:
    webhook, email = alerts.webhook, alerts.email
    names = [
        *([webhook.url_env, webhook.token_env] if webhook else []),
        *([email.username_env, email.password_env] if email else []),
    ]
    for name in names:
        value = environment.get(name, "").strip() if name else ""
        if value:
            yield from (value, quote(value, safe=""))
    if webhook:
        yield from _parts(environment.get(webhook.url_env, "").strip())


def _parts(url: str) -> Iterator[str]:
    """What of an address is secret by itself: its path, its query, its password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    yield from (part for part in (parts.path, parts.query, parts.password) if part and len(part) > 3)
