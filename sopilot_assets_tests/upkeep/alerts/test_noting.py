"""Alerts in their journal: once while they last, repeated, resolved; nothing twice, nothing torn."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sopilot_assets.errors import LedgerError
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.alerts import (
    open_alerts,
    raise_alert,
    read_events,
    resolve_alert,
    settle,
)
from sopilot_assets.upkeep.alerts.noting import journal_path
from sopilot_assets.upkeep.conditions.condition import Condition, ConditionSeverity

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FULL = Condition("disk", "free space", ConditionSeverity.WARNING, "9 GiB free", "free some")
WORSE = Condition("disk", "free space", ConditionSeverity.PROBLEM, "1 GiB free", "free some")


def failed(run: str) -> Condition:
    return Condition("run_failed", "rescore", ConditionSeverity.PROBLEM, f"run {run} failed", "look", run)


def story(home: Home) -> list[str]:
    """What happened, in order."""
    return [event.event for event in read_events(home)]


def test_an_alert_is_raised_once_while_it_lasts(home: Home) -> None:
    for minute in range(5):
        raise_alert(home, FULL, now=NOW + timedelta(minutes=minute))
    assert story(home) == ["raised"]
    (one,) = open_alerts(home)
    assert (one.newest.what, one.newest.first_seen) == ("9 GiB free", NOW.isoformat())


def test_it_is_repeated_after_a_day_and_at_once_when_it_becomes_a_problem(home: Home) -> None:
    raise_alert(home, FULL, now=NOW)
    raise_alert(home, FULL, now=NOW + timedelta(hours=23.9))
    raise_alert(home, FULL, now=NOW + timedelta(hours=24))
    raise_alert(home, WORSE, now=NOW + timedelta(hours=25))
    raise_alert(home, WORSE, now=NOW + timedelta(hours=26))
    assert story(home) == ["raised", "repeated", "repeated"]
    assert len({event.alert_id for event in read_events(home)}) == 1
    assert len({event.id for event in read_events(home)}) == 3


def test_a_clock_set_back_does_not_silence_an_alert(home: Home) -> None:
    raise_alert(home, FULL, now=NOW + timedelta(days=400))
    raise_alert(home, FULL, now=NOW)
    assert story(home) == ["raised", "repeated"]


def test_occurrences_are_counted_and_none_is_noted_twice_even_after_the_end(home: Home) -> None:
    for run in ("a", "b", "a", "b", "c"):
        raise_alert(home, failed(run), now=NOW)
    assert story(home) == ["raised", "again", "again"]
    assert open_alerts(home)[0].newest.count == 3
    assert resolve_alert(home, "run_failed", "rescore", now=NOW, what="it went through")
    assert raise_alert(home, failed("b"), now=NOW) is None
    assert open_alerts(home) == []
    assert raise_alert(home, failed("d"), now=NOW)
    assert story(home)[-2:] == ["resolved", "raised"]


def test_settling_raises_what_is_new_and_resolves_what_is_over(home: Home) -> None:
    late = Condition("overdue", "backup", ConditionSeverity.WARNING, "late", "do it")
    raise_alert(home, failed("a"), now=NOW)
    settle(home, {"disk", "overdue"}, [FULL, late], now=NOW)
    settle(home, {"disk", "overdue"}, [late], now=NOW)
    assert [(event.event, event.kind) for event in read_events(home)] == [
        ("raised", "run_failed"),
        ("raised", "disk"),
        ("raised", "overdue"),
        ("resolved", "disk"),
    ]
    assert {one.newest.kind for one in open_alerts(home)} == {"run_failed", "overdue"}


def test_what_a_killed_process_left_of_a_line_is_dropped(home: Home) -> None:
    raise_alert(home, FULL, now=NOW)
    path = local_path(journal_path(home))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"id":"torn')
    assert story(home) == ["raised"]
    raise_alert(home, failed("a"), now=NOW)
    assert story(home) == ["raised", "raised"]
    assert path.read_bytes().startswith(whole)


@pytest.mark.parametrize("line", [b"not JSON\n", b"[1]\n", b'{"id": "a"}\n'])
def test_a_changed_journal_is_refused_by_name(home: Home, line: bytes) -> None:
    raise_alert(home, FULL, now=NOW)
    with local_path(journal_path(home)).open("ab") as stream:
        stream.write(line)
    with pytest.raises(LedgerError, match=r"alerts\.jsonl"):
        read_events(home)


def test_writers_at_the_same_time_lose_nothing_and_raise_one(home: Home) -> None:
    def note(number: int) -> None:
        raise_alert(home, failed(str(number)), now=NOW)

    with ThreadPoolExecutor(4) as writers:
        list(writers.map(note, range(60)))
    assert sorted(story(home)) == ["again"] * 59 + ["raised"]
    assert open_alerts(home)[0].newest.count == 60


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(subject=st.text(min_size=1), what=st.text(), occurrence=st.text())
def test_any_text_can_be_noted_on_one_line_and_resolved(
    home: Home, subject: str, what: str, occurrence: str
) -> None:
    before = len(read_events(home))
    raise_alert(home, Condition("kind", subject, ConditionSeverity.WARNING, what, "act", occurrence), now=NOW)
    resolve_alert(home, "kind", subject, now=NOW)
    events = read_events(home)
    assert open_alerts(home) == []
    assert len(events) in (before, before + 2)
    assert local_path(journal_path(home)).read_bytes().isascii()
    assert all(
        character.isprintable() or character == "\ufffd"
        for character in events[-1].what
        if ord(character) < 128
    )
