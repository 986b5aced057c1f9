"""Campaigns in Dagster: one run a cycle, and one summary at the end."""

from collections.abc import Mapping
from typing import Final

import dagster as dg

from sopilot_assets.defs.partitions import CAMPAIGN
from sopilot_assets.defs.publish import RawMetadata, in_folder, in_ledger, page, scalars, table
from sopilot_assets.defs.resources import ClockResource, HomeResource
from sopilot_assets.defs.runs import CAMPAIGN_TAG, CYCLE_TAG, work_tags
from sopilot_assets.defs.web.addresses import PageAddresses
from sopilot_assets.errors import ConfigError
from sopilot_assets.processes.boot_clock import Moment, moment_at
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.upkeep.campaign.cycle import CycleWork, run_cycle
from sopilot_assets.upkeep.campaign.deciding import Ending
from sopilot_assets.upkeep.campaign.ending import summarise
from sopilot_assets.upkeep.campaign.plan import CampaignPlan, load_plan, load_stop
from sopilot_assets.upkeep.campaign.records import (
    FAULTS,
    StepOutcome,
    StepResult,
    cycles_ledger,
    step_results,
    steps_ledger,
)

_GROUP: Final = "operations"
_VERSION: Final = "campaign-1"
_OWNERS: Final = ["team:operations"]
_ONE: Final = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)


@dg.asset(
    description=(
        "One cycle of a campaign: intake, scoring, gates, and what comes every N cycles (damaged examples, "
        "rescoring with repeats, a backup). Each step is a command with a time limit; one that fails does "
        "not hold up the others. Launched by its schedule; every materialization is one cycle."
    ),
    group_name=_GROUP,
    kinds={"shell"},
    owners=_OWNERS,
    code_version=_VERSION,
    metadata=in_ledger(cycles_ledger),
    partitions_def=CAMPAIGN,
    backfill_policy=_ONE,
)
def campaign_cycles(context: dg.AssetExecutionContext, home: HomeResource, clock: ClockResource) -> None:
    """The steps of the cycle that the run's tag names."""
    plan, cycle = load_plan(home.home, context.partition_key), cycle_of(context.run.tags)
    work = CycleWork(
        home=home.home,
        plan=plan,
        cycle=cycle,
        run_id=context.run.run_id,
        tags={CAMPAIGN_TAG: plan.campaign_id, CYCLE_TAG: str(cycle)},
        now=clock.now,
    )
    results = run_cycle(work, on_step=lambda step: context.log.info("cycle %d: %s", cycle, step.name))
    context.add_asset_metadata(cycle_metadata(plan, cycle, results), partition_key=plan.campaign_id)


def cycle_metadata(plan: CampaignPlan, cycle: int, results: Mapping[str, StepResult]) -> RawMetadata:
    """What a materialization says of a cycle with these results."""
    rows = [_step_row(result) for result in results.values()]
    facts: dict[str, Cell] = {
        "cycle": cycle,
        "of": plan.cycles,
        "seconds": round(sum(result.seconds for result in results.values()), 3),
        "faults": sum(result.outcome in FAULTS for result in results.values()),
        "findings": sum(result.outcome is StepOutcome.FINDING for result in results.values()),
    }
    steps = {"steps": table(rows, columns=tuple(rows[0]))} if rows else {}
    return {**scalars(facts), **steps}


@dg.asset_check(
    asset=campaign_cycles,
    name="steps_succeeded",
    description="No step of the newest cycle failed or ran into its time limit.",
)
def steps_succeeded(context: dg.AssetCheckExecutionContext, home: HomeResource) -> dg.AssetCheckResult:
    """The steps of this run's cycle that failed."""
    return _check(context, home, FAULTS, dg.AssetCheckSeverity.ERROR, "failed")


@dg.asset_check(
    asset=campaign_cycles,
    name="nothing_found",
    description="No step of the newest cycle found something that a person should look at, such as a gate.",
)
def nothing_found(context: dg.AssetCheckExecutionContext, home: HomeResource) -> dg.AssetCheckResult:
    """The steps of this run's cycle with a finding."""
    return _check(context, home, (StepOutcome.FINDING,), dg.AssetCheckSeverity.WARN, "found something")


