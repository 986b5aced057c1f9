"""Cycles are launched once each by schedule or sensor; what died is noted; the end makes a summary."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.launcher import WorkerStatus
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.storage.tags import WILL_RETRY_TAG
from dagster._core.test_utils import create_run_for_test

from sopilot_assets.definitions import build_defs
from sopilot_assets.defs.campaign.watch import campaign_cycles_schedule, campaign_watch
from sopilot_assets.defs.dagster_internals.launcher import PROCESS_TAG, LocalRunLauncher, process_tag
from sopilot_assets.defs.runs import CAMPAIGN_TAG, CYCLE_TAG
from sopilot_assets.errors import ConfigError
from sopilot_assets.local_run import local_tags
from sopilot_assets.processes.boot_clock import Moment
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import publish_text
from sopilot_assets.upkeep.campaign.plan import (
    CampaignPlan,
    CampaignRequest,
    active_campaign,
    has_ended,
    load_stop,
    request_stop,
    start_campaign,
)
from sopilot_assets.upkeep.campaign.records import (
    CycleOutcome,
    StepOutcome,
    StepResult,
    cycle_rows,
    record_cycles,
    record_step,
)
from sopilot_assets_tests.defs.conftest import START, resources

BEGUN = datetime.fromisoformat(START)


@dataclass(frozen=True)
class Office:
    """A home with an instance, in which time passes as the test says."""

    home: Home
    instance: dg.DagsterInstance

    def start(self, **settings: object) -> CampaignPlan:
        request = CampaignRequest.model_validate(
            {"duration_s": 120.0, "interval_s": 20.0, "grace_s": 5.0, **settings}
        )
        return start_campaign(self.home, request, now=Moment(BEGUN), by="ann")

    def watch(self, after_s: float) -> dg.SensorResult | dg.SkipReason:
        context = dg.build_sensor_context(instance=self.instance, resources=self.given(after_s))
        found = campaign_watch(context)
        assert isinstance(found, dg.SensorResult | dg.SkipReason)
        return found

    def schedule(self, after_s: float, *, late_s: float = 0.0) -> dg.RunRequest | dg.SkipReason:
        context = dg.build_schedule_context(
            instance=self.instance,
            scheduled_execution_time=BEGUN + timedelta(seconds=after_s),
            resources=self.given(after_s + late_s),
        )
        with context:
            found = campaign_cycles_schedule(context)
        assert isinstance(found, dg.RunRequest | dg.SkipReason)
        return found

    def given(self, after_s: float) -> dict[str, object]:
        chosen = resources(self.home, now=(BEGUN + timedelta(seconds=after_s)).isoformat())
        return {name: chosen[name] for name in ("home", "clock")}

    def run(self, request: dg.RunRequest, status: dg.DagsterRunStatus, **tags: str) -> dg.DagsterRun:
        """A run as the daemon makes it of a request."""
        assert request.job_name is not None
        origin = RemoteJobOrigin(
            RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "all"), request.job_name
        )
        run: dg.DagsterRun = create_run_for_test(
            self.instance,
            request.job_name,
            status=status,
            tags={**request.tags, **tags},
            remote_job_origin=origin,
            job_code_origin=JobPythonOrigin(
                request.job_name, RepositoryPythonOrigin(sys.executable, ModuleCodePointer("here", "defs"))
            ),
        )
        return run

    def execute(self, request: dg.RunRequest, after_s: float) -> dg.ExecuteInProcessResult:
        defs = build_defs(**resources(self.home, now=(BEGUN + timedelta(seconds=after_s)).isoformat()))
        return defs.resolve_job_def(str(request.job_name)).execute_in_process(
            instance=self.instance,
            partition_key=request.partition_key,
            tags=dict(request.tags),
            raise_on_error=False,
        )

    def outcomes(self, plan: CampaignPlan) -> dict[int, str]:
        rows = cycle_rows(self.home, plan.campaign_id)
        return {int(row["cycle"]): str(row["outcome"]) for row in rows.to_dict("records")}


@pytest.fixture
def office(home: Home) -> Iterator[Office]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Office(home, instance)


@pytest.fixture
def lasting(home: Home, tmp_path: Path) -> Iterator[Office]:
    """One with an instance on disk: a schedule opens its own."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield Office(home, instance)


