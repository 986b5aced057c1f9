"""Which policy decides for each task, in Dagster: adopted and taken back by the job `adopt_policy`."""

from typing import Final

import dagster as dg
from pydantic import Field

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.defs.evidence.assets import evidence_dossiers, study_metadata
from sopilot_assets.defs.partitions import NEIGHBOURS_TOGETHER, NO_PARTITION_OF, TASK
from sopilot_assets.defs.publish import in_folder
from sopilot_assets.defs.resources import ClockResource, HomeResource
from sopilot_assets.defs.runs import work_tags
from sopilot_assets.evidence.outcome import EVIDENCE_VERSION

with at_first_use():
    from sopilot_assets.evidence import adopted_policies as adopting
    from sopilot_assets.evidence import policy_standings as standing


class Adoption(dg.Config):
    """What to change; without a change the asset only tells what decides."""

    adopt: str = Field(default="", description="The study whose policy shall decide.")
    dossier: str = Field(default="", description="Which of its dossiers, where several passed their gates.")
    withdraw: bool = Field(default=False, description="Take the task's policy back instead.")
    by: str = Field(default="", description="Who says so; needed for a change.")
    reason: str = Field(default="", description="Why; needed for a change.")


@dg.asset(
    deps=[dg.AssetDep(evidence_dossiers, partition_mapping=NO_PARTITION_OF)],
    description=(
        "What decides for a task: the golds' own rule, or the policy that was adopted from a verified "
        "dossier, since when and why, how much is decided, and the audit of what passed. The launchpad "
        "adopts a policy or takes it back."
    ),
    group_name="evidence",
    kinds={"parquet"},
    owners=["team:quality"],
    code_version=EVIDENCE_VERSION,
    metadata=in_folder("ledgers", "adoptions"),
    partitions_def=TASK,
    backfill_policy=NEIGHBOURS_TOGETHER,
)
def adopted_policies(
    context: dg.AssetExecutionContext, config: Adoption, home: HomeResource, clock: ClockResource
) -> None:
    """The change that is asked for, then what decides for each task of the run."""
    said = {"by": config.by, "reason": config.reason, "run_id": context.run.run_id}
    for task_id in context.partition_keys:
        if config.adopt:
            adopting.adopt_policy(
                home.home,
                config.adopt,
                task_id=task_id,
                dossier_id=config.dossier or None,
                written_at=clock.written_at,
                **said,
            )
        elif config.withdraw:
            adopting.withdraw_policy(home.home, task_id, written_at=clock.written_at, **said)
        told = standing.describe_policy(home.home, task_id, now=clock.now())
        context.add_asset_metadata(study_metadata(told, home), partition_key=task_id)


adopt_policy: Final = dg.define_asset_job(
    "adopt_policy",
    selection=dg.AssetSelection.assets(adopted_policies),
    description="Adopt a policy for a task, take it back, or only tell what decides. One partition a task.",
    tags=work_tags("evidence"),
    executor_def=dg.in_process_executor,
)
