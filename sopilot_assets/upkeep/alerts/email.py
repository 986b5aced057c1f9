"""One alert as an e-mail, over SMTP."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime

from sopilot_assets.errors import ConfigError
from sopilot_assets.settings import EmailSettings
from sopilot_assets.upkeep.alerts.alert import AlertEvent
from sopilot_assets.upkeep.alerts.message import message_of
from sopilot_assets.upkeep.delivery.outbox import DeliveryError
from sopilot_assets.upkeep.delivery.posting import why
from sopilot_assets.upkeep.delivery.secrets import secret


@dataclass(frozen=True, slots=True)
class EmailChannel:
    """The channel ``email``; ``installation`` is how messages call this one."""

    settings: EmailSettings
    environment: Mapping[str, str]
    installation: str
    name: str = "email"

    def send(self, event: AlertEvent, _: datetime) -> str:
        """A note about who got it. Raises ``DeliveryError`` where the server took it for nobody, and
        ``ConfigError`` where the settings hold nothing that can be used.

        The ``Message-ID`` is made of the event's id, the same for each try.
        """
        mail = self._mail(event)
        try:
            with contextlib.closing(self._connected()) as server:
                refused = server.send_message(mail)
                with contextlib.suppress(OSError, smtplib.SMTPException):  # it was taken
                    server.quit()
        except smtplib.SMTPResponseException as error:
            raise DeliveryError(f"SMTP {error.smtp_code} {_said(error.smtp_error)}") from None
        except smtplib.SMTPRecipientsRefused as error:
            raise DeliveryError(f"all recipients refused: {', '.join(error.recipients)}") from None
        except (OSError, UnicodeError, smtplib.SMTPException) as error:
            raise DeliveryError(why(error)) from None
        return f"accepted, but not for {', '.join(refused)}" if refused else "accepted"

    def _connected(self) -> smtplib.SMTP:
        settings = self.settings
        login = self._login()
        server = smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout_s)
        try:
            if settings.starttls:
                server.starttls(context=ssl.create_default_context())
            if login is not None:
                server.login(*login)
        except BaseException:
            server.close()
            raise
        return server

    def _login(self) -> tuple[str, str] | None:
        name, password = self.settings.username_env, self.settings.password_env
        if name is None or password is None:
            return None
        return (
            secret(name, self.environment, purpose="the mail server's user name"),
            secret(password, self.environment, purpose="the mail server's password"),
        )

    def _mail(self, event: AlertEvent) -> EmailMessage:
        message, mail = message_of(event, self.installation), EmailMessage()
        mail["Subject"] = message.subject
        try:
            mail["From"] = self.settings.sender
            mail["To"] = ", ".join(self.settings.recipients)
        except (ValueError, IndexError):  # the second is what `email` raises for "name@"
            raise ConfigError(
                "settings.yaml, alerts.email: expected addresses in sender and recipients, such as "
                "sopilot@example.org, found something else. Correct it."
            ) from None
        mail["Date"] = format_datetime(event.time)
        mail["Message-ID"] = f"<{event.id}@{_domain(self.settings.sender)}>"
        mail["X-Sopilot-Alert"] = event.alert_id
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        return mail


def _domain(address: str) -> str:
    return address.rpartition("@")[2].strip("> ") or "sopilot"


def _said(text: bytes | str) -> str:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return " ".join(said.split())[:200]