def asked(found: dg.SensorResult | dg.SkipReason | dg.RunRequest) -> dg.RunRequest:
    """The one run that is asked for."""
    if isinstance(found, dg.RunRequest):
        return found
    assert isinstance(found, dg.SensorResult), found
    (request,) = found.run_requests or []
    return request


def test_without_a_campaign_nothing_is_launched(office: Office) -> None:
    assert isinstance(office.watch(0), dg.SkipReason)
    assert isinstance(office.schedule(0), dg.SkipReason)


def test_the_sensor_launches_each_short_cycle_once_and_counts_the_others(office: Office) -> None:
    plan = office.start()
    request = asked(office.watch(1))
    assert request.job_name == "campaign_cycle"
    assert request.partition_key == plan.campaign_id
    assert (request.tags[CAMPAIGN_TAG], request.tags[CYCLE_TAG]) == (plan.campaign_id, "0")
    assert office.instance.has_dynamic_partition("campaign", plan.campaign_id)
    office.run(request, dg.DagsterRunStatus.STARTED)
    assert isinstance(office.watch(5), dg.SkipReason)
    assert isinstance(office.watch(21), dg.SkipReason)
    assert office.outcomes(plan) == {1: "skipped"}
    assert isinstance(office.schedule(22), dg.SkipReason)


def test_cycles_that_nobody_launched_are_counted(office: Office) -> None:
    plan = office.start()
    assert asked(office.watch(65)).tags[CYCLE_TAG] == "3"
    assert office.outcomes(plan) == {0: "missed", 1: "missed", 2: "missed"}


def test_the_schedule_launches_by_the_time_for_which_it_was_asked(lasting: Office) -> None:
    office = lasting
    office.start(interval_s=60.0, duration_s=600.0)
    request = asked(office.schedule(60, late_s=65.0))
    assert request.tags[CYCLE_TAG] == "1"
    office.run(request, dg.DagsterRunStatus.SUCCESS)
    assert isinstance(office.schedule(100), dg.SkipReason)
    assert isinstance(office.watch(125), dg.SkipReason)  # the sensor leaves these to the schedule
    assert asked(office.schedule(120)).tags[CYCLE_TAG] == "2"


@pytest.mark.parametrize(
    ("status", "retry", "outcome"),
    [
        (dg.DagsterRunStatus.FAILURE, "false", {0: "failed"}),
        (dg.DagsterRunStatus.CANCELED, "false", {0: "failed"}),
        (dg.DagsterRunStatus.FAILURE, "true", {}),
        (dg.DagsterRunStatus.STARTING, "false", {}),
    ],
)
def test_a_run_that_died_for_good_is_noted(
    office: Office, status: dg.DagsterRunStatus, retry: str, outcome: dict[int, str]
) -> None:
    plan = office.start()
    office.run(asked(office.watch(1)), status, **{WILL_RETRY_TAG: retry})
    office.watch(5)
    assert office.outcomes(plan) == outcome


def test_the_deadline_ends_it_with_one_summary(office: Office) -> None:
    plan = office.start()
    record_cycles(office.home, plan, range(5), CycleOutcome.SKIPPED, "", run_id="r", written_at=START)
    running = office.run(asked(office.watch(101)), dg.DagsterRunStatus.STARTED)
    assert isinstance(office.watch(121), dg.SkipReason)
    office.instance.report_run_failed(running)
    office.instance.add_run_tags(running.run_id, {WILL_RETRY_TAG: "false"})
    request = asked(office.watch(126))
    assert request.job_name == "campaign_summary"
    result = office.execute(request, 127)
    assert result.success
    assert has_ended(office.home, plan.campaign_id)
    (made,) = result.get_asset_materialization_events()
    metadata = made.materialization.metadata
    assert metadata["ended_by"].value == "deadline"
    assert (metadata["cycles_skipped"].value, metadata["cycles_failed"].value) == (5, 1)
    assert isinstance(office.watch(130), dg.SkipReason)
    assert active_campaign(office.home) is None


