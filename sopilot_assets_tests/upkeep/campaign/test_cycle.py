"""A cycle of real commands: each step has a result, faults hold up nothing, and nothing is done twice."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sopilot_assets.labels.chain import COLUMNS as LABEL_COLUMNS
from sopilot_assets.labels.chain import labels_ledger
from sopilot_assets.processes.children import MARK
from sopilot_assets.scoring.ledger import COLUMNS, scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, publish_text
from sopilot_assets.upkeep.campaign.cycle import CycleWork, rest_cycle, run_cycle
from sopilot_assets.upkeep.campaign.idle import gates_inputs, note_gates_passed
from sopilot_assets.upkeep.campaign.plan import (
    CampaignPlan,
    CampaignRequest,
    mark,
    request_stop,
    start_campaign,
)
from sopilot_assets.upkeep.campaign.records import (
    StepOutcome,
    StepResult,
    cycle_rows,
    cycles_ledger,
    record_step,
    step_results,
    step_rows,
)
from sopilot_assets_tests.upkeep.campaign.plans import after
from sopilot_assets_tests.upkeep.made_up_days import add_task

pytestmark = pytest.mark.whole

AT = "2026-03-02T07:00:05+00:00"


def started(home: Home, **settings: object) -> CampaignPlan:
    request = CampaignRequest.model_validate(
        {"duration_s": 600.0, "interval_s": 60.0, "step_timeout_s": 120.0, **settings}
    )
    return start_campaign(home, request, now=after(0), by="ann")


def worked(home: Home, plan: CampaignPlan, cycle: int = 0) -> Mapping[str, StepResult]:
    work = CycleWork(home, plan, cycle, "run", {"sopilot/cycle": str(cycle)}, lambda: datetime.now(UTC))
    return run_cycle(work)


def rested(home: Home, plan: CampaignPlan, cycle: int) -> Mapping[str, StepResult] | None:
    return rest_cycle(CycleWork(home, plan, cycle, "watch", {}, lambda: datetime.now(UTC)))


def result(step: str) -> StepResult:
    return StepResult(
        step=step,
        attempt=1,
        outcome=StepOutcome.OK,
        exit_code=0,
        started_at=AT,
        seconds=1.0,
        what="done before",
        command="",
        log="",
    )


def test_a_cycle_leaves_a_row_a_log_and_what_was_said_for_each_step(home: Home) -> None:
    plan = started(home, gate_profile="ops_v1")
    home.capture.mkdir(parents=True)
    results = worked(home, plan)
    assert {name: one.outcome for name, one in results.items()} == {
        "intake": StepOutcome.OK,
        "score": StepOutcome.OK,
        "gates": StepOutcome.OK,
    }
    assert results["intake"].what == "The capture folder is empty."
    assert results["intake"].command == "sopilot capture register"
    assert results["intake"].log == ""  # nothing was started
    assert results["score"].command == "sopilot score run --stale"
    assert (Path(str(home.root)) / results["score"].log).read_text(encoding="utf-8")
    assert step_results(home, plan.campaign_id, 0) == results
    (row,) = cycle_rows(home, plan.campaign_id).to_dict("records")
    assert (row["cycle"], row["outcome"], row["steps"], row["faults"]) == (0, "run", 3, 0)


def test_a_cycle_in_which_nothing_is_to_be_done_starts_no_command(home: Home) -> None:
    plan = started(home, gate_profile="ops_v1", damaged_every=5)
    assert rested(home, plan, 1) is None  # gates were never asked, and nobody listed the pages
    assert cycle_rows(home, plan.campaign_id).empty
    worked(home, plan)
    logs = sorted(path.name for path in Path(str(home.campaigns)).rglob("*.log"))
    results = rested(home, plan, 1)
    assert results is not None
    assert {name: (one.outcome, one.what) for name, one in results.items()} == {
        "intake": (StepOutcome.OK, "The capture folder is empty."),
        "score": (StepOutcome.OK, "Nothing to do: all scores are up to date."),
        "gates": (StepOutcome.OK, "Nothing has changed since all gates passed."),
    }
    assert step_results(home, plan.campaign_id, 1) == results
    assert sorted(path.name for path in Path(str(home.campaigns)).rglob("*.log")) == logs
    assert list(cycle_rows(home, plan.campaign_id)["outcome"]) == ["run", "run"]
    assert rested(home, plan, 1) == results  # a look that died before it was through is taken up
    assert len(step_rows(home, plan.campaign_id)) == 6
    assert len(cycles_ledger(home).all_rows()) == 2
    assert rested(home, plan, 2) is not None
    assert rested(home, plan, 4) is None  # its fifth cycle scores damaged copies


def _new_study(home: Home) -> None:
    publish_text(home.studies / "spring.yaml", "study: spring")


def _dropped(home: Home) -> None:
    publish_text(home.capture / "tea" / "trainee" / "site_a" / "a.mp4", "being copied")


def _old_list(home: Home) -> None:
    index = local_path(home.reviews) / "index.html"
    os.utime(index, (1.0, 1.0))
    row = dict.fromkeys(COLUMNS) | {"key": "tea-t-0123456789ab", "task_id": "tea"}
    scores_ledger(home).append([row], run_id="score", written_at=AT)


def _renamed(home: Home) -> None:
    add_task(home)


def _contested(home: Home) -> None:
    row = dict.fromkeys(LABEL_COLUMNS) | {"key": "tea-t-0123456789ab", "task_id": "tea", "seq": 1}
    labels_ledger(home).append([row], run_id="label", written_at=AT)


@pytest.mark.parametrize("change", [_old_list, _renamed, _contested])
def test_a_list_of_pages_that_is_older_than_what_it_shows_is_made_anew(
    home: Home, change: Callable[[Home], None]
) -> None:
    plan = started(home)
    publish_text(home.reviews / "index.html", "the list")
    assert rested(home, plan, 0) is not None
    change(home)
    assert rested(home, plan, 1) is None


@pytest.mark.parametrize("change", [_new_study, _dropped, _old_list])
def test_whatever_there_is_to_do_is_seen(home: Home, change: Callable[[Home], None]) -> None:
    plan = started(home, gate_profile="ops_v1")
    publish_text(home.reviews / "index.html", "the list")
    note_gates_passed(home, plan, gates_inputs(home, plan))
    publish_text(home.capture / "tea" / "trainee" / "$RECYCLE.BIN" / "old.mp4", "thrown away")
    assert rested(home, plan, 0) is not None
    change(home)
    assert rested(home, plan, 1) is None


def test_what_others_write_and_remove_meanwhile_ends_no_cycle(home: Home) -> None:
    plan, over = started(home, gate_profile="ops_v1"), threading.Event()
    before = gates_inputs(home, plan)

    def come_and_go() -> None:
        for number in itertools.count():
            if over.is_set():
                return
            (local_path(home.studies) / f".publishing-{number + 20}").touch()
            (local_path(home.studies) / f".publishing-{number}").unlink(missing_ok=True)

    publish_text(home.studies / "spring.yaml", "study: spring")
    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        found = {gates_inputs(home, plan) for _ in range(50)}
    finally:
        over.set()
        other.join()
    assert before not in found


def test_a_look_that_fails_starts_the_command(home: Home) -> None:
    plan = started(home)
    publish_text(home.reviews / "index.html", "the list")
    publish_text(home.ledgers / "scores" / "damaged.parquet", "no table")
    assert rested(home, plan, 0) is None


def test_where_the_settings_cannot_be_used_the_cycle_is_begun_which_says_so(home: Home) -> None:
    plan = started(home)
    publish_text(home.root / "settings.yaml", "backup: {place: /mnt/b}")
    assert rested(home, plan, 0) is None


def test_a_step_that_fails_holds_up_nothing_and_one_with_a_result_is_not_done_again(home: Home) -> None:
    plan = started(home).model_copy(update={"task": "nix"})
    record_step(home, plan, 0, result("intake"), run_id="killed", written_at=AT)
    left = Path(str(home.campaigns)) / plan.campaign_id / "logs" / "000000-score.1.log"
    left.parent.mkdir()
    left.write_text("a killed attempt", encoding="utf-8")
    results = worked(home, plan)
    assert results["intake"].what == "done before"
    assert (results["score"].outcome, results["score"].exit_code) == (StepOutcome.FAILED, 1)
    assert results["score"].what.startswith("Error: task 'nix': there is no such task file")
    assert results["score"].attempt == 2
    assert left.read_text(encoding="utf-8") == "a killed attempt"
    assert worked(home, plan) == results
    assert len(step_rows(home, plan.campaign_id)) == 2
    assert list(cycle_rows(home, plan.campaign_id)["faults"]) == [1]


def test_after_a_stop_no_further_step_begins(home: Home) -> None:
    plan = started(home)
    request_stop(home, required_id=None, now=after(1), by="ann")
    assert worked(home, plan) == {}
    assert list(cycle_rows(home, plan.campaign_id)["outcome"]) == ["stopped"]


@pytest.mark.parametrize("limit_s", [0.2])
def test_a_step_at_its_limit_is_a_fault(home: Home, limit_s: float) -> None:
    results = worked(home, started(home, step_timeout_s=limit_s))
    assert {name: one.outcome for name, one in results.items()} == {
        "intake": StepOutcome.OK,  # it had nothing to do
        "score": StepOutcome.TIMED_OUT,
    }
    assert "did not end within" in results["score"].what


def test_a_campaign_of_the_same_id_in_another_home_is_left_alone(home: Home, tmp_path: Path) -> None:
    plan, other = started(home), Home.at(tmp_path / "other")
    marks = [f"{mark(one, plan.campaign_id)}/7/score" for one in (home, other)]
    sleepers = [
        subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(60)"], env={**os.environ, MARK: name}
        )
        for name in marks
    ]
    try:
        request_stop(home, required_id=None, now=after(1), by="ann")
        worked(home, plan)
        assert sleepers[0].wait(timeout=10) == -9
        assert sleepers[1].poll() is None
    finally:
        for one in sleepers:
            one.kill()
            one.wait()
