"""One question, one answer: the same in doctor, alerts, asset checks and the daily report."""

from __future__ import annotations

import ast
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from sopilot_assets.definitions import build_defs
from sopilot_assets.defs.resources import ClockResource, HomeResource, LimitsResource
from sopilot_assets.labels.chain import append_events
from sopilot_assets.labels.events import Draft, Source
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep import conditions
from sopilot_assets.upkeep.alerts.lasting import settle_lasting
from sopilot_assets.upkeep.conditions.condition import Condition, ConditionSeverity
from sopilot_assets.upkeep.conditions.dagster_files import DagsterState, Tick
from sopilot_assets.upkeep.conditions.instance import CAPTURE_SENSOR, looks_at_capture
from sopilot_assets.upkeep.conditions.lateness import daily_report as daily_report_made
from sopilot_assets.upkeep.conditions.questions import ALERTED, QUESTIONS
from sopilot_assets.upkeep.conditions.situation import Situation
from sopilot_assets.upkeep.daily.report import daily_report
from sopilot_assets.upkeep.doctor import examine_home
from sopilot_assets.upkeep.setting_up import prepare_home
from sopilot_assets_tests.upkeep.made_up_days import add_task, key, record, refuse, score

DAY = datetime(2026, 3, 2, tzinfo=UTC)
NOON, LATE = (DAY + timedelta(hours=12)).isoformat(), DAY + timedelta(hours=23)
WARNING, PROBLEM = ConditionSeverity.WARNING, ConditionSeverity.PROBLEM


@dataclass(frozen=True)
class Case:
    """Something that is wrong with a home, and who says so: the kind of an alert, the name of a check, the
    urgency and a word of the report.
    """

    damage: Callable[[Home], object]
    kind: str
    severity: ConditionSeverity
    alert: bool = False
    check: str | None = None
    report: tuple[str, str] | None = None


def full(home: Home, pause_gib: float) -> None:
    text = f"disk: {{warn_gib: 1.0e+6, pause_gib: {pause_gib}, resume_gib: {pause_gib}}}\n"
    (local_path(home.root) / "settings.yaml").write_text(text, "utf-8")


def contest(home: Home) -> None:
    record(home, "a", at=NOON)
    score(home, ["a"], [10], at=NOON, decision="fail")
    said = {"task_id": "tea", "key": key("a"), "who": "ann", "source": Source.HUMAN, "at": NOON}
    objection = Draft(**said, critical_expected=False, verdict="disagree", note="it was seated")
    append_events(home, [objection], run_id="label", written_at=NOON)


CASES = {
    "little disk space": Case(
        lambda home: full(home, 0), "disk", WARNING, alert=True, report=("urgent", "GiB are free")
    ),
    "intake is paused": Case(
        lambda home: full(home, 1e6), "disk", PROBLEM, alert=True, report=("urgent", "GiB are free")
    ),
    "no gold": Case(
        lambda home: record(home, "a", at=NOON),
        "golds",
        WARNING,
        check="enough_golds",
        report=("urgent", "tea has no gold: nothing can be scored."),
    ),
    "a recording without a score": Case(
        lambda home: record(home, "a", at=NOON),
        "unscored",
        WARNING,
        check="every_recording_has_a_row",
        report=("soon", "tea: 1 recordings have no score."),
    ),
    "a recording that waits for its score": Case(
        lambda home: record(home, "a", at=NOON),
        "overdue",
        WARNING,
        alert=True,
        check="every_recording_has_a_row",
    ),
    "a score that is out of date": Case(
        lambda home: (record(home, "a", at=NOON), score(home, ["a"], [90], at=NOON)),
        "scores",
        WARNING,
        check="scores_are_current",
        report=("soon", "1 scores are out of date (algorithm)."),
    ),
    "a stored video that is gone": Case(
        lambda home: record(home, "a", at=NOON), "videos", PROBLEM, check="stored_files_are_intact"
    ),
    "a verdict that somebody contests": Case(
        contest,
        "contested",
        WARNING,
        report=("soon", "tea: people contest 1 verdict, and nobody has answered: a.mp4 (ann)."),
    ),
    "refused files": Case(
        lambda home: refuse(home, "x.mp4", at=NOON), "quarantine", WARNING, check="few_files_are_quarantined"
    ),
}


