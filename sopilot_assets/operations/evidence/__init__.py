"""The evidence chain of a study, station by station, without Dagster."""
