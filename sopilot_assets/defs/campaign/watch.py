"""Who launches the cycles of a campaign: a schedule each minute; and a sensor that does the rest.

The sensor notes cycles whose run died for good, ends a run that goes on after a stop, and asks for the
summary. No schedule can look more often than each minute: in a rehearsal with shorter cycles the sensor does
what the schedule would do.
"""

from datetime import datetime
from typing import Final

import dagster as dg

from sopilot_assets.defs.campaign.assets import (
    campaign_cycle,
    campaign_cycles,
    campaign_summary,
    cycle_metadata,
    moment,
)
from sopilot_assets.defs.dagster_internals.retries import is_about_to_be_retried
from sopilot_assets.defs.partitions import CAMPAIGN
from sopilot_assets.defs.resources import ClockResource, HomeResource
from sopilot_assets.defs.runs import CAMPAIGN_TAG, CYCLE_TAG, FINISHED, MAX_RUNTIME
from sopilot_assets.processes.boot_clock import Moment
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.campaign.cycle import CycleWork, rest_cycle
from sopilot_assets.upkeep.campaign.deciding import Act, CampaignState, NextAct, decide
from sopilot_assets.upkeep.campaign.plan import CampaignPlan, active_campaign, load_stop
from sopilot_assets.upkeep.campaign.records import CycleOutcome, cycle_rows, record_cycles
from sopilot_assets.upkeep.campaign.watching import note_watch

SHORTEST_SCHEDULED_S: Final = 60.0
"""Cycles that come more often are launched by the sensor: a schedule looks once a minute."""

MOST_SUMMARIES: Final = 3
"""How often a summary is tried before a person has to look."""

_BEHIND_S: Final = 30.0
"""Seconds that the schedule may take over its last cycle before the sensor says that the campaign is over."""

_PATIENCE_S: Final = 30.0
"""Seconds beyond the grace time after which a run that goes on in spite of a stop is ended."""

_STARTING_S: Final = 300.0
"""Seconds that a run of a cycle may take beside its steps."""

_MOST_RUNS: Final = 1000


@dg.schedule(
    job=campaign_cycle,
    cron_schedule="* * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Launches the cycles of the active campaign; looks once a minute which is due.",
)
def campaign_cycles_schedule(
    context: dg.ScheduleEvaluationContext, home: HomeResource, clock: ClockResource
) -> dg.RunRequest | dg.SkipReason:
    """One look, as of the time for which the tick was scheduled."""
    plan = active_campaign(home.home)
    if plan is None or plan.interval_s < SHORTEST_SCHEDULED_S:
        return dg.SkipReason("no campaign with cycles of a minute or more is active")
    late_s = max((clock.now() - context.scheduled_execution_time).total_seconds(), 0.0)
    watch = _Watch(context.instance, home.home, plan, moment(clock).before(min(late_s, plan.interval_s)))
    return watch.launch(watch.decide())


@dg.sensor(
    jobs=[campaign_cycle, campaign_summary],
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Looks after the active campaign: notes cycles that died, ends what goes on after a stop, asks for "
        "the summary at the deadline, and launches the cycles that come more often than each minute."
    ),
)
def campaign_watch(
    context: dg.SensorEvaluationContext, home: HomeResource, clock: ClockResource
) -> dg.SensorResult | dg.SkipReason:
    """One look."""
    plan = active_campaign(home.home)
    if plan is None:
        return dg.SkipReason("no campaign is active")
    now = moment(clock)
    scheduled = plan.interval_s >= SHORTEST_SCHEDULED_S
    watch = _Watch(context.instance, home.home, plan, now.before(_BEHIND_S) if scheduled else now)
    watch.settle()
    decision = watch.decide()
    note_watch(home.home, plan.campaign_id, now)
    if decision.act in (Act.LAUNCH, Act.SKIP):
        if scheduled:
            return dg.SkipReason(f"the schedule launches the cycles; {decision.why}")
        found = watch.launch(decision)
        return dg.SensorResult(run_requests=[found]) if isinstance(found, dg.RunRequest) else found
    watch.record(decision)
    if decision.act is Act.END:
        return watch.summary_request()
    ended = watch.end_lingering(now)
    return dg.SkipReason(f"{decision.why}{f'; {ended} runs ended' if ended else ''}")


