"""The results of one person: what counts, by week, and what repeats."""

from __future__ import annotations

from pathlib import Path

import pytest

from sopilot_assets.labels.chain import append_events
from sopilot_assets.labels.events import Agreement, Draft, RaterVerdict, Source
from sopilot_assets.people.charts import score_chart, share_chart, step_chart, time_chart
from sopilot_assets.people.curves import FEWEST
from sopilot_assets.people.results import KINDS, PersonResults, results_of
from sopilot_assets.store.home import Home
from sopilot_assets.tasks import Step, TaskSpec
from sopilot_assets_tests.people.made_up import AT, SKIPPED, SLOW, record

STEPS = (Step(id="close", name="Close it"), Step(id="oil", name="Oil the gasket"))
TASKS = {name: TaskSpec(task_id=name, version=1, name=name, steps=STEPS) for name in ("gasket", "valve")}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path)


def say(home: Home, key: str, who: str, **said: object) -> None:
    fixed: dict[str, object] = {"task_id": "gasket", "key": key, "who": who, "at": AT, "source": Source.HUMAN}
    draft = Draft.model_validate({**fixed, "critical_expected": None, "note": "so it is", **said})
    append_events(home, [draft], run_id=f"{who}-{key}-{len(str(said))}", written_at=AT)


def told(home: Home, person: str = "p1", task: str | None = "gasket") -> PersonResults:
    found = results_of(home, person, task, tasks=TASKS)
    assert found is not None
    return found


def test_who_has_no_recording_has_no_results(home: Home) -> None:
    record(home, "p1", ["pass"])
    assert results_of(home, "p2", tasks=TASKS) is None
    assert results_of(home, "p1", "valve", tasks=TASKS) is None
    assert results_of(home, "", tasks=TASKS) is None


def test_only_what_says_something_of_the_person_is_counted(home: Home) -> None:
    record(home, "p1", ["pass", "fail", "retrain", "needs_review", "not_verifiable", None])
    result = told(home)
    assert [one.decision and one.decision.value for one in result.decided] == ["pass", "fail", "retrain"]
    assert (result.passed, result.open, result.unverifiable, len(result.recordings)) == (1, 2, 1, 6)
    assert result.shares == ()
    assert result.practice is None


def test_what_is_contested_or_overruled_is_not_held_against_anybody(home: Home) -> None:
    keys = record(home, "p1", ["fail", "fail", "fail", "pass"])
    say(home, keys[0], "p1", verdict=RaterVerdict.DISAGREE)
    say(home, keys[1], "p1", verdict=RaterVerdict.DISAGREE)
    say(home, keys[1], "ada", critical_expected=False, adjudicates=True)
    say(home, keys[2], "p1", verdict=RaterVerdict.DISAGREE)
    say(home, keys[2], "ada", critical_expected=True, adjudicates=True)
    result = told(home)
    assert [one.key for one in result.decided] == [keys[2], keys[3]]
    assert result.open == 2
    (week,) = result.weeks
    assert {kind: count for kind, count in zip(KINDS, week.counts, strict=True) if count} == {
        "pass": 1,
        "fail": 1,
        "disputed": 2,
    }


def test_recordings_stand_in_the_order_of_time_and_say_where_it_is_not_known(home: Home) -> None:
    keys = record(home, "p1", ["pass", "pass", "pass"], unknown=[0])
    result = told(home)
    assert [one.key for one in result.recordings] == [keys[1], keys[2], keys[0]]
    assert result.without_time == 1


def test_without_a_task_it_is_that_of_the_newest_recording(home: Home) -> None:
    record(home, "p1", ["pass"] * 3)
    record(home, "p1", ["pass"] * 5, task="valve")
    result = told(home, task=None)
    assert (result.task_id, result.tasks) == ("valve", ("gasket", "valve"))


def test_weeks_begin_on_monday_where_it_was_recorded(home: Home) -> None:
    record(home, "p1", ["pass", "fail", "pass"], days=3.5, seconds=[10, 20, 40])
    weeks = told(home).weeks
    assert [week.begins.isoformat() for week in weeks] == ["2026-01-12", "2026-01-05"]
    assert [(week.recordings, week.counts[0], week.cycle_s) for week in weeks] == [(1, 1, 40), (2, 1, 15)]


