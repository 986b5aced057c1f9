"""The definitions without sensors and schedules, so that a test alone decides what is run."""

import dagster as dg

from sopilot_assets.definitions import build_defs

_shipped = build_defs()

defs = dg.Definitions(
    assets=_shipped.assets,
    asset_checks=_shipped.asset_checks,
    jobs=_shipped.jobs,
    resources=_shipped.resources,
    executor=_shipped.executor,
)
