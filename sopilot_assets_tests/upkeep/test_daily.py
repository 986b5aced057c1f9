"""The daily report: what stood at the end of a day, the same whenever it is made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopilot_assets.capture.promotions import ConfirmedStep, PromotionChange, PromotionDraft, promotions_chain
from sopilot_assets.errors import ConfigError
from sopilot_assets.evidence.results import GATES, Results
from sopilot_assets.labels.audit import drawn
from sopilot_assets.labels.chain import append_events
from sopilot_assets.labels.events import Draft, Source
from sopilot_assets.settings import AuditSettings
from sopilot_assets.store.canonical import pretty_json
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.alerts.noting import raise_alert, resolve_alert
from sopilot_assets.upkeep.conditions.condition import Condition, ConditionSeverity
from sopilot_assets.upkeep.daily import counts
from sopilot_assets.upkeep.daily.days import days_to_report
from sopilot_assets.upkeep.daily.facts import Facts
from sopilot_assets.upkeep.daily.page import page
from sopilot_assets.upkeep.daily.report import (
    DailyReport,
    WrittenReport,
    daily_report,
    write_report,
)
from sopilot_assets_tests.upkeep.made_up_days import add_task, key, record, refuse, score

DAY = date(2026, 3, 2)
MORNING, NOON, LATE = (f"2026-03-02T{hour}:00:00+00:00" for hour in ("08", "12", "23"))
NEXT, AFTER = "2026-03-03T00:00:00+00:00", "2026-03-03T09:00:00+00:00"
MIDNIGHT = datetime(2026, 3, 3, 0, 20, tzinfo=UTC)
LONG_AFTER = MIDNIGHT + timedelta(days=40)


@pytest.fixture
def tea(home: Home) -> Home:
    """A home with one task and nothing recorded."""
    add_task(home)
    return home


def report(home: Home, *, now: datetime = MIDNIGHT, day: date = DAY) -> DailyReport:
    return daily_report(home, day, now=now, run_id="r")


def write(home: Home, *, now: datetime = MIDNIGHT) -> WrittenReport:
    return write_report(home, DAY, now=now, run_id="r")


def only(found: DailyReport, section: str) -> Mapping[str, Cell]:
    (row,) = found.sections[section]
    return row


def actions(found: DailyReport) -> list[str]:
    return [str(row["action"]) for row in found.sections["needs"]]


def label(home: Home, name: str, who: str, *, critical: bool, at: str) -> None:
    draft = Draft(
        task_id="tea", key=key(name), who=who, at=at, source=Source.BLIND_HUMAN, critical_expected=critical
    )
    append_events(home, [draft], run_id=f"label-{at}", written_at=at)


def set_up(home: Home, text: str) -> None:
    (local_path(home.root) / "settings.yaml").write_text(text, "utf-8")


def test_progress_counts_what_was_there_at_the_end_of_the_day_against_the_targets(tea: Home) -> None:
    set_up(tea, "targets: {golds: 2, trainees: 3}\n")
    record(tea, "g1", "g2", at=MORNING, role="gold")
    record(tea, "a", "b", "c", at=NOON)
    score(tea, ["a", "b"], [91, 92], at=LATE)
    label(tea, "a", "ann", critical=True, at=NOON)
    label(tea, "a", "bob", critical=False, at=NOON)
    label(tea, "b", "ann", critical=False, at=NOON)
    record(tea, "d", at=NEXT)
    label(tea, "c", "ann", critical=False, at=AFTER)
    wanted = {
        "golds": 2,
        "golds_target": 2,
        "gold_persons": 2,
        "trainees": 3,
        "trainees_target": 3,
        "labelled": 1,
        "disputed": 1,
        "unlabelled": 1,
        "scored": 2,
        "without_score": 3,
        "new": 5,
    }
    assert wanted.items() <= only(report(tea), "tasks").items()
    today = report(tea, now=datetime(2026, 3, 2, 10, tzinfo=UTC))
    assert (only(today, "tasks")["trainees"], today.day.complete) == (0, False)
    assert today.measured_at.startswith("2026-03-02T10:00")  # also where a clock was ahead before


def test_promoted_golds_count_toward_the_target_from_the_day_of_their_promotion_on(tea: Home) -> None:
    set_up(tea, "targets: {golds: 2, trainees: 1}\n")
    record(tea, "g1", at=MORNING, role="gold")
    record(tea, "a", "b", at=MORNING)
    draft = PromotionDraft(
        task_id="tea",
        key=key("a"),
        who="tess",
        at=NOON,
        change=PromotionChange.PROMOTE,
        why="right",
        steps=(ConfirmedStep(step="boil", start_s=0.0, end_s=2.0),),
    )
    before = only(report(tea), "tasks")
    promotions_chain(tea).append([draft], run_id="gold", written_at=AFTER)
    assert only(report(tea), "tasks") == before
    assert (before["golds"], before["golds_promoted"], before["trainees"]) == (1, 0, 2)
    found = report(tea, now=datetime.fromisoformat(AFTER) + timedelta(hours=1), day=date(2026, 3, 3))
    now = only(found, "tasks")
    assert (now["golds"], now["golds_promoted"], now["trainees"]) == (2, 1, 1)
    assert not any("--role gold" in one for one in actions(found))


def test_a_retired_recording_and_one_scored_again_count_as_they_stood(tea: Home) -> None:
    record(tea, "a", "b", at=MORNING)
    score(tea, ["a"], [90], at=NOON)
    score(tea, ["a"], [20], at=LATE, decision="fail")
    score(tea, ["a"], [95], at=AFTER, decision="retrain")
    record(tea, "b", at=AFTER, status="retired")
    found = report(tea)
    assert only(found, "tasks")["trainees"] == 2
    every, new = found.sections["decisions"]
    assert (every["fail"], every["pass"], every["retrain"], new["fail"]) == (1, 0, 0, 1)
    assert found.sections["days"][-1].items() >= {"taken_in": 2, "scored": 1, "scored_again": 1}.items()


def test_the_audit_says_how_often_what_passed_is_critical_all_the_same(tea: Home) -> None:
    set_up(tea, "audit: {share: 0.5}\n")
    names = [f"r{number}" for number in range(12)]
    picked = [name for name in names if drawn([key(name)], AuditSettings(share=0.5))]
    others = [name for name in names if name not in picked]
    assert len(picked) > 2 < len(others)
    record(tea, *names, at=MORNING)
    score(tea, names[:10], [95] * 10, at=NOON)
    score(tea, names[10:], [10] * 2, at=NOON, decision="needs_review")
    passed = [name for name in picked if name in names[:10]]
    for name, critical in ((passed[0], True), (passed[1], False), (others[0], True)):
        label(tea, name, "ann", critical=critical, at=LATE)
    found = report(tea)
    ever, week = found.sections["audit"]
    assert (ever["week"], week["week"]) == ("all", "2026-W10")
    assert (ever["passes"], ever["picked"], ever["audited"], ever["missed"]) == (10, len(passed), 2, 1)
    assert ever["miss_rate"] == 0.5
    assert float(ever["low"] or 0) < 0.2
    assert float(ever["high"] or 0) > 0.8
    assert found.sections["decisions"][0]["decided_share"] == pytest.approx(10 / 12, abs=1e-4)
    assert found.by_task()["passes_miss_rate_tea"] == 0.5
    (asked,) = [row for row in found.sections["needs"] if "picked by chance" in str(row["what_en"])]
    assert (
        asked["what_en"]
        == f"tea: {len(picked) - 2} recordings were picked by chance and have no blind label yet."
    )
    assert "無作為" in str(asked["what_ja"])
    shown = page(found.document())
    assert "Critical among what passed" in shown
    assert "合格した録画に残る重大な逸脱" in shown
    set_up(tea, "audit: {share: 0.0}\n")  # the report of a day stays what it was
    assert report(tea).sections["audit"] == found.sections["audit"]


_EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["record", "score", "refuse", "retire"]),
        st.sampled_from("abcd"),
        st.integers(0, 71),
    ),
    max_size=8,
)


@settings(max_examples=3, deadline=None)
@given(_EVENTS)
def test_a_past_day_gives_the_same_bytes_whenever_it_is_made(
    tmp_path_factory: pytest.TempPathFactory, events: Sequence[tuple[str, str, int]]
) -> None:
    home = Home.at(tmp_path_factory.mktemp("home"))
    add_task(home)
    hours = sorted(events, key=lambda event: event[2])
    for what, name, hour in (event for event in hours if event[2] < 48):
        _happen(home, what, name, hour)
    first = _bytes(write_report(home, DAY, now=MIDNIGHT, run_id="r1"))
    for what, name, hour in (event for event in hours if event[2] >= 48):
        _happen(home, what, name, hour)
    set_up(home, "targets: {golds: 7, trainees: 7}\n")
    add_task(home, "coffee")
    assert _bytes(write_report(home, DAY, now=LONG_AFTER, run_id="r2")) == first


def _happen(home: Home, what: str, name: str, hour: int) -> None:
    at = (datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=hour)).isoformat()
    if what == "refuse":
        refuse(home, f"{name}.mp4", at=at)
    elif what == "score":
        score(home, [name], [hour], at=at)
    else:
        record(home, name, at=at, status="active" if what == "record" else "retired")


def _bytes(written: WrittenReport) -> tuple[bytes, bytes]:
    return written.page.read_bytes(), written.table.read_bytes()


def test_refused_files_are_told_with_their_reason_in_both_languages(tea: Home) -> None:
    refuse(tea, "old.mp4", at="2026-02-27T00:00:00+00:00", reason="too_short")
    refuse(tea, "x.mp4", "y.mp4", at=NOON)
    found = report(tea)
    assert [row["file"] for row in found.sections["quarantine"]] == ["x.mp4", "y.mp4"]
    assert found.sections["quarantine"][0]["what_ja"] == "映像が暗すぎます。"
    reasons = {str(row["reason"]): (row["all"], row["new"]) for row in found.sections["quarantine_reasons"]}
    assert reasons == {"too_short": (1, 0), "too_dark": (2, 2)}
    assert "sopilot recording list --refused" in actions(found)


def test_a_hostile_file_name_is_text_on_the_page(tea: Home) -> None:
    refuse(tea, "<script>alert(1)</script>.mp4", at=NOON)
    html = write(tea).page.read_text("utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.mp4" in html
    assert html.count("<script>") == 1


def test_what_needs_a_person_comes_by_urgency(tea: Home) -> None:
    record(tea, "a", "b", at=NOON)
    score(tea, ["a"], [10], at=NOON, decision="fail")
    found = report(tea)
    assert [row["rank"] for row in found.sections["needs"]] == list(range(1, len(actions(found)) + 1))
    urgencies = [["urgent", "soon", "later"].index(str(row["urgency"])) for row in found.sections["needs"]]
    assert urgencies == sorted(urgencies)
    assert actions(found)[0] == "sopilot capture add FOLDER --task tea --role gold --site SITE"
    assert {"sopilot score run --task tea", "reviews/index.html, then sopilot label add"} <= set(
        actions(found)
    )
    label(tea, "a", "ann", critical=True, at=NOON)
    assert "reviews/index.html, then sopilot label add" not in actions(report(tea, day=DAY, now=MIDNIGHT))


def test_what_waits_is_told_in_words_of_both_languages(tea: Home) -> None:
    record(tea, "a", "b", "c", at=NOON)
    score(tea, ["a", "b"], [10, 20], at=NOON, decision="fail")
    score(tea, ["c"], [0], at=NOON, decision="not_verifiable")
    (waits,) = [row for row in report(tea).sections["needs"] if "wait for a person" in str(row["what_en"])]
    assert "(2 fail, 1 not verifiable)" in str(waits["what_en"])
    assert "（不合格 2 件、判定不能 1 件）" in str(waits["what_ja"])
    page = write_report(tea, DAY, now=MIDNIGHT, run_id="r").page.read_text("utf-8")
    assert "not_verifiable)" not in page
    assert "reviews/index.html を見て" in page


def suspicion(at_s: float, probability: float, en: str, ja: str) -> dict[str, Any]:
    of = {"type": "missing_step", "severity": "critical", "steps": [], "votes": {}}
    return of | {"trainee_start_s": at_s, "confidence": probability, "en": en, "ja": ja}


def test_recordings_that_need_a_review_are_listed_with_what_is_suspected_and_when(tea: Home) -> None:
    record(tea, "a", "b", "c", at=NOON)
    lid = suspicion(32.0, 0.43, "“Close” is missing.", "「閉める」がありません。")
    asked: dict[str, Cell] = {"cause": "suspected", "suspected": json.dumps([lid])}
    score(tea, ["a"], [97], at=NOON, decision="needs_review", **asked)
    score(tea, ["b"], [40], at=NOON, decision="needs_review", reason_en="Why.", reason_ja="理由。")
    score(tea, ["c"], [10], at=NOON, decision="fail")
    listed = report(tea).sections["reviews"]
    assert [(row["file"], row["at"]) for row in listed] == [("b.mp4", None), ("a.mp4", "0:32.0")]
    assert listed[0]["what_ja"] == "理由。"
    assert listed[1]["what_en"] == "Perhaps (about 4 in 10): “Close” is missing. Look at 0:32.0."
    page = write(tea).page.read_text("utf-8")
    assert "可能性あり（約4割）：「閉める」がありません。" in page
    label(tea, "a", "ann", critical=True, at=NOON)
    assert [row["file"] for row in report(tea).sections["reviews"]] == ["b.mp4"]


def test_a_contested_verdict_waits_until_somebody_answers(tea: Home) -> None:
    record(tea, "a", at=MORNING)
    score(tea, ["a"], [10], at=NOON, decision="fail")
    contest = {"task_id": "tea", "key": key("a"), "who": "ann", "source": Source.HUMAN}
    objection = Draft(**contest, at=NOON, critical_expected=False, verdict="disagree", note="it was seated")
    append_events(tea, [objection], run_id="label", written_at=NOON)
    (waits,) = [row for row in report(tea).sections["needs"] if "contest" in str(row["what_en"])]
    assert "a.mp4 (ann)" in str(waits["what_en"])
    assert "異議" in str(waits["what_ja"])
    answer = Draft(**contest, at=AFTER, critical_expected=True, adjudicates=True)
    append_events(tea, [answer], run_id="answer", written_at=AFTER)
    next_day = report(tea, day=date(2026, 3, 3), now=datetime(2026, 3, 4, tzinfo=UTC))
    assert not [row for row in next_day.sections["needs"] if "contest" in str(row["what_en"])]
    assert [row for row in report(tea).sections["needs"] if "contest" in str(row["what_en"])]  # on that day


@pytest.mark.parametrize(
    ("later", "state"), [([92.0] * 30, "steady"), ([30.0] * 30, "drifts"), ([30.0] * 5, "too_few")]
)
def test_drift_compares_the_recordings_of_the_last_week_with_those_before(
    tea: Home, later: Sequence[float], state: str
) -> None:
    early = [f"e{number}" for number in range(40 if len(later) > 20 else 20)]
    record(tea, *early, at="2026-01-10T00:00:00+00:00")
    late = [f"l{number}" for number in range(len(later))]
    record(tea, *late, at=NOON)
    score(tea, early, [92.0] * len(early), at="2026-01-10T00:00:00+00:00")
    score(tea, late, later, at=NOON)
    found = report(tea)
    assert found.sections["drift"][0]["state"] == state
    needed = any("differ" in str(need["what_en"]) for need in found.sections["needs"])
    assert needed == (state == "drifts")


def facts(day: str, *, home_gib: float | None, free_gib: float | None = 12.0) -> Facts:
    size, free = (None if gib is None else int(gib * 2**30) for gib in (home_gib, free_gib))
    return Facts(day, NOON, free, size, {}, (), {"pause_gib": 2.0, "warn_gib": 10.0}, ())


@pytest.mark.parametrize(
    ("before", "now", "growth", "left"),
    [
        ({"2026-02-27": 4.0}, 10.0, 2.0, 5.0),
        ({"2026-02-22": 9.0, "2026-02-27": 4.0}, 10.0, 2.0, 5.0),
        ({"2026-02-27": 10.0}, 10.0, 0.0, None),
        ({"2026-02-27": 12.0}, 9.0, -1.0, None),
        ({"2026-02-27": None}, 9.0, None, None),
        ({}, 9.0, None, None),
    ],
)
def test_the_disk_lasts_as_long_as_the_growth_of_the_last_week_leaves(
    before: Mapping[str, float | None], now: float, growth: float | None, left: float | None
) -> None:
    known = {day: facts(day, home_gib=gib) for day, gib in before.items()}
    row = counts.disk(facts("2026-03-02", home_gib=now), known)
    assert (row["growth_gib_a_day"], row["days_left"]) == (growth, left)


def test_the_disk_of_a_day_long_ago_is_unknown_rather_than_todays(tea: Home) -> None:
    record(tea, "a", at=NOON)
    found = report(tea, now=LONG_AFTER)
    assert only(found, "disk")["free_gib"] is None
    assert found.sections["stale"] == []
    assert only(report(tea, now=LONG_AFTER, day=LONG_AFTER.date()), "disk")["free_gib"] is not None


def test_gates_are_those_of_the_day_even_when_they_change_later(tea: Home) -> None:
    gates(tea, passed=False, at=NOON)
    assert only(report(tea), "gates").items() >= {"study": "spring", "passed": False, "failed": 1}.items()
    gates(tea, passed=True, at=AFTER)
    assert only(report(tea, now=LONG_AFTER), "gates")["passed"] is False
    assert "sopilot study show spring" in actions(report(tea))
    assert only(report(tea, day=date(2026, 3, 3), now=LONG_AFTER), "gates")["passed"] is True


def gates(home: Home, *, passed: bool, at: str) -> None:
    names = ("name", "passed", "value", "threshold", "direction", "reason", "needed", "enabled")
    check = dict(zip(names, ("miss_rate", passed, 0.2, 0.1, "max", "", "", True), strict=True))
    document = {"profile": "research_v3", "overall_pass": passed, "research": True, "checks": [check]}
    files = {GATES: pretty_json(document)}
    Results(home, "spring").publish("gate_reports", files, made_from=(), run_id=at, written_at=at)


def test_alerts_are_those_that_were_open_then(tea: Home) -> None:
    alert = Condition("disk", "free space", ConditionSeverity.PROBLEM, "1 GiB free", "free some space")
    raise_alert(tea, alert, now=datetime.fromisoformat(NOON))
    resolve_alert(tea, "disk", "free space", now=datetime.fromisoformat(AFTER))
    found = report(tea)
    assert only(found, "alerts").items() >= {"state": "open", "what": "1 GiB free"}.items()
    assert actions(found)[0] == "free some space"
    assert only(report(tea, day=date(2026, 3, 3), now=LONG_AFTER), "alerts")["state"] == "over"
    assert report(tea, day=date(2026, 3, 4), now=LONG_AFTER).sections["alerts"] == []


def test_a_day_that_has_not_begun_is_refused(tea: Home) -> None:
    with pytest.raises(ConfigError, match="2026-03-04: expected a day that has begun"):
        report(tea, day=date(2026, 3, 4))


def test_missing_days_are_made_up_for_but_none_before_the_home_was_used(tea: Home) -> None:
    today = date(2026, 3, 5)
    assert days_to_report(tea, today, most=7) == []
    record(tea, "a", at=NOON)
    assert days_to_report(tea, today, most=7) == [DAY, date(2026, 3, 3), date(2026, 3, 4)]
    write_report(tea, date(2026, 3, 3), now=LONG_AFTER, run_id="r")
    write_report(tea, today, now=datetime(2026, 3, 5, 9, tzinfo=UTC), run_id="r")
    assert days_to_report(tea, date(2026, 3, 6), most=7) == [DAY, date(2026, 3, 4), today]


def test_a_report_that_failed_half_way_is_made_up_for(tea: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tea, "a", at=NOON)
    with monkeypatch.context() as broken:
        broken.setattr("sopilot_assets.upkeep.daily.report.page", no_space)
        with pytest.raises(OSError, match="no space"):
            write(tea)
    assert days_to_report(tea, date(2026, 3, 3), most=7) == [DAY]
    write(tea)
    assert days_to_report(tea, date(2026, 3, 3), most=7) == []


def no_space(_: object) -> str:
    raise OSError("no space left on device")


def test_the_table_is_published_beside_the_page(tea: Home) -> None:
    record(tea, "a", at=NOON)
    written = write(tea)
    document: Mapping[str, Any] = json.loads(written.table.read_bytes())
    assert (document["date"], document["complete"]) == ("2026-03-02", True)
    assert document["sections"]["tasks"][0]["trainees"] == 1
    assert written.page == Path(str(tea.reports)) / "2026-03-02.html"
    assert "日報" in written.page.read_text("utf-8")
