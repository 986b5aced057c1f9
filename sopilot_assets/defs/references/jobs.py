"""The job that makes references without scoring anything."""

from typing import Final

import dagster as dg

from sopilot_assets.defs.references.gold_references import gold_references
from sopilot_assets.defs.runs import work_tags

rebuild_references: Final = dg.define_asset_job(
    "rebuild_references",
    selection=dg.AssetSelection.assets(gold_references),
    description="Make the references of tasks from their golds, e.g. after steps.csv was corrected.",
    tags=work_tags("again"),
    executor_def=dg.in_process_executor,
)
