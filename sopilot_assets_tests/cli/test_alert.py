"""`sopilot alerts`: what is open, a test message, and what waits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.alerts import raise_alert, resolve_alert
from sopilot_assets.upkeep.conditions.condition import Condition, ConditionSeverity
from sopilot_assets_tests.cli.running import rows, sopilot
from sopilot_assets_tests.upkeep.alerts.receivers import (
    MailReceiver,
    WebhookReceiver,
    mail_receiver,
    webhook_receiver,
)

SETTINGS = """
alerts:
  webhook: {{url_env: HOOK_URL}}
  email:
    {{host: 127.0.0.1, port: {port}, starttls: false, sender: s@example.org, recipients: [a@example.org]}}
"""


@pytest.fixture
def receivers(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[WebhookReceiver, MailReceiver]]:
    with webhook_receiver() as hook, mail_receiver() as mail:
        text = SETTINGS.format(port=mail.port)
        (local_path(home.root) / "settings.yaml").write_text(text, "utf-8")
        monkeypatch.setenv("HOOK_URL", hook.url)
        yield hook, mail


def note(home: Home, subject: str) -> None:
    alert = Condition("disk", subject, ConditionSeverity.PROBLEM, "1 GiB free", "free some")
    raise_alert(home, alert, now=datetime.now(UTC))


def test_open_alerts_are_listed_and_all_events_on_demand(home: Home) -> None:
    assert "No alert is open." in sopilot(home, "alert", "list").stdout
    note(home, "a")
    note(home, "b")
    resolve_alert(home, "disk", "a", now=datetime.now(UTC))
    assert [(row["subject"], row["action"]) for row in rows(home, "alert", "list")] == [("b", "free some")]
    assert [row["event"] for row in rows(home, "alert", "list", "--all")] == ["raised", "raised", "resolved"]


def test_a_test_message_goes_through_every_channel(
    home: Home, receivers: tuple[WebhookReceiver, MailReceiver]
) -> None:
    hook, mail = receivers
    assert [row["ok"] for row in rows(home, "alert", "deliver", "--test")] == [True, True]
    assert (len(hook.posts), len(mail.mails)) == (1, 1)
    hook.answers = [403]
    told = rows(home, "alert", "deliver", "--test", exit_code=1)
    assert [(row["channel"], row["ok"]) for row in told] == [("webhook", False), ("email", True)]
    assert "No alert is open." in sopilot(home, "alert", "list").stdout


def test_a_test_without_channels_says_so(home: Home) -> None:
    assert "names no webhook and no e-mail" in sopilot(home, "alert", "deliver", "--test").stdout


def test_what_waits_is_sent_now_whatever_the_wait(
    home: Home, receivers: tuple[WebhookReceiver, MailReceiver]
) -> None:
    hook, mail = receivers
    note(home, "a")
    hook.answers = [503]
    failed = rows(home, "alert", "deliver", exit_code=1)
    assert [(row["channel"], row["tries"]) for row in failed] == [("webhook", 1)]
    assert "1 messages delivered, 0 wait." in sopilot(home, "alert", "deliver").stdout
    assert (len(hook.posts), len(mail.mails)) == (2, 1)