@dg.asset(
    deps=[campaign_cycles],
    description=(
        "What became of a campaign: its cycles and steps, every fault and finding, and how much was taken in "
        "and scored. Made when the deadline is over or somebody stopped it."
    ),
    group_name=_GROUP,
    kinds={"html"},
    owners=_OWNERS,
    code_version=_VERSION,
    metadata=in_folder("campaigns"),
    partitions_def=CAMPAIGN,
    backfill_policy=_ONE,
)
def campaign_summaries(context: dg.AssetExecutionContext, home: HomeResource, clock: ClockResource) -> None:
    """The summary of a campaign that has ended; its page lies in the campaign's folder."""
    plan = load_plan(home.home, context.partition_key)
    ending = _ending(home, plan.campaign_id, over=plan.elapsed_s(moment(clock)) >= plan.duration_s)
    summary = summarise(home.home, plan, ending=ending, ended_at=clock.now())
    tables = {"steps": summary.steps, "needs_a_look": summary.troubles, "cycles": summary.cycles}
    context.add_asset_metadata(
        {
            **scalars(summary.facts),
            **{name: table(rows, columns=tuple(rows[0])) for name, rows in tables.items() if rows},
            **page(summary.page, PageAddresses.of(home.home)),
        },
        partition_key=plan.campaign_id,
    )


campaign_cycle: Final = dg.define_asset_job(
    "campaign_cycle",
    selection=dg.AssetSelection.assets(campaign_cycles)
    | dg.AssetSelection.checks(steps_succeeded, nothing_found),
    description="One cycle of the active campaign. Its schedule launches it.",
    tags=work_tags("campaign", retries=3, longest_s=None),
    executor_def=dg.in_process_executor,
)

campaign_summary: Final = dg.define_asset_job(
    "campaign_summary",
    selection=dg.AssetSelection.assets(campaign_summaries),
    description="The summary of a campaign that has ended. The sensor campaign_watch launches it.",
    tags=work_tags("campaign", retries=3, longest_s=None),
    executor_def=dg.in_process_executor,
)


def moment(clock: ClockResource) -> Moment:
    """The present by a clock; one that was set to a time knows nothing of the machine's start."""
    return Moment(clock.now()) if clock.fixed else moment_at(clock.now())


def cycle_of(tags: Mapping[str, str]) -> int:
    """The number of the cycle that a run's tags name."""
    try:
        return int(tags[CYCLE_TAG])
    except (KeyError, ValueError) as error:
        raise ConfigError(
            f"expected a run with the tag {CYCLE_TAG} (a number), found {tags.get(CYCLE_TAG)!r}. Cycles are "
            "launched by the campaign's schedule: `sopilot campaign start`."
        ) from error


def _ending(home: HomeResource, campaign_id: str, *, over: bool) -> Ending:
    if load_stop(home.home, campaign_id) is not None:
        return "stop"
    if over:
        return "deadline"
    raise ConfigError(
        f"campaign {campaign_id} has not ended, so it has no summary. `sopilot campaign stop` ends it."
    )


def _check(
    context: dg.AssetCheckExecutionContext,
    home: HomeResource,
    outcomes: tuple[StepOutcome, ...],
    severity: dg.AssetCheckSeverity,
    verb: str,
) -> dg.AssetCheckResult:
    of = _checked_cycle(context, home)
    if of is None:
        return dg.AssetCheckResult(passed=True, severity=severity, description="no cycle has run yet")
    campaign_id, cycle = of
    results = step_results(home.home, campaign_id, cycle)
    found = [_step_row(result) for result in results.values() if result.outcome in outcomes]
    named = ", ".join(str(row["step"]) for row in found)
    return dg.AssetCheckResult(
        passed=not found,
        severity=severity,
        description=f"cycle {cycle}: {named} {verb}" if found else f"cycle {cycle}: none",
        metadata={"steps": table(found, columns=tuple(found[0]))} if found else {},
    )


def _checked_cycle(context: dg.AssetCheckExecutionContext, home: HomeResource) -> tuple[str, int] | None:
    """Campaign and cycle of this run, or of the newest steps, where a check is evaluated by itself."""
    if CYCLE_TAG in context.run.tags:
        return context.partition_key, cycle_of(context.run.tags)
    newest = plain_rows(
        steps_ledger(home.home).query("select * from latest order by started_at desc limit 1")
    )
    return (str(newest[0]["campaign"]), int(str(newest[0]["cycle"]))) if newest else None


def _step_row(result: StepResult) -> dict[str, Cell]:
    return {
        "step": result.step,
        "outcome": result.outcome.value,
        "seconds": round(result.seconds, 2),
        "what": result.what,
        "command": result.command,
        "log": result.log,
        "attempt": result.attempt,
    }
