"""What is out of date, as a table."""

from collections import Counter
from typing import Final

import dagster as dg

from sopilot_assets.defs.partitions import NO_PARTITION_OF, VIDEO
from sopilot_assets.defs.publish import RawMetadata, ShownHome, table
from sopilot_assets.defs.recordings.pending import keys_at_work
from sopilot_assets.defs.recordings.scores import scores
from sopilot_assets.defs.resources import ClockResource, HomeResource
from sopilot_assets.stations.rescoring_plan import RescoringPlan, rescoring_plan

_GROUPS: Final = ("task_id", "why", "also", "scored_with", "current", "job", "recordings")
_STALE: Final = ("key", "file", "why", "also", "scored_with", "current", "job")


@dg.asset(
    name="rescoring_plan",
    deps=[dg.AssetDep(scores, partition_mapping=NO_PARTITION_OF)],
    description=(
        "Which scores are missing or out of date, and why: algorithm, model, reference, task version. The "
        "job rescore_stale makes this table and then brings all of them up to date in one run; the job "
        "plan_rescoring only makes the table."
    ),
    group_name="scoring",
    kinds={"table"},
    owners=["team:operations"],
    code_version="plan-1",
)
def rescoring_plan_asset(
    context: dg.AssetExecutionContext, home: HomeResource, clock: ClockResource
) -> dg.MaterializeResult[None]:
    """The plan, counted by reason, and key by key."""
    registered = context.instance.get_dynamic_partitions(str(VIDEO.name))
    at_work = keys_at_work(context.instance, registered, clock.now(), except_run=context.run.run_id)
    plan = rescoring_plan(home.home, registered, leave_out=at_work)
    return dg.MaterializeResult(metadata=_plan_metadata(plan, ShownHome.of(home.home), at_work=len(at_work)))


def _plan_metadata(plan: RescoringPlan, home: ShownHome, *, at_work: int) -> RawMetadata:
    tables: RawMetadata = {}
    if plan.stale:
        tables = {
            "by_reason": table(plan.groups(), columns=_GROUPS),
            "recordings": table([home.with_file(row) for row in plan.stale], columns=_STALE),
        }
    reasons = Counter(str(row["why"]) for row in plan.stale)
    return {
        "stale": len(plan.stale),
        **{f"stale_{why}": count for why, count in sorted(reasons.items())},
        "runs": plan.runs,
        "runs_as_a_backfill": len(plan.ranges),
        "at_work_in_other_runs": at_work,
        "next": "Launch the job rescore_stale." if plan.stale else "Nothing to do.",
        **tables,
    }
