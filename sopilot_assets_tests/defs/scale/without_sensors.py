"""The definitions without sensors and schedules, so that a test alone decides what is run."""

import dagster as dg

from sopilot_assets.definitions import build_defs


def _without_sensors(shipped: dg.Definitions) -> dg.Definitions:
    return dg.Definitions(
        assets=shipped.assets,
        asset_checks=shipped.asset_checks,
        jobs=shipped.jobs,
        resources=shipped.resources,
        executor=shipped.executor,
    )


defs = _without_sensors(build_defs())
