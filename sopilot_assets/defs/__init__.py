"""The Dagster side: one module per station, thin around `sopilot_assets.stations._stations`."""

import warnings

from dagster import BetaWarning

# Single-run backfills are what makes a batch one run. Dagster calls them beta at every definition; our tests
# hold them.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=BetaWarning)
