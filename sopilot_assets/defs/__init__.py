"""The Dagster side: a folder for each subject, with its assets, checks, jobs, schedules and sensors.

An asset body loads, calls one function of `stations`, `evidence` or `upkeep`, and publishes what came out as
metadata: homes are read and written through those rooms only. What all folders share lies here: partitions,
resources, what runs carry, and how outcomes are shown. `definitions` gathers what the folders define.
"""

import warnings

# Single-run backfills are what makes a batch one run. Dagster calls them beta at every definition; our tests
# hold them. The category is not named: that would load Dagster before anybody needs it.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`")
