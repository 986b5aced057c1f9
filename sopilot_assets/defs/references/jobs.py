"""Jobs on golds: references made without scoring anything, recordings promoted, and those that could be."""

from typing import Final

import dagster as dg

from sopilot_assets.defs.references.gold_candidates import gold_candidates
from sopilot_assets.defs.references.gold_promotions import gold_promotions
from sopilot_assets.defs.references.gold_references import gold_references
from sopilot_assets.defs.runs import work_tags

rebuild_references: Final = dg.define_asset_job(
    "rebuild_references",
    selection=dg.AssetSelection.assets(gold_references),
    description="Make the references of tasks from their golds, e.g. after steps.csv was corrected.",
    tags=work_tags("again"),
    executor_def=dg.in_process_executor,
)

promote_gold: Final = dg.define_asset_job(
    "promote_gold",
    selection=dg.AssetSelection.assets(gold_promotions),
    description=(
        "Make a trainee recording a gold of its task, or take that back; the launchpad asks for the "
        "recording, who decides, and why."
    ),
    executor_def=dg.in_process_executor,
)

list_gold_candidates: Final = dg.define_asset_job(
    "list_gold_candidates",
    selection=dg.AssetSelection.assets(gold_candidates),
    description="List the trainee recordings of tasks that could become golds; change nothing.",
    executor_def=dg.in_process_executor,
)