class _Watch:
    """One look at one campaign: what Dagster and the ledgers know of it."""

    def __init__(self, instance: dg.DagsterInstance, home: Home, plan: CampaignPlan, now: Moment) -> None:
        self._instance, self._home, self._plan, self._now = instance, home, plan, now
        self._run_id = f"watch-{plan.campaign_id}"
        # first the runs, then the ledger: a run that has finished has written its row before
        self._runs = self._of_job(campaign_cycle.name)
        rows = cycle_rows(home, plan.campaign_id)
        self.state = CampaignState(
            settled=dict(zip(rows["cycle"].astype(int), rows["outcome"].astype(str), strict=True)),
            under_way=_under_way(self._runs),
            stop_requested=load_stop(home, plan.campaign_id) is not None,
        )

    def decide(self) -> NextAct:
        """What is next."""
        return decide(self._plan, self.state, elapsed_s=self._plan.elapsed_s(self._now))

    def settle(self) -> None:
        """Note the cycles whose run ended without working through its steps, and is not tried again."""
        dead = [
            cycle
            for cycle, unfinished in self.state.under_way.items()
            if not unfinished and cycle not in self.state.settled
        ]
        for cycle in dead:
            run = max(
                (record for record in self._runs if _cycle(record) == cycle),
                key=lambda record: record.storage_id,
            ).dagster_run
            why = f"run {run.run_id[:8]} ended as {run.status.value.lower()} before its steps were through"
            self._note([cycle], CycleOutcome.FAILED, why)

    def launch(self, decision: NextAct) -> dg.RunRequest | dg.SkipReason:
        """The request for the cycle that is due, with what it leaves out noted; else why there is none."""
        if decision.act in (Act.LAUNCH, Act.SKIP):
            self.record(decision)
        if decision.act is not Act.LAUNCH:
            return dg.SkipReason(decision.why)
        self._add_partition()
        if self._rested(decision.cycle or 0):
            return dg.SkipReason(f"{decision.why}, and nothing is to be done in it")
        return self._cycle_request(decision)

    def _rested(self, cycle: int) -> bool:
        """Whether nothing was to be done in a cycle: then it is through, and no run is launched for it. A run
        costs seconds of processor time, and of the cycles of a quiet night none does anything.
        """
        plan = self._plan
        work = CycleWork(self._home, plan, cycle, self._run_id, {}, now=lambda: self._now.wall)
        results = rest_cycle(work)
        if results is None:
            return False
        event = dg.AssetMaterialization(
            campaign_cycles.key,
            metadata=cycle_metadata(plan, cycle, results),
            partition=plan.campaign_id,
        )
        self._instance.report_runless_asset_event(event)
        return True

    def record(self, decision: NextAct) -> None:
        """Note the cycles that the decision leaves out."""
        self._note(decision.missed, CycleOutcome.MISSED, "nobody launched it: Dagster's daemon did not run")
        if decision.act is Act.SKIP and decision.cycle is not None:
            self._note([decision.cycle], CycleOutcome.SKIPPED, decision.why)

    def _cycle_request(self, decision: NextAct) -> dg.RunRequest:
        """The request for the run of one cycle."""
        plan, cycle = self._plan, decision.cycle or 0
        return dg.RunRequest(
            run_key=f"{plan.campaign_id}/{cycle}",
            job_name=campaign_cycle.name,
            partition_key=plan.campaign_id,
            tags={
                CAMPAIGN_TAG: plan.campaign_id,
                CYCLE_TAG: str(cycle),
                MAX_RUNTIME: str(int(plan.longest_cycle_s + _STARTING_S)),
            },
        )

    def summary_request(self) -> dg.SensorResult | dg.SkipReason:
        """The request for the summary, unless it is under way or failed too often."""
        runs = self._of_job(campaign_summary.name)
        if any(_unfinished(record.dagster_run) for record in runs):
            return dg.SkipReason("the summary is being made")
        if len(runs) >= MOST_SUMMARIES:
            return dg.SkipReason(f"the summary failed {len(runs)} times; look at its runs")
        self._add_partition()
        request = dg.RunRequest(
            run_key=f"{self._plan.campaign_id}/summary/{len(runs)}",
            job_name=campaign_summary.name,
            partition_key=self._plan.campaign_id,
            tags={CAMPAIGN_TAG: self._plan.campaign_id},
        )
        return dg.SensorResult(run_requests=[request])

    def end_lingering(self, now: Moment) -> int:
        """End the campaign's own runs that go on long after a stop was asked for; returns how many."""
        stop = load_stop(self._home, self._plan.campaign_id)
        if stop is None:
            return 0
        waited_s = now.since(stop.moment)
        lingering = [record.dagster_run for record in self._runs if _can_be_ended(record.dagster_run)]
        due = [
            run
            for run in lingering
            if run.status is dg.DagsterRunStatus.QUEUED or waited_s > self._plan.grace_s + _PATIENCE_S
        ]
        for run in due:
            self._instance.run_coordinator.cancel_run(run.run_id)
        return len(due)

    def _add_partition(self) -> None:
        if not self._instance.has_dynamic_partition(str(CAMPAIGN.name), self._plan.campaign_id):
            self._instance.add_dynamic_partitions(str(CAMPAIGN.name), [self._plan.campaign_id])

    def _note(self, cycles: list[int] | tuple[int, ...], outcome: CycleOutcome, why: str) -> None:
        if cycles:
            record_cycles(
                self._home,
                self._plan,
                cycles,
                outcome,
                why,
                run_id=self._run_id,
                written_at=_written_at(self._now.wall),
            )

    def _of_job(self, job: str) -> list[dg.RunRecord]:
        tags = {CAMPAIGN_TAG: self._plan.campaign_id}
        return list(self._instance.get_run_records(dg.RunsFilter(job_name=job, tags=tags), limit=_MOST_RUNS))


def _under_way(records: list[dg.RunRecord]) -> dict[int, bool]:
    found: dict[int, bool] = {}
    for record in records:
        cycle = _cycle(record)
        if cycle is not None:
            found[cycle] = found.get(cycle, False) or _unfinished(record.dagster_run)
    return found


def _cycle(record: dg.RunRecord) -> int | None:
    text = record.dagster_run.tags.get(CYCLE_TAG, "")
    return int(text) if text.isdecimal() else None


def _unfinished(run: dg.DagsterRun) -> bool:
    """Whether a run is not over: also one that failed and is about to be tried again."""
    if run.status is dg.DagsterRunStatus.FAILURE:
        return is_about_to_be_retried(run)
    return run.status not in FINISHED


def _can_be_ended(run: dg.DagsterRun) -> bool:
    return run.status in (
        dg.DagsterRunStatus.QUEUED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
    )


def _written_at(wall: datetime) -> str:
    return wall.isoformat()