def test_what_is_found_twice_at_the_same_step_repeats(home: Home) -> None:
    found = {0: [SKIPPED, SLOW], 1: [SKIPPED], 2: [SLOW], 3: [{**SKIPPED, "steps": ["close"]}], 7: [SLOW]}
    record(home, "p1", ["fail"] * 8 + ["not_verifiable"], found=found)
    first, second = told(home).repeats
    assert (first.type.value, first.steps, first.count, first.of, first.lately) == (
        "missing_step",
        ("oil",),
        2,
        8,
        0,
    )
    assert (second.type.value, second.count, second.lately) == ("over_time", 3, 1)
    assert [moment.found.index for moment in second.moments] == [0, 0, 1]
    assert [moment.recording.name for moment in second.moments] == ["p1_7.mp4", "p1_2.mp4", "p1_0.mp4"]


def test_what_who_looked_says_is_none_does_not_repeat(home: Home) -> None:
    keys = record(home, "p1", ["fail", "fail"], found={0: [SKIPPED], 1: [SKIPPED]})
    answer = Agreement.model_validate({"type": "missing_step", "steps": ("oil",), "agree": False})
    say(home, keys[0], "ada", deviations=(answer,))
    assert told(home).repeats == ()
    say(home, keys[0], "ben", deviations=(answer.model_copy(update={"agree": True}),))
    assert [one.count for one in told(home).repeats] == [2]


def test_a_frozen_picture_is_the_cameras(home: Home) -> None:
    frozen = {"type": "freeze", "severity": "critical", "steps": [], "trainee_start_s": 1.0}
    record(home, "p1", ["retrain", "retrain"], found={0: [frozen], 1: [frozen]})
    assert told(home).repeats == ()


def test_the_charts_show_what_the_results_say(home: Home) -> None:
    count = FEWEST + 2
    record(home, "p1", ["fail"] * 2 + ["pass"] * FEWEST, seconds=[60 / n**0.5 for n in range(1, count + 1)])
    result = told(home)
    passed = [one.decision is not None and one.decision.value == "pass" for one in result.decided]
    chart = share_chart(result.decided, result.shares, passed)
    assert [dot.y for dot in chart.dots] == [100.0] * 2 + [0.0] * FEWEST
    assert chart.line.split()[0] == f"{100 * 9.5 / 12:.2f},20.00"
    assert chart.line.split()[-1].endswith(",0.00")
    assert len(chart.band.split()) == 2 * len(result.shares)
    assert {dot.y for dot in score_chart(result.recordings).dots} == {10.0}
    times = time_chart(result.recordings, result.times.cycles, result.practice)
    assert (times.top, times.last) == (60.0, count)
    assert times.dots[0].y == 0.0
    assert times.line.split()[0].endswith(",0.00")


def test_times_are_those_of_recordings_that_show_every_step_whole(home: Home) -> None:
    keys = record(home, "p1", ["pass"] * 3, seconds=[40.0, None, 20.0])
    times = told(home).times
    assert times.cycles == {keys[0]: 40.0, keys[2]: 20.0}
    (oil,) = times.steps
    assert (oil.step_id, oil.seconds) == ("oil", {keys[0]: 10.0, keys[2]: 5.0})
    assert (oil.low_s, oil.high_s, oil.lately()) == (4.0, 8.0, 7.5)
    chart = step_chart(told(home).recordings, oil)
    assert [chart.chart.top, chart.upper, chart.lower] == pytest.approx([10, 20, 60])
    assert [dot.number for dot in chart.chart.dots] == [1, 3]


def test_a_task_whose_file_is_gone_still_has_results(home: Home) -> None:
    record(home, "p1", ["pass"], task="gone")
    result = told(home, task="gone")
    assert (len(result.decided), result.times.steps, len(result.times.cycles)) == (1, (), 1)
