"""The daily report in Dagster."""
