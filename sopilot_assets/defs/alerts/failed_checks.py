"""Asset checks that fail with severity ERROR, as conditions."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from sopilot_assets.upkeep.alerts.failures import CHECK_FAILED
from sopilot_assets.upkeep.conditions.condition import Condition, problem


def failed_checks(instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey]) -> list[Condition]:
    """A condition for each check whose newest evaluation failed with severity ERROR."""
    newest = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    found = ((key, record.evaluation) for key, record in newest.items() if record.event is not None)
    return [
        _alert(key, evaluation)
        for key, evaluation in found
        if isinstance(evaluation, dg.AssetCheckEvaluation)
        and not evaluation.passed
        and evaluation.severity is dg.AssetCheckSeverity.ERROR
    ]


def _alert(key: dg.AssetCheckKey, evaluation: dg.AssetCheckEvaluation) -> Condition:
    subject = f"{key.asset_key.to_user_string()}: {key.name}"
    where = f" ({evaluation.partition})" if getattr(evaluation, "partition", None) else ""
    asset = key.asset_key.to_user_string()
    what = f"the check {key.name} of {asset}{where} fails: {evaluation.description or ''}"
    action = (
        "open the asset's checks in the page of Dagster; the evaluation says what is wrong and what to do"
    )
    return problem(CHECK_FAILED, subject, what.removesuffix(": "), action)
