"""Where ``dagster.yaml`` of homes made before 0.1.0 looks for `dagster_internals.launcher`."""

from sopilot_assets.defs.dagster_internals.launcher import LocalRunLauncher

__all__ = ["LocalRunLauncher"]