def test_a_summary_is_not_made_before_the_end_and_not_tried_for_ever(office: Office) -> None:
    office.start()
    late = office.watch(200)
    request = asked(late)
    early = office.execute(request, 5)
    assert not early.success
    for _ in range(3):
        office.run(request, dg.DagsterRunStatus.FAILURE)
    assert "failed" in str(office.watch(210))


def test_a_cycle_runs_as_one_materialization_with_its_checks(office: Office) -> None:
    plan = office.start()
    request = asked(office.watch(1))
    for step, outcome, code in (("intake", StepOutcome.FAILED, 1), ("score", StepOutcome.FINDING, 3)):
        result = StepResult(step, 1, outcome, code, START, 1.0, "so", "", "")
        record_step(office.home, plan, 0, result, run_id="r", written_at=START)
    run = office.execute(request, 2)
    assert run.success
    (made,) = run.get_asset_materialization_events()
    assert made.materialization.partition == plan.campaign_id
    assert (
        made.materialization.metadata["faults"].value,
        made.materialization.metadata["findings"].value,
    ) == (1, 1)
    checks = {one.check_name: one for one in run.get_asset_check_evaluations()}
    assert not checks["steps_succeeded"].passed
    assert checks["steps_succeeded"].severity is dg.AssetCheckSeverity.ERROR
    assert not checks["nothing_found"].passed
    assert checks["nothing_found"].severity is dg.AssetCheckSeverity.WARN
    assert office.outcomes(plan) == {0: "run"}


def test_checks_that_are_evaluated_by_themselves_look_at_the_newest_cycle(office: Office) -> None:
    steps_succeeded = dg.AssetCheckKey(dg.AssetKey("campaign_cycles"), "steps_succeeded")

    def evaluated() -> dg.AssetCheckEvaluation:
        """As Dagster's button *Execute* does: without partition and without the tags of a cycle."""
        job = build_defs(**resources(office.home, now=START)).resolve_implicit_global_asset_job_def()
        subset = job.get_subset(asset_selection=set(), asset_check_selection={steps_succeeded})
        (one,) = subset.execute_in_process(instance=office.instance).get_asset_check_evaluations()
        return one

    assert evaluated().description == "no cycle has run yet"
    plan = office.start()
    for cycle, outcome in enumerate((StepOutcome.OK, StepOutcome.FAILED)):
        began = (BEGUN + timedelta(seconds=cycle)).isoformat()
        result = StepResult("intake", 1, outcome, 1, began, 1.0, "so", "", "")
        record_step(office.home, plan, cycle, result, run_id="r", written_at=began)
    assert (evaluated().passed, evaluated().description) == (False, "cycle 1: intake failed")


def test_a_cycle_with_nothing_to_do_is_a_materialization_and_no_run(office: Office) -> None:
    plan = office.start()
    publish_text(office.home.reviews / "index.html", "the list of pages")
    found = office.watch(1)
    assert isinstance(found, dg.SkipReason)
    assert "cycle 0 is due, and nothing is to be done in it" in str(found.skip_message)
    assert office.outcomes(plan) == {0: "run"}
    (event,) = office.instance.fetch_materializations(dg.AssetKey("campaign_cycles"), limit=9).records
    made = event.asset_materialization
    assert made is not None
    assert made.partition == plan.campaign_id
    assert (made.metadata["cycle"].value, made.metadata["faults"].value) == (0, 0)
    assert office.instance.get_run_records() == []
    assert "cycle 0 is under way or done" in str(office.watch(2))
    publish_text(office.home.capture / "tea" / "trainee" / "a.mp4", "dropped")
    assert asked(office.watch(21)).tags[CYCLE_TAG] == "1"


