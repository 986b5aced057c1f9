"""The job that takes a study from its labels to its dossier."""

from typing import Final

import dagster as dg

from sopilot_assets.defs.evidence.assets import STUDY_ASSETS
from sopilot_assets.defs.runs import work_tags

evidence_chain: Final = dg.define_asset_job(
    "evidence_chain",
    selection=dg.AssetSelection.assets(*STUDY_ASSETS) | dg.AssetSelection.checks_for_assets(*STUDY_ASSETS),
    description="Take a registered study from its labels to its dossier. One partition a study.",
    tags=work_tags("evidence"),
    executor_def=dg.in_process_executor,
)
