"""The evidence chain: from labels to a dossier, one partition a study."""

from collections.abc import Callable
from typing import Any, Final

import dagster as dg

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.defs.partitions import NEIGHBOURS_TOGETHER, NO_PARTITION_OF, STUDY, TASK
from sopilot_assets.defs.publish import RawMetadata, in_folder, in_ledger, page, picture, scalars, table
from sopilot_assets.defs.recordings.scores import scores
from sopilot_assets.defs.resources import ClockResource, HomeResource
from sopilot_assets.defs.web.addresses import PageAddresses
from sopilot_assets.evidence.outcome import EVIDENCE_VERSION, StudyOutcome
from sopilot_assets.labels.chain import labels_ledger

with at_first_use():
    from sopilot_assets.evidence import critical_policies as critical_policies_station
    from sopilot_assets.evidence import error_packets as error_packets_station
    from sopilot_assets.evidence import evidence_dossiers as evidence_dossiers_station
    from sopilot_assets.evidence import gate_reports as gate_reports_station
    from sopilot_assets.evidence import labeling_plans as labeling_plans_station
    from sopilot_assets.evidence import labels as labels_station
    from sopilot_assets.evidence import shadow_reports as shadow_reports_station
    from sopilot_assets.evidence import split_evaluations as split_evaluations_station
    from sopilot_assets.evidence import split_manifests as split_manifests_station

_GROUP: Final = "evidence"
_OWNERS: Final = ["team:quality"]
_EACH_ALONE: Final = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)
"""A study is a run of its own, so that one that cannot be split does not hold up the others."""


@dg.asset(
    deps=[dg.AssetDep(scores, partition_mapping=NO_PARTITION_OF)],
    description=(
        "What people say about the recordings of a task: the verified chain of label events as one row a "
        "recording, the agreement between raters, what is in dispute, and how much is labeled."
    ),
    group_name=_GROUP,
    kinds={"parquet"},
    owners=_OWNERS,
    code_version=EVIDENCE_VERSION,
    metadata=in_ledger(labels_ledger),
    partitions_def=TASK,
    backfill_policy=NEIGHBOURS_TOGETHER,
)
def labels(context: dg.AssetExecutionContext, home: HomeResource) -> None:
    """The state of the label events in the ledger ``labels``."""
    for task_id in context.partition_keys:
        outcome = labels_station.describe_labels(home.home, task_id)
        rows: RawMetadata = {"dagster/partition_row_count": len(outcome.tables["labels"])}
        context.add_asset_metadata(study_metadata(outcome, home) | rows, partition_key=task_id)


def _study_asset(
    name: str,
    station: Callable[[], Callable[..., StudyOutcome]],
    deps: list[Any],
    description: str,
    kinds: set[str],
    folder: str = "studies",
) -> dg.AssetsDefinition:
    """The asset of one station: it runs the station for each study of the run and publishes what it says.

    ``station()`` is its function, looked up when the first run wants it.
    """

    @dg.asset(
        name=name,
        deps=deps,
        description=description,
        group_name=_GROUP,
        kinds=kinds,
        owners=_OWNERS,
        code_version=EVIDENCE_VERSION,
        metadata=in_folder(folder),
        partitions_def=STUDY,
        backfill_policy=_EACH_ALONE,
    )
    def study_asset(context: dg.AssetExecutionContext, home: HomeResource, clock: ClockResource) -> None:
        for study_id in context.partition_keys:
            outcome = station()(home.home, study_id, run_id=context.run.run_id, written_at=clock.written_at)
            context.add_asset_metadata(study_metadata(outcome, home), partition_key=study_id)
            for warning in outcome.warnings:
                context.log.warning(warning)
            if outcome.labels is not None:
                context.log_event(
                    dg.AssetMaterialization(
                        labels.key,
                        partition=outcome.labels.partition,
                        metadata=study_metadata(outcome.labels, home),
                    )
                )

    return study_asset


split_manifests: Final = _study_asset(
    "split_manifests",
    lambda: split_manifests_station.split_study_cases,
    [
        dg.AssetDep(labels, partition_mapping=NO_PARTITION_OF),
        dg.AssetDep(scores, partition_mapping=NO_PARTITION_OF),
    ],
    "The cases of a study (scores and labels that count) split into dev, test and challenge as registered, "
    "with the proof, group by group, that nothing leaks from one split into another.",
    {"pandas"},
)

critical_policies: Final = _study_asset(
    "critical_policies",
    lambda: critical_policies_station.fit_study_policies,
    [split_manifests],
    "Every candidate detector fitted on the dev split under the gate profile's constraints. A fit that does "
    "not meet them is reported as such and is not a policy.",
    {"scikitlearn"},
)

split_evaluations: Final = _study_asset(
    "split_evaluations",
    lambda: split_evaluations_station.evaluate_study_splits,
    [split_manifests, critical_policies],
    "Every fitted detector on dev, test, challenge and all of them: rates with intervals, coverage, "
    "repeatability, drift. Each look at the held-out splits is counted.",
    {"pandas"},
)

gate_reports: Final = _study_asset(
    "gate_reports",
    lambda: gate_reports_station.check_study_gates,
    [split_evaluations],
    "The figures of the selected policy on the test split against the gate profile: every check, and how "
    "much more evidence the failed ones need. Research profiles block the dossier.",
    {"table"},
)

shadow_reports: Final = _study_asset(
    "shadow_reports",
    lambda: shadow_reports_station.compare_study_detectors,
    [split_manifests, critical_policies],
    "The selected policy beside the baseline detector on the same recordings: the paired table, the exact "
    "McNemar test, and every decision that changes.",
    {"scipy"},
)

error_packets: Final = _study_asset(
    "error_packets",
    lambda: error_packets_station.collect_study_errors,
    [split_evaluations],
    "Every miss and false alarm of the selected policy with its review page and evidence, broken down by "
    "site, gold, type and reason, and how each group fares when it is left out of the fit.",
    {"pandas"},
)

labeling_plans: Final = _study_asset(
    "labeling_plans",
    lambda: labeling_plans_station.plan_study_labeling,
    [split_evaluations, error_packets],  # not on the gates, which block exactly when a plan is needed
    "What to label next, in the order of what unlocks a gate.",
    {"table"},
)

evidence_dossiers: Final = _study_asset(
    "evidence_dossiers",
    lambda: evidence_dossiers_station.build_study_dossier,
    [gate_reports, shadow_reports, error_packets, labeling_plans],
    "The dossier of a study: one page, all rows, the evidence of every miss and false alarm, the protocol, "
    "hashes, a signature and a verifier that needs nothing but Python. Missing inputs are named blockers.",
    {"html"},
    folder="dossiers",
)

STUDY_ASSETS: Final = (
    split_manifests,
    critical_policies,
    split_evaluations,
    gate_reports,
    shadow_reports,
    error_packets,
    labeling_plans,
    evidence_dossiers,
)


def study_metadata(outcome: StudyOutcome, home: HomeResource) -> RawMetadata:
    """What a station of the evidence says of itself, as Dagster shows it."""
    metadata = scalars(outcome.metadata)
    for name, rows in outcome.tables.items():
        if rows:
            metadata[name] = table(rows, columns=tuple(rows[0]))
    for name, png in outcome.pictures.items():
        metadata[name] = picture(png, title=name)
    if outcome.page is not None:
        metadata |= page(outcome.page, PageAddresses.of(home.home))
    return metadata