@pytest.fixture
def tea(home: Home) -> Home:
    """A home with one task."""
    prepare_home(home)
    add_task(home)
    return home


@pytest.fixture
def evaluations(tea: Home) -> Iterator[Callable[[], dict[str, dg.AssetCheckEvaluation]]]:
    """What Dagster's checks say of the home."""
    with dg.DagsterInstance.ephemeral() as instance:

        def evaluated() -> dict[str, dg.AssetCheckEvaluation]:
            resources = {
                "home": HomeResource(root=str(tea.root)),
                "limits": LimitsResource(processes=1),
                "clock": ClockResource(fixed=LATE.isoformat()),
            }
            job = build_defs(**resources).resolve_job_def("check_everything")
            run = job.execute_in_process(instance=instance)
            return {one.check_name: one for one in run.get_asset_check_evaluations()}

        yield evaluated


def told(home: Home, kind: str) -> list[Condition]:
    found = examine_home(home, now=LATE, environment=os.environ)
    return [one for one in found if isinstance(one, Condition) and one.kind == kind]


@pytest.fixture
def steady_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk has the same free space at every look, whatever else writes to it meanwhile."""
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)


@pytest.mark.usefixtures("steady_disk")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_question_has_the_same_answer_everywhere(
    tea: Home, evaluations: Callable[[], dict[str, dg.AssetCheckEvaluation]], case: Case
) -> None:
    case.damage(tea)
    (condition,) = (one for one in told(tea, case.kind) if one.subject != "daily report")
    assert condition.severity is case.severity
    if case.alert:
        events = settle_lasting(Situation(tea, LATE, {}), case.kind)
        noted = {(one.subject, one.severity, one.what, one.action) for one in events}
        assert (condition.subject, condition.severity, condition.what, condition.action) in noted
    if case.check is not None:
        found = evaluations()[case.check]
        wanted = dg.AssetCheckSeverity.ERROR if case.severity is PROBLEM else dg.AssetCheckSeverity.WARN
        assert (found.passed, found.severity) == (False, wanted)
        assert condition.what in (found.description or "")
    if case.report is not None:
        needs = daily_report(tea, DAY.date(), now=LATE, run_id="r").sections["needs"]
        (need,) = (need for need in needs if case.report[1] in str(need["what_en"]))
        assert need["urgency"] == case.report[0]


@pytest.mark.parametrize(("minutes", "late"), [(29, False), (31, True)])
def test_a_sensor_that_is_silent_is_late_by_the_setting(tea: Home, minutes: int, *, late: bool) -> None:
    looked = Tick(CAPTURE_SENSOR, LATE - timedelta(minutes=minutes))
    asked = Situation(tea, LATE, {}, dagster_told=DagsterState(ticks=(looked,)))
    assert [one.severity for one in looks_at_capture(asked).conditions] == [PROBLEM] * late


def test_a_report_that_a_killed_process_began_is_no_report(tea: Home) -> None:
    before = daily_report_made(Situation(tea, LATE, {}))
    half = local_path(tea.reports) / ".publishing-2026.html"
    half.parent.mkdir(exist_ok=True)
    half.write_bytes(b"")
    os.utime(half, (LATE.timestamp(), LATE.timestamp()))
    assert daily_report_made(Situation(tea, LATE, {})) == before


def test_no_question_is_in_the_list_twice_and_alerts_ask_none_outside_it() -> None:
    assert len(set(QUESTIONS)) == len(QUESTIONS)
    assert {question for questions in ALERTED.values() for question in questions} <= set(QUESTIONS)


MODULES = sorted(Path(str(conditions.__file__)).parent.glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_threshold_stands_beside_a_question(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    constants = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign) and node.value]
    compared = [node for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    beside = [
        *(node.value for node in constants if node.value),
        *(one for c in compared for one in c.comparators),
    ]
    numbers = [
        one.value
        for node in beside
        for one in ast.walk(node)
        if isinstance(one, ast.Constant) and type(one.value) in (int, float)
    ]
    assert set(numbers) <= {0, 1, 60}  # nothing at all, a place in a list, seconds in a minute
