"""Delivery to real servers on loopback: at least once, over failures and restarts, secrets in no text."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from sopilot_assets.settings import AlertSettings, EmailSettings, WebhookSettings
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.alerts import (
    AlertDelivery,
    deliver,
    raise_alert,
    read_events,
    resolve_alert,
    undelivered,
)
from sopilot_assets.upkeep.alerts.deliver import DELIVERIES
from sopilot_assets.upkeep.conditions.condition import Condition, ConditionSeverity
from sopilot_assets.upkeep.delivery.outbox import Delivery
from sopilot_assets_tests.upkeep.alerts.receivers import (
    MailReceiver,
    WebhookReceiver,
    mail_receiver,
    webhook_receiver,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOKEN, PASSWORD = "t0ken-value", "pa55word-value"
HOOK = AlertSettings(webhook=WebhookSettings(url_env="HOOK_URL", token_env="HOOK_TOKEN", timeout_s=1.0))


@pytest.fixture
def hook() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as receiver:
        yield receiver


@pytest.fixture
def mail() -> Iterator[MailReceiver]:
    with mail_receiver() as receiver:
        yield receiver


def mailing(receiver: MailReceiver, **more: object) -> AlertSettings:
    fields = {"host": "127.0.0.1", "port": receiver.port, "starttls": False, "timeout_s": 2.0}
    people = {"sender": "sopilot@example.org", "recipients": ["a@example.org", "b@example.org"]}
    return AlertSettings(email=EmailSettings.model_validate({**fields, **people, **more}))


def environment(receiver: WebhookReceiver) -> dict[str, str]:
    return {"HOOK_URL": receiver.url, "HOOK_TOKEN": TOKEN}


def fail(home: Home, run: str, *, subject: str | None = None, now: datetime = NOW) -> str:
    alert = Condition(
        "run_failed", subject or run, ConditionSeverity.PROBLEM, f"run {run} failed: ü 作業", "look", run
    )
    event = raise_alert(home, alert, now=now)
    assert event is not None
    return event.id


def send(
    home: Home, alerts: AlertSettings, variables: Mapping[str, str], *, after_s: float = 0.0
) -> AlertDelivery:
    now = NOW + timedelta(seconds=after_s)
    return deliver(home, alerts, environment=variables, installation="line 1", now=now)


def ids(hook: WebhookReceiver) -> list[str]:
    return [str(body["id"]) for _, body in hook.posts]


def deliveries(home: Home) -> str:
    return local_path(home.alerts / DELIVERIES).read_text("utf-8")


def test_a_webhook_gets_each_message_once_with_its_id_and_token(home: Home, hook: WebhookReceiver) -> None:
    first, second = fail(home, "a"), fail(home, "b")
    assert send(home, HOOK, environment(hook)) == Delivery(2, (), 0, 0)
    assert send(home, HOOK, environment(hook), after_s=99) == Delivery(0, (), 0, 0)
    assert ids(hook) == [first, second]
    headers, body = hook.posts[0]
    assert (headers["Idempotency-Key"], headers["Authorization"]) == (first, f"Bearer {TOKEN}")
    assert (body["installation"], body["what"], body["event"]) == ("line 1", "run a failed: ü 作業", "raised")
    assert "run a failed" in body["text"]


def test_a_channel_that_is_named_later_is_told_what_is_open_and_what_comes(
    home: Home, hook: WebhookReceiver
) -> None:
    for days in (300, 200):
        fail(home, f"{days} days ago", now=NOW - timedelta(days=days))
        resolve_alert(home, "run_failed", f"{days} days ago", now=NOW - timedelta(days=days - 1))
    for number in range(3):
        fail(home, f"open {number}", now=NOW - timedelta(days=150 - number))
    hook.answers = [503]
    assert send(home, HOOK, environment(hook)).waiting == 3
    resolve_alert(home, "run_failed", "open 0", now=NOW + timedelta(seconds=20))
    fail(home, "new", now=NOW + timedelta(seconds=20))
    resolve_alert(home, "run_failed", "new", now=NOW + timedelta(seconds=25))
    send(home, HOOK, environment(hook), after_s=40)
    told = [(body["subject"], body["event"]) for _, body in hook.posts[1:]]
    assert sorted(told) == [
        ("new", "raised"),
        ("new", "resolved"),
        ("open 0", "raised"),
        ("open 0", "resolved"),
        ("open 1", "raised"),
        ("open 2", "raised"),
    ]
    assert undelivered(home, HOOK, environment(hook)) == []


def test_what_is_over_is_told_and_what_only_happened_again_is_not(home: Home, hook: WebhookReceiver) -> None:
    fail(home, "a", subject="job")
    fail(home, "b", subject="job")
    resolve_alert(home, "run_failed", "job", now=NOW)
    send(home, HOOK, environment(hook))
    assert [body["event"] for _, body in hook.posts] == ["raised", "resolved"]


def test_a_refused_message_is_tried_again_later_and_delivered_after_a_restart(
    home: Home, hook: WebhookReceiver
) -> None:
    hook.answers = [503, 500]
    event = fail(home, "a")
    (failure,) = send(home, HOOK, environment(hook)).failed
    assert (failure.tries, failure.error) == (1, "HTTP 503 Service Unavailable")
    assert send(home, HOOK, environment(hook), after_s=10) == Delivery(0, (), 0, 1)  # waits
    assert send(home, HOOK, environment(hook), after_s=21).failed[0].tries == 2
    assert send(home, HOOK, environment(hook), after_s=50).waiting == 1
    assert send(home, HOOK, environment(hook), after_s=62).delivered == 1
    assert ids(hook) == [event] * 3


def test_a_clock_set_back_does_not_delay_a_message(home: Home, hook: WebhookReceiver) -> None:
    hook.answers = [503]
    fail(home, "a")
    send(home, HOOK, environment(hook))
    assert send(home, HOOK, environment(hook), after_s=-86400).delivered == 1


def test_after_a_success_all_that_waits_goes_out(home: Home, hook: WebhookReceiver) -> None:
    hook.answers = [503]
    fail(home, "a")
    send(home, HOOK, environment(hook))
    fail(home, "b")
    assert send(home, HOOK, environment(hook), after_s=1).delivered == 2
    assert len(set(ids(hook))) == 2


def test_a_message_that_is_always_refused_holds_up_no_other(home: Home, hook: WebhookReceiver) -> None:
    hook.answers = [400, 200, 400]
    first = fail(home, "a")
    send(home, HOOK, environment(hook))
    second = fail(home, "b")
    sent = send(home, HOOK, environment(hook), after_s=30)
    assert (sent.delivered, [one.parcel.id for one in sent.failed]) == (1, [first])
    assert ids(hook) == [first, second, first]


def test_nothing_is_given_up_for_its_age_alone(home: Home, hook: WebhookReceiver) -> None:
    fail(home, "a")
    assert send(home, HOOK, environment(hook), after_s=400 * 86400).delivered == 1


def test_what_nobody_takes_for_days_is_given_up_and_that_is_noted(home: Home, hook: WebhookReceiver) -> None:
    hook.answers = [503] * 10
    fail(home, "a")
    for day in range(5):
        assert send(home, HOOK, environment(hook), after_s=day * 86400).given_up == 0
    assert send(home, HOOK, environment(hook), after_s=5 * 86400) == Delivery(0, (), 1, 0)
    assert '"given_up"' in deliveries(home)
    assert undelivered(home, HOOK, environment(hook)) == []


def test_a_server_that_never_answers_is_left_in_time(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        fail(home, "a")
        sent = send(home, HOOK, {"HOOK_URL": f"http://127.0.0.1:{port}/x", "HOOK_TOKEN": TOKEN})
    assert sent.failed[0].error == "no answer in time"


def test_a_server_that_answers_drop_by_drop_is_left_in_time(home: Home) -> None:
    left = threading.Event()

    def drip(server: socket.socket) -> None:
        peer, _ = server.accept()
        with peer:
            for _ in range(50):
                try:
                    peer.sendall(b"x")
                except OSError:
                    left.set()
                    return
                time.sleep(0.1)

    with socket.create_server(("127.0.0.1", 0)) as dripping:
        dripper = threading.Thread(target=drip, args=(dripping,), daemon=True)
        dripper.start()
        fail(home, "a")
        port = dripping.getsockname()[1]
        sent = send(home, HOOK, {"HOOK_URL": f"http://127.0.0.1:{port}/x", "HOOK_TOKEN": TOKEN})
        dripper.join()
    assert left.is_set()
    assert sent.failed[0].error == "no answer in time"


def test_a_killed_delivery_is_made_again_with_the_same_id(home: Home, hook: WebhookReceiver) -> None:
    event = fail(home, "a")
    send(home, HOOK, environment(hook))
    path = local_path(home.alerts / DELIVERIES)
    _, tried, _ = path.read_text("utf-8").splitlines()
    path.write_text(tried + "\n", "utf-8")  # killed after the answer, before it was noted
    assert send(home, HOOK, environment(hook), after_s=30).delivered == 1
    assert ids(hook) == [event, event]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"HOOK_URL": ""}, "variable HOOK_URL: expected the webhook's address"),
        ({"HOOK_TOKEN": ""}, "variable HOOK_TOKEN: expected the webhook's token"),
        ({"HOOK_URL": "file:///etc/passwd"}, "expected an address that begins with https:// or http://"),
        ({"HOOK_URL": "http://[broken/S3CR3T"}, "expected an address that begins with https:// or http://"),
        ({"HOOK_URL": "https://hooks..example.org/a"}, "expected an address that begins with https://"),
        ({"HOOK_URL": "http://127.0.0.1:99999/a"}, "expected an address that begins with https://"),
    ],
)
def test_a_variable_that_cannot_be_used_is_said_and_the_message_waits(
    home: Home, hook: WebhookReceiver, change: Mapping[str, str], said: str
) -> None:
    fail(home, "a")
    (failure,) = send(home, HOOK, {**environment(hook), **change}).failed
    assert said in failure.error
    assert send(home, HOOK, environment(hook), after_s=30).delivered == 1


def test_a_redirect_is_not_followed(home: Home, hook: WebhookReceiver) -> None:
    with webhook_receiver() as elsewhere:
        hook.answers, hook.location = [302], elsewhere.url
        fail(home, "a")
        assert send(home, HOOK, environment(hook)).failed[0].error == "HTTP 302 Found"
        assert elsewhere.posts == []


def test_a_redirect_to_no_address_is_a_refusal_as_any_other(home: Home, hook: WebhookReceiver) -> None:
    hook.answers, hook.location = [302], "http://[::"
    fail(home, "a")
    assert send(home, HOOK, environment(hook)).failed[0].error == "HTTP 302 Found"
    assert send(home, HOOK, environment(hook), after_s=30).delivered == 1


def test_everybody_gets_the_mail_with_an_id_that_stays(home: Home, mail: MailReceiver) -> None:
    mail.answers = [451]
    event = fail(home, "a")
    alerts = mailing(mail)
    assert send(home, alerts, {}).failed[0].error == "SMTP 451 done"
    assert send(home, alerts, {}, after_s=30).delivered == 1
    (one,) = mail.mails
    assert one["Message-ID"] == f"<{event}@example.org>"
    assert one["To"] == "a@example.org, b@example.org"
    assert one["Subject"] == "[sopilot line 1] PROBLEM: run a failed: ü 作業"
    assert "What to do: look" in one.get_content()


def test_a_mail_that_was_taken_is_delivered_however_the_server_takes_its_leave(
    home: Home, mail: MailReceiver
) -> None:
    mail.leaves = "421 too late"
    fail(home, "a")
    assert send(home, mailing(mail), {}).delivered == 1
    send(home, mailing(mail), {}, after_s=30)
    assert len(mail.mails) == 1


def test_an_installation_with_a_line_break_is_told_of_on_one_line(home: Home, mail: MailReceiver) -> None:
    fail(home, "a")
    alerts = mailing(mail)
    sent = deliver(home, alerts, environment={}, installation="plant 1\nline 2", now=NOW)
    assert sent.delivered == 1
    assert mail.mails[0]["Subject"].startswith("[sopilot plant 1 line 2] PROBLEM")


def test_a_name_with_line_breaks_adds_no_header(home: Home, mail: MailReceiver) -> None:
    evil = "x\r\nBcc: everybody@example.org\r\n\r\nhello\n.\r\nMAIL FROM:<a>"
    raise_alert(home, Condition("k", evil, ConditionSeverity.WARNING, evil, evil), now=NOW)
    assert send(home, mailing(mail), {}).delivered == 1
    (one,) = mail.mails
    assert one["Bcc"] is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"host": "mail..example.org"}, "the name of the machine cannot be one"),
        ({"sender": "sopilot@"}, "expected addresses in sender and recipients"),
        ({"recipients": ["a@example.org\nb@example.org"]}, "expected addresses in sender and recipients"),
    ],
)
def test_a_mail_that_cannot_be_made_is_said_and_holds_up_no_other_channel(
    home: Home, hook: WebhookReceiver, mail: MailReceiver, wrong: dict[str, object], said: str
) -> None:
    both = AlertSettings(webhook=HOOK.webhook, email=mailing(mail, **wrong).email)
    fail(home, "a")
    sent = send(home, both, environment(hook))
    assert sent.delivered == 1
    assert said in sent.failed[0].error


def test_one_channel_does_not_wait_for_the_other(
    home: Home, hook: WebhookReceiver, mail: MailReceiver
) -> None:
    hook.answers = [503]
    both = AlertSettings(webhook=HOOK.webhook, email=mailing(mail).email)
    fail(home, "a")
    sent = send(home, both, environment(hook))
    assert (sent.delivered, sent.waiting, len(mail.mails)) == (1, 1, 1)


def test_no_secret_is_in_what_is_written_or_said(
    home: Home, hook: WebhookReceiver, mail: MailReceiver
) -> None:
    logged_in = mailing(mail, username_env="MAIL_USER", password_env="MAIL_PASSWORD")
    both = AlertSettings(webhook=HOOK.webhook, email=logged_in.email)
    variables = {**environment(hook), "MAIL_USER": "mailer", "MAIL_PASSWORD": PASSWORD}
    hook.answers, mail.answers, mail.says = [500, 404], [550, 554], f"no {PASSWORD} here"
    fail(home, "a")
    said = [one.error for after in (0, 60) for one in send(home, both, variables, after_s=after).failed]
    gone = {**variables, "HOOK_URL": "http://127.0.0.1:1/hooks/T0P-S3CR3T"}
    said += [one.error for one in send(home, both, gone, after_s=600).failed]
    assert len(said) == 5
    assert mail.logins
    written = "\n".join(path.read_text("utf-8") for path in local_path(home.alerts).glob("*.jsonl"))
    for secret in (TOKEN, PASSWORD, "T0P-S3CR3T", "hidden-too", hook.url):
        assert secret not in written + "\n".join(said)
    assert str(read_events(home)[0].id) in written


def test_a_secret_that_cannot_be_sent_is_said_and_not_shown(
    home: Home, hook: WebhookReceiver, mail: MailReceiver
) -> None:
    both = AlertSettings(webhook=HOOK.webhook, email=mailing(mail, username_env="U", password_env="P").email)
    fail(home, "a")
    sent = send(home, both, {"HOOK_URL": hook.url, "HOOK_TOKEN": "on\ntwo", "U": "me", "P": "pässwört"})
    assert [one.error.partition(":")[0] for one in sent.failed] == ["variable HOOK_TOKEN", "variable P"]
    assert not any(word in one.error for one in sent.failed for word in ("two", "wört"))


@pytest.mark.parametrize(
    "fields",
    [
        {"host": "mail.example.org", "username_env": "U", "password_env": "P"},
        {"host": "127.0.0.1", "username_env": "U"},
    ],
)
def test_a_password_never_goes_over_the_network_in_clear(
    mail: MailReceiver, fields: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match="expected"):
        mailing(mail, **fields)
