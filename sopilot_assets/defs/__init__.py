"""Dagster: a folder for each subject with its assets, checks, jobs, schedules and sensors.

Reads and writes homes through the rooms below; what it writes itself is what Dagster keeps, in ``dagster/``.
"""

import warnings

from dagster import BetaWarning

# Single-run backfills are what makes a batch one run. Dagster calls them beta at every definition; our tests
# hold them.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=BetaWarning)
