"""What deviations cost, what to train first, and what a cycle consists of."""

from __future__ import annotations

import pytest

from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.tasks import DeviationType, TaskSpec
from sopilot_assets.times.costs import costly_deviations, train_first, usual_cycle_s
from sopilot_assets.times.figures import GroupBy, TimesFilter, cycle_figures, step_figures
from sopilot_assets.times.overview import against_takt, task_times
from sopilot_assets.times.reading import Times
from sopilot_assets.times.work import combination, cycle_parts, yamazumi
from sopilot_assets_tests.times import by_pandas

WANTED = TimesFilter(task="filter_change")


def test_the_dearest_deviations_come_first_and_cost_what_pandas_says(
    crowd: Home, times: Times, task: TaskSpec
) -> None:
    every = costly_deviations(times, WANTED, redo_s=usual_cycle_s(times, task), most=100)
    expected = by_pandas.lost(crowd)
    mine = {(one.type.value, one.steps[0]): one.seconds for one in every if len(one.steps) == 1}
    assert {name: mine[name] for name in expected} == pytest.approx(expected)
    assert [one.seconds for one in every] == sorted((one.seconds for one in every), reverse=True)
    assert costly_deviations(times, WANTED, redo_s=usual_cycle_s(times, task)) == every[:3]
    assert every[0].type is DeviationType.MISSING_STEP
    assert every[0].critical == every[0].recordings


def test_training_is_ranked_by_what_a_recording_would_save_and_says_why(times: Times, task: TaskSpec) -> None:
    ranked = train_first(times, task, WANTED, redo_s=usual_cycle_s(times, task))
    assert [one.seconds for one in ranked] == sorted((one.seconds for one in ranked), reverse=True)
    assert len({one.step_id for one in ranked}) == len(ranked)
    for one in ranked:
        assert one.reasons
        assert all(reason.en and reason.ja for reason in one.reasons)
    missing = {
        one.steps[0]: one.recordings
        for one in costly_deviations(times, WANTED, redo_s=usual_cycle_s(times, task), most=100)
        if one.type is DeviationType.MISSING_STEP
    }
    first = next(one for one in ranked if one.step_id in missing)
    assert any(f"missing in {missing[first.step_id]} of" in reason.en for reason in first.reasons)


def test_nothing_is_to_be_trained_where_nothing_was_recorded(times: Times, task: TaskSpec) -> None:
    nobody = TimesFilter(task="filter_change", person="nobody")
    assert train_first(times, task, nobody, redo_s=usual_cycle_s(times, task)) == ()
    assert costly_deviations(times, nobody, redo_s=usual_cycle_s(times, task)) == ()
    assert yamazumi(cycle_parts(times, nobody, by=GroupBy.SITE), task, by=GroupBy.SITE) == ()
    assert combination(cycle_parts(times, nobody, by=GroupBy.SITE), task).steps == ()


@pytest.mark.parametrize("by", [GroupBy.SITE, GroupBy.PERSON, GroupBy.WEEK])
def test_the_parts_of_a_bar_are_its_mean_cycle(times: Times, task: TaskSpec, by: GroupBy) -> None:
    rows = {row[by.value]: row for row in plain_rows(cycle_figures(times, WANTED, by=(by,)))}
    bars = yamazumi(cycle_parts(times, WANTED, by=by), task, by=by)
    assert bars
    for bar in bars:
        row = rows[bar.name]
        assert bar.n == row["n"]
        assert bar.cycle_s == pytest.approx(row["mean_s"], abs=0.01)
        assert bar.waiting_s == pytest.approx(row["waiting_s"], abs=0.01)
        assert bar.rework_s == pytest.approx(row["rework_s"], abs=0.01)


def test_the_combination_table_goes_from_step_to_step_through_the_mean_cycle(
    times: Times, task: TaskSpec
) -> None:
    table, whole = (
        combination(cycle_parts(times, WANTED, by=GroupBy.SITE), task),
        plain_rows(cycle_figures(times, WANTED))[0],
    )
    assert [line.step_id for line in table.steps] == list(task.step_ids)
    assert table.cycle_s == pytest.approx(whole["mean_s"], abs=0.01)
    at_s = 0.0
    for line in table.steps:
        assert line.begin_s == pytest.approx(at_s + line.wait_s)
        at_s = line.end_s


def test_the_takt_time_is_what_complete_cycles_are_held_against(times: Times, task: TaskSpec) -> None:
    assert against_takt(times, task, WANTED) is None
    cycles = times.cycles.to_pandas()
    complete = cycles[cycles["complete"]]["cycle_s"]
    found = against_takt(times, task.model_copy(update={"takt_s": 30.0}), WANTED)
    assert found is not None
    assert (found.over, found.n) == (int((complete > 30.0).sum()), len(complete))


def test_all_about_a_task_is_said_together(times: Times, task: TaskSpec) -> None:
    shown = task_times(times, task, WANTED)
    assert [row["step_id"] for row in shown.steps] == list(task.step_ids)
    assert shown.whole["recordings"] == sum(int(row["recordings"] or 0) for row in shown.by_week)
    steps = step_figures(times, WANTED).dropna(subset=["step_id"])
    assert {row["step_id"]: row["n"] for row in shown.steps} == dict(
        zip(steps["step_id"], steps["n"], strict=True)
    )
