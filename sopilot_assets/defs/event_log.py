"""Where ``dagster.yaml`` of homes made before 0.1.0 looks for `dagster_internals.event_log`."""

from sopilot_assets.defs.dagster_internals.event_log import BatchedSqliteStorage

__all__ = ["BatchedSqliteStorage"]
