"""Asset checks that fail with severity ERROR, as conditions."""

from __future__ import annotations

import dagster as dg

from sopilot_assets.defs.dagster_internals.evaluations import newest_evaluations
from sopilot_assets.upkeep.alerts.failures import CHECK_FAILED
from sopilot_assets.upkeep.conditions.condition import Condition, problem


def failed_checks(instance: dg.DagsterInstance, repository: dg.RepositoryDefinition) -> list[Condition]:
    """A condition for each check whose newest evaluation failed with severity ERROR, and for each partition
    of a check that has partitions: what passes of one study says nothing of another.
    """
    graph = repository.asset_graph
    defined = {key: graph.get(key).partitions_def for key in sorted(graph.asset_check_keys)}
    partitions = {
        key: definition.get_partition_keys(dynamic_partitions_store=instance) if definition else ()
        for key, definition in defined.items()
    }
    return [
        _alert(one)
        for one in newest_evaluations(instance, partitions)
        if not one.passed and one.severity is dg.AssetCheckSeverity.ERROR
    ]


def _alert(evaluation: dg.AssetCheckEvaluation) -> Condition:
    asset, name = evaluation.asset_key.to_user_string(), evaluation.check_name
    where = f" ({evaluation.partition})" if evaluation.partition else ""
    what = f"the check {name} of {asset}{where} fails: {evaluation.description or ''}"
    action = (
        "open the asset's checks in the page of Dagster; the evaluation says what is wrong and what to do"
    )
    return problem(CHECK_FAILED, f"{asset}: {name}{where}", what.removesuffix(": "), action)
