"""Results to other programs: each told at least once and kept once, whatever fails, changes or is killed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sopilot_assets.settings import Settings, load_settings
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import Step, new_task
from sopilot_assets.upkeep.conditions.condition import Condition, Fine
from sopilot_assets.upkeep.conditions.messages import results_delivered
from sopilot_assets.upkeep.conditions.situation import Situation
from sopilot_assets.upkeep.delivery.posting import signature
from sopilot_assets.upkeep.results.deliver import ResultDelivery, ResultOutbox, results_journal
from sopilot_assets_tests.forkserver import started
from sopilot_assets_tests.upkeep.alerts.receivers import WebhookReceiver, webhook_receiver
from sopilot_assets_tests.upkeep.results.made_up import (
    FOUND,
    NOW,
    after,
    judged,
    key_of,
    one_judged,
    taken_in,
)
from sopilot_assets_tests.upkeep.results.record_store import RecordStore, record_store

SITE = "https://sopilot.example.org"
KEY = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path / "home")


@pytest.fixture
def hook() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as receiver:
        yield receiver


@pytest.fixture
def store() -> Iterator[RecordStore]:
    with record_store() as receiver:
        yield receiver


def to_hook(**results: object) -> Settings:
    named = {"url_env": "HOOK", "token_env": "TOKEN", "sign_env": "KEY", "timeout_s": 1.0}
    return Settings.model_validate({"results": {"webhook": named, **results}})


def to_store(version: str = "1.0.3", **results: object) -> Settings:
    named = {"url_env": "LRS", "username_env": "USER", "password_env": "PASS", "site": SITE}
    return Settings.model_validate(
        {"results": {"xapi": {**named, "timeout_s": 1.0, "version": version}, **results}}
    )


def variables(receiver: WebhookReceiver | RecordStore) -> dict[str, str]:
    secrets = {"TOKEN": "t0ken-value", "KEY": KEY, "USER": "sopilot", "PASS": "opensesame"}
    return {**secrets, "HOOK": receiver.url, "LRS": receiver.url}


def send(
    home: Home, settings: Settings, receiver: WebhookReceiver | RecordStore, *, minutes: float = 0
) -> ResultDelivery:
    return ResultOutbox(home, settings, variables(receiver), "line 1", after(minutes)).deliver()


def bodies(hook: WebhookReceiver) -> list[dict[str, Any]]:
    return [body for _, body in hook.posts]


def verbs(store: RecordStore) -> list[str]:
    return [one["verb"]["id"].rpartition("/")[2] for one in store.statements.values()]


def test_old_results_are_not_sent_and_new_ones_are_once(home: Home, hook: WebhookReceiver) -> None:
    one_judged(home, 1, minutes=-60)
    assert send(home, to_hook(), hook).delivered == 0
    key = one_judged(home, 2, minutes=5)
    assert send(home, to_hook(), hook, minutes=6).delivered == 1
    assert send(home, to_hook(), hook, minutes=7).delivered == 0
    (body,) = bodies(hook)
    assert (body["event"], body["recording"], body["task"]) == ("result.decided", key, "gasket")
    assert body["result"]["decision"] == "fail"
    assert body["result"]["deviations"][0]["steps"] == ["oil"]
    assert body["links"]["page"] == f"http://127.0.0.1:8000/recordings/{key}"


def test_from_when_on_can_be_said(home: Home, hook: WebhookReceiver) -> None:
    one_judged(home, 1, minutes=-600)
    one_judged(home, 2, minutes=-60)
    since = after(-120).isoformat()
    assert send(home, to_hook(since=since), hook).delivered == 1
    assert bodies(hook)[0]["recording"] == key_of(2)


def test_a_message_is_signed_and_its_id_stays(home: Home, hook: WebhookReceiver) -> None:
    send(home, to_hook(), hook)
    one_judged(home, minutes=1)
    hook.answers = [500, 302]
    for minutes in (2, 3, 10):
        send(home, to_hook(), hook, minutes=minutes)
    assert len(hook.posts) == 3
    assert len(hook.taken) == 1
    assert len({json.dumps(body) for body in bodies(hook)}) == 1
    headers = hook.posts[-1][0]
    assert headers["Authorization"] == "Bearer t0ken-value"
    assert headers["Idempotency-Key"] == headers["Webhook-Id"] == bodies(hook)[0]["id"]
    key = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"
    body = json.dumps(bodies(hook)[-1]).encode()
    expected = signature(key, delivery_id=headers["Webhook-Id"], body=body, at=after(10))
    assert headers["Webhook-Signature"] == expected["Webhook-Signature"]
    assert headers["Webhook-Timestamp"] == str(int(after(10).timestamp()))


def test_the_signature_is_that_of_the_standard() -> None:
    """The example of the specification's reference libraries."""
    at = datetime.fromtimestamp(1614265330, UTC)
    key = __import__("base64").b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    told = signature(key, delivery_id="msg_p5jXN8AQM9LWM0D4loKWxJek", body=b'{"test": 2432232314}', at=at)
    assert told["Webhook-Signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "change",
    [
        {"decision": "pass", "score": 97.0},
        {"score": 65.0},
        {"person": "p2"},
        {"found": [{**FOUND, "steps": ["close"]}]},
        {"task_version": 4},
        {"decided_by": "policy abc"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_changes_is_told_and_says_what_it_supersedes(
    home: Home, hook: WebhookReceiver, change: dict[str, object]
) -> None:
    send(home, to_hook(), hook)
    one_judged(home, minutes=1)
    send(home, to_hook(), hook, minutes=2)
    judged(home, 1, minutes=3, **change)
    send(home, to_hook(), hook, minutes=4)
    first, second = bodies(hook)
    assert (second["event"], second["supersedes"]) == ("result.changed", [first["id"]])


@pytest.mark.parametrize(
    "change",
    [
        {"algorithm": "a2"},
        {"reference_id": "r2"},
        {
            "found": [
                {**FOUND, "confidence": 0.96, "gold_id": "f" * 12, "votes": {"f" * 12: 1.5, "e" * 12: 2.0}}
            ]
        },
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_same_result_made_anew_is_not_told(
    home: Home, hook: WebhookReceiver, change: dict[str, object]
) -> None:
    send(home, to_hook(), hook)
    one_judged(home, minutes=1)
    send(home, to_hook(), hook, minutes=2)
    judged(home, 1, minutes=3, **change)
    assert send(home, to_hook(), hook, minutes=4).delivered == 0


@pytest.mark.parametrize("fact", ["site", "camera"])
def test_a_corrected_place_is_told(home: Home, hook: WebhookReceiver, fact: str) -> None:
    send(home, to_hook(), hook)
    one_judged(home, minutes=1)
    send(home, to_hook(), hook, minutes=2)
    judged(home, 1, minutes=3, **{fact: "corrected"})
    send(home, to_hook(), hook, minutes=4)
    assert [(body["event"], body[fact]) for body in bodies(hook)[1:]] == [("result.changed", "corrected")]


def test_golds_are_not_told(home: Home, hook: WebhookReceiver) -> None:
    send(home, to_hook(), hook)
    one_judged(home, minutes=1, role="gold")
    assert send(home, to_hook(), hook, minutes=2).delivered == 0


def test_persons_are_told_only_where_the_settings_say_so(home: Home, hook: WebhookReceiver) -> None:
    send(home, to_hook(), hook)
    one_judged(home, 1, minutes=1)
    send(home, to_hook(), hook, minutes=2)
    assert "p1" not in json.dumps(bodies(hook)[0])
    one_judged(home, 2, minutes=3)
    send(home, to_hook(persons="codes"), hook, minutes=4)
    assert (bodies(hook)[1]["person"], bodies(hook)[1]["file"]) == ("p1", "p1 take 2.mp4")


@pytest.mark.parametrize("persons", ["none", "codes"])
def test_why_one_has_no_score_is_told_only_with_persons(
    home: Home, hook: WebhookReceiver, store: RecordStore, persons: str
) -> None:
    for settings, receiver in ((to_hook(persons=persons), hook), (to_store(persons=persons), store)):
        send(home, settings, receiver)
    why = "steps.csv, line 2: no end in bob_smith_1.mp4"
    one_judged(home, 1, minutes=1, problem=why, reason_en=why, reason_ja=why, decision="not_verifiable")
    for settings, receiver in ((to_hook(persons=persons), hook), (to_store(persons=persons), store)):
        send(home, settings, receiver, minutes=2)
    told = [bodies(hook)[0]["result"], *_results_in(store)]
    assert [one["not_scored"] == why for one in told] == [persons == "codes"] * 2
    assert ("bob_smith" in json.dumps(told)) == (persons == "codes")


def _results_in(store: RecordStore) -> list[dict[str, Any]]:
    return [one["result"]["extensions"][f"{SITE}/xapi/result"] for one in store.statements.values()]


def test_what_is_taken_out_and_comes_back_is_told(home: Home, hook: WebhookReceiver) -> None:
    send(home, to_hook(), hook)
    one_judged(home, 1, minutes=1)
    one_judged(home, 2, minutes=-9)
    send(home, to_hook(), hook, minutes=2)
    for number in (1, 2):
        taken_in(home, number, minutes=3, status="withdrawn")
    send(home, to_hook(), hook, minutes=4)
    taken_in(home, 1, minutes=5)
    send(home, to_hook(), hook, minutes=6)
    taken_in(home, 1, minutes=7, status="withdrawn")
    send(home, to_hook(), hook, minutes=8)
    told = bodies(hook)
    assert [body["event"] for body in told] == [
        "result.decided",
        "result.withdrawn",
        "result.decided",
        "result.withdrawn",
    ]
    assert len({body["id"] for body in told}) == 4
    assert [body["at"] for body in told] == [after(minutes).isoformat() for minutes in (1, 3, 5, 7)]
    assert told[1]["supersedes"] == [told[0]["id"]]
    assert told[2]["supersedes"] == []
    assert {body["recording"] for body in told} == {key_of(1)}


def test_a_result_that_does_not_say_its_version_is_about_the_task(home: Home, store: RecordStore) -> None:
    send(home, to_store(), store)
    one_judged(home, minutes=1, task_version=None)
    assert send(home, to_store(), store, minutes=2).delivered == 1
    (statement,) = store.statements.values()
    assert statement["object"]["id"] == f"{SITE}/tasks/gasket"


@pytest.mark.parametrize("version", ["1.0.3", "2.0.0"])
def test_a_record_store_gets_statements_that_are_valid(home: Home, store: RecordStore, version: str) -> None:
    settings = to_store(version, persons="codes")
    steps = [Step(id="oil", name="Oil the gasket")]
    new_task(home.root, "gasket", name="Change the gasket", name_ja="ガスケット交換", steps=steps)
    send(home, settings, store)
    said = [
        {"decision": "pass", "score": 97.25},
        {"decision": "fail"},
        {"decision": "retrain", "score": 71.0},
        {"decision": "needs_review"},
        {"decision": "not_verifiable", "score": None},
    ]
    for number, one in enumerate(said):
        one_judged(home, number, minutes=number + 1, **one)
    assert send(home, settings, store, minutes=10).delivered == 5
    assert verbs(store) == ["passed", "failed", "failed", "scored", "attempted"]
    first = next(iter(store.statements.values()))
    assert first["actor"]["account"] == {"homePage": SITE, "name": "p1"}
    assert first["object"]["id"] == f"{SITE}/tasks/gasket/versions/3"
    assert first["object"]["definition"]["name"] == {"en-US": "Change the gasket", "ja-JP": "ガスケット交換"}
    assert first["result"]["score"] == {"scaled": 0.9725, "raw": 97.25, "min": 0, "max": 100}
    assert first["result"]["success"] is True
    assert first["context"]["extensions"][f"{SITE}/xapi/recording"] == key_of(0)
    assert "success" not in list(store.statements.values())[3]["result"]
    assert store.versions == {version}


def test_without_persons_the_actor_is_the_recording(home: Home, store: RecordStore) -> None:
    send(home, to_store(), store)
    key = one_judged(home, minutes=1)
    send(home, to_store(), store, minutes=2)
    (only,) = store.statements.values()
    assert only["actor"]["account"]["name"] == f"recording:{key}"
    assert "p1" not in json.dumps(only)


def test_a_changed_result_is_a_new_statement_and_voids_the_one_before(home: Home, store: RecordStore) -> None:
    send(home, to_store(), store)
    one_judged(home, minutes=1)
    send(home, to_store(), store, minutes=2)
    judged(home, 1, minutes=3, decision="pass", score=95.0)
    send(home, to_store(), store, minutes=4)
    assert verbs(store) == ["failed", "passed", "voided"]
    judged(home, 1, minutes=5)  # the same result as at first
    send(home, to_store(), store, minutes=6)
    assert [one["result"]["response"] for one in store.standing] == ["fail"]
    taken_in(home, 1, minutes=7, status="withdrawn")
    send(home, to_store(), store, minutes=8)
    assert store.standing == []
    taken_in(home, 1, minutes=9)
    send(home, to_store(), store, minutes=10)
    assert [one["result"]["response"] for one in store.standing] == ["fail"]
    assert len(store.puts) == len(set(store.puts)), "nothing was sent twice"


def test_a_result_that_changed_before_it_was_taken_is_told_as_it_is_now(
    home: Home, store: RecordStore
) -> None:
    send(home, to_store(), store)
    one_judged(home, minutes=1)
    store.answers = [500]
    send(home, to_store(), store, minutes=2)
    judged(home, 1, minutes=3, decision="pass", score=95.0)
    send(home, to_store(), store, minutes=4)
    # the store may have kept the first one before it failed, so it is voided all the same
    assert verbs(store) == ["passed", "voided"]
    assert [one["result"]["response"] for one in store.standing] == ["pass"]


def test_another_statement_of_the_same_id_is_no_failure(home: Home, store: RecordStore) -> None:
    send(home, to_store(), store)
    one_judged(home, minutes=1)
    send(home, to_store(persons="codes"), store, minutes=2)
    journal = local_path(results_journal(home))
    lines = journal.read_text("utf-8").splitlines()
    journal.write_text("\n".join(lines[:-1]) + "\n", "utf-8")  # killed before it was noted
    assert send(home, to_store(persons="none"), store, minutes=20).delivered == 1
    assert len(store.statements) == 1


def send_all(root: str, url: str, minutes: float) -> None:
    """Send, in a process that may be killed."""
    home = Home.at(root)
    named = {"HOOK": url, "LRS": url, "USER": "sopilot", "PASS": "opensesame"}
    ResultOutbox(home, to_store(since=NOW.isoformat()), named, "line 1", after(minutes)).deliver(
        everything=True
    )


@pytest.mark.whole
def test_a_sender_that_is_killed_once_the_store_has_it_doubles_nothing(
    home: Home, store: RecordStore
) -> None:
    """kill -9 between sending and noting, at random statements; results change meanwhile."""
    chance, expected = random.Random(5), dict[str, str]()
    for round_ in range(6):
        for number in range(4):
            decision = chance.choice(["pass", "fail"])
            minutes = 10 * round_ + number + 1
            one_judged(home, number, minutes=minutes, decision=decision, score=float(minutes))
            expected[key_of(number)] = decision
        process = started(send_all, str(home.root), store.url, 10 * round_ + 8)
        assert process.pid is not None
        if round_ < 5:
            store.kills.append(process.pid)
        process.join(60)
        assert (process.exitcode != 0) == (round_ < 5)
    standing = {
        one["context"]["extensions"][f"{SITE}/xapi/recording"]: one["result"]["response"]
        for one in store.standing
    }
    assert standing == expected
    assert len(store.standing) == 4


def test_one_that_is_always_refused_holds_up_no_other(home: Home, hook: WebhookReceiver) -> None:
    send(home, to_hook(), hook)
    for number in range(3):
        one_judged(home, number, minutes=number + 1)
    hook.answers = [400]
    sent = send(home, to_hook(), hook, minutes=5)
    assert (sent.delivered, len(sent.failed), sent.waiting) == (0, 1, 3)
    hook.answers = [200, 200, 400]
    sent = send(home, to_hook(), hook, minutes=5.1)
    assert (sent.delivered, sent.failed[0].parcel.key) == (2, key_of(0))
    assert send(home, to_hook(), hook, minutes=60 * 24 * 30).delivered == 1, "never given up"


def test_a_store_that_does_not_answer_is_left_in_time(home: Home, store: RecordStore) -> None:
    send(home, to_store(), store)
    one_judged(home, minutes=1)
    store.hangs = True
    (failed,) = send(home, to_store(), store, minutes=2).failed
    assert failed.error == "no answer in time"


def test_one_channel_does_not_wait_for_the_other(
    home: Home, hook: WebhookReceiver, store: RecordStore
) -> None:
    both = Settings.model_validate(
        {"results": {**to_hook().results.model_dump(), "xapi": to_store().results.xapi}}
    )
    named = {**variables(hook), "LRS": store.url}
    ResultOutbox(home, both, named, "line 1", NOW).deliver()
    one_judged(home, minutes=1)
    hook.answers = [500]
    sent = ResultOutbox(home, both, named, "line 1", after(2)).deliver()
    assert (sent.delivered, sent.waiting, len(store.statements)) == (1, 1, 1)


def test_no_secret_is_in_what_is_written_or_said(home: Home, hook: WebhookReceiver) -> None:
    send(home, to_hook(), hook)
    one_judged(home, minutes=1)
    hook.answers = [403]
    sent = send(home, to_hook(), hook, minutes=2)
    written = "".join(
        path.read_text("utf-8", "replace") for path in Path(str(home.outbox)).rglob("*") if path.is_file()
    )
    for secret in ("t0ken-value", KEY, "S3CR3T", "hidden-too", "opensesame"):
        assert secret not in written + str(sent)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("LRS", "", "expected the endpoint of the record store, found nothing"),
        ("LRS", "http://lrs.example.org/xapi", "password would go over the network in clear"),
        ("LRS", "ftp://lrs.example.org", "expected an address that begins with https://"),
        ("PASS", "", "record store's password"),
    ],
)
def test_a_variable_that_cannot_be_used_is_said(
    home: Home, store: RecordStore, name: str, value: str, expected: str
) -> None:
    send(home, to_store(), store)
    one_judged(home, minutes=1)
    named = {**variables(store), name: value}
    (failed,) = ResultOutbox(home, to_store(), named, "line 1", after(2)).deliver().failed
    assert expected in failed.error


@pytest.mark.parametrize("key", ["plain", "whsec_c2hvcnQ=", "whsec_!!!"])
def test_a_key_that_is_none_is_said_and_not_shown(home: Home, hook: WebhookReceiver, key: str) -> None:
    send(home, to_hook(), hook)
    one_judged(home, minutes=1)
    named = {**variables(hook), "KEY": key}
    (failed,) = ResultOutbox(home, to_hook(), named, "line 1", after(2)).deliver().failed
    assert "openssl rand" in failed.error
    assert key not in failed.error


def test_channels_can_be_tried_without_sending_a_result(
    home: Home, hook: WebhookReceiver, store: RecordStore
) -> None:
    named = {**variables(hook), "LRS": store.url}
    assert ResultOutbox(home, to_hook(), named, "line 1", NOW).test() == {"webhook": (True, "HTTP 200")}
    assert bodies(hook)[0]["event"] == "test"
    assert ResultOutbox(home, to_store(), named, "line 1", NOW).test() == {"xapi": (True, "HTTP 200")}
    wrong = {**named, "PASS": "wrong"}
    (said,) = ResultOutbox(home, to_store(), wrong, "line 1", NOW).test().values()
    assert said == (False, "HTTP 401 Unauthorized")
    assert store.statements == {}


def test_the_past_that_is_sent_at_last_is_not_late_from_the_first_minute(
    home: Home, hook: WebhookReceiver
) -> None:
    for number in range(3):
        one_judged(home, number, minutes=-60 * 24 * 90)
    since = "results: {since: 2025-01-01T00:00:00Z, webhook: {url_env: HOOK, timeout_s: 1}}\n"
    (Path(str(home.root)) / "settings.yaml").write_text(since, "utf-8")
    hook.answers = [503]
    send(home, load_settings(home), hook)
    told = {
        minutes: results_delivered(Situation(home, after(minutes), variables(hook))).conditions
        for minutes in (1, 70)
    }
    assert [len(one) for one in told.values()] == [0, 1]


def test_doctor_says_what_nobody_takes(home: Home, hook: WebhookReceiver) -> None:
    Path(str(home.root)).mkdir()

    def told(minutes: float) -> Condition | Fine:
        (answer,) = results_delivered(Situation(home, after(minutes), variables(hook))).told
        return answer

    assert told(0) == Fine("results", "", "sent to no other program")
    settings = Path(str(home.root)) / "settings.yaml"
    settings.write_text("results:\n  webhook: {url_env: HOOK, timeout_s: 1}\n", "utf-8")
    assert told(0) == Fine("results", "", "sent by webhook (not yet)")
    send(home, load_settings(home), hook)
    assert told(0) == Fine("results", "", "sent by webhook since 2026-03-01 12:00 UTC")
    one_judged(home, minutes=1)
    hook.answers = [503]
    send(home, load_settings(home), hook, minutes=2)
    assert isinstance(told(30), Fine)
    late = told(90)
    assert isinstance(late, Condition)
    assert "1 results were not taken by the webhook for more than 1 h: HTTP 503" in late.what
    send(home, load_settings(home), hook, minutes=91)
    assert isinstance(told(200), Fine)
