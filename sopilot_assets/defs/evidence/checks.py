"""Checks of the evidence chain: the gates, and that nothing leaks from one split into another."""

import dagster as dg

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.defs.evidence.assets import gate_reports, split_manifests
from sopilot_assets.defs.partitions import STUDY
from sopilot_assets.defs.publish import table
from sopilot_assets.defs.resources import HomeResource
from sopilot_assets.errors import StudyError
from sopilot_assets.evidence.results import gate_verdict

with at_first_use():
    from sopilot_assets.evidence import split_manifests as station


@dg.asset_check(
    asset=gate_reports,
    name="gates_pass",
    blocking=True,
    partitions_def=STUDY,
    description=(
        "Every check of the study's gate profile holds on the test split. A research profile that fails "
        "blocks the dossier; any other is a warning."
    ),
)
def gates_pass(context: dg.AssetCheckExecutionContext, home: HomeResource) -> dg.AssetCheckResult:
    """The verdict of the gates, as they were published."""
    verdict = gate_verdict(home.home, _study(context))
    return dg.AssetCheckResult(
        passed=verdict.passed,
        severity=dg.AssetCheckSeverity.ERROR if verdict.blocks else dg.AssetCheckSeverity.WARN,
        description=verdict.sentence,
        metadata={"checks": table(verdict.rows, columns=tuple(verdict.rows[0]))} if verdict.rows else {},
    )


@dg.asset_check(
    asset=split_manifests,
    name="nothing_leaks",
    description="No person, source video, near-duplicate, session or recording is in two splits.",
    partitions_def=STUDY,
)
def nothing_leaks(context: dg.AssetCheckExecutionContext, home: HomeResource) -> dg.AssetCheckResult:
    """The groups that are in more than one split, as they were published."""
    leaks = station.study_leaks(home.home, _study(context))
    return dg.AssetCheckResult(
        passed=not leaks,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(leaks)} groups are in more than one split"
        if leaks
        else "no group is in two splits",
        metadata={"leaks": table(leaks, columns=tuple(leaks[0]))} if leaks else {},
    )


def _study(context: dg.AssetCheckExecutionContext) -> str:
    """The study that is checked. Dagster's button *Execute all* names none."""
    if not context.has_partition_key:
        raise StudyError(
            "expected the study to check, found a run without a partition. Materialize the asset for the "
            "study: that evaluates its checks too."
        )
    return str(context.partition_key)
