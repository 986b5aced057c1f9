"""Where ``dagster.yaml`` of homes made before 0.1.0 looks for `dagster_internals.worker_launcher`."""

from sopilot_assets.defs.dagster_internals.worker_launcher import WorkerRunLauncher

__all__ = ["WorkerRunLauncher"]
