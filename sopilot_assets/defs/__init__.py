"""The Dagster side: one module per station, thin around `sopilot_assets.stations._stations`."""

import warnings

# Single-run backfills are what makes a batch one run. Dagster calls them beta at every definition; our tests
# hold them. The category is not named: that would load Dagster before anybody needs it.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`")