def test_a_cycle_without_a_number_is_refused(office: Office) -> None:
    plan = office.start()
    office.instance.add_dynamic_partitions("campaign", [plan.campaign_id])
    request = dg.RunRequest(job_name="campaign_cycle", partition_key=plan.campaign_id)
    assert not office.execute(request, 2).success


def test_a_stop_ends_only_runs_of_its_own_that_wait_or_linger(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = office.start()
    ended: list[str] = []
    monkeypatch.setattr(office.instance.run_coordinator, "cancel_run", ended.append)
    request = asked(office.watch(1))
    started = office.run(request, dg.DagsterRunStatus.STARTED)
    queued = office.run(request, dg.DagsterRunStatus.QUEUED)
    office.run(request, dg.DagsterRunStatus.STARTED, **{CAMPAIGN_TAG: "c20250101-000000"})
    office.watch(5)
    assert ended == []
    request_stop(office.home, required_id=None, now=Moment(BEGUN + timedelta(seconds=6)), by="ann")
    office.watch(7)
    assert ended == [queued.run_id]
    office.watch(60)
    assert set(ended) == {queued.run_id, started.run_id}
    assert load_stop(office.home, plan.campaign_id) is not None


def test_start_and_stop_are_jobs_with_a_launchpad(office: Office) -> None:
    defs = build_defs(**resources(office.home))

    def run(job: str, op: str, config: dict[str, object]) -> bool:
        result = defs.resolve_job_def(job).execute_in_process(
            instance=office.instance, run_config={"ops": {op: {"config": config}}}, raise_on_error=False
        )
        return result.success

    wanted: dict[str, object] = {"duration": "10m", "interval": "1m", "rescore_every": 0}
    assert run("start_campaign", "begin_campaign", wanted)
    plan = active_campaign(office.home)
    assert plan is not None
    assert (plan.duration_s, plan.interval_s, plan.rescore_every, plan.damaged_every) == (600, 60, None, 6)
    assert not run("start_campaign", "begin_campaign", {})
    assert not run("stop_campaign", "end_campaign", {"require_id": "c20250101-000000"})
    assert run("stop_campaign", "end_campaign", {"require_id": plan.campaign_id})
    assert load_stop(office.home, plan.campaign_id) is not None


def test_a_run_of_a_command_carries_what_it_was_given_and_its_process() -> None:
    tags = local_tags({"SOPILOT_RUN_TAGS": json.dumps({CYCLE_TAG: "4"})})
    assert (tags[CYCLE_TAG], tags[PROCESS_TAG]) == ("4", process_tag())
    assert str(os.getpid()) in tags[PROCESS_TAG]
    assert set(local_tags({})) == {PROCESS_TAG, "dagster/max_retries"}
    with pytest.raises(ConfigError, match="SOPILOT_RUN_TAGS"):
        local_tags({"SOPILOT_RUN_TAGS": "[1"})


@pytest.mark.parametrize("alive", [True, False])
def test_a_run_of_a_command_is_found_dead_by_its_tag(office: Office, alive: bool) -> None:
    code = (
        "from sopilot_assets.defs.dagster_internals.launcher import process_tag; "
        "print(process_tag(), flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        tag = process.stdout.readline().strip()
        if not alive:
            process.kill()
            process.wait()
        run = create_run_for_test(office.instance, "rescore_stale", tags={PROCESS_TAG: tag})
        launcher = LocalRunLauncher()
        launcher.register_instance(office.instance)
        found = launcher.check_run_worker_health(run)
        assert found.status is (WorkerStatus.RUNNING if alive else WorkerStatus.FAILED)
        elsewhere = create_run_for_test(
            office.instance, "rescore_stale", tags={PROCESS_TAG: f"other:{tag.partition(':')[2]}"}
        )
        assert launcher.check_run_worker_health(elsewhere).status is WorkerStatus.RUNNING
        process.kill()
