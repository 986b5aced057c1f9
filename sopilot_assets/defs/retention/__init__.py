"""Retention in Dagster: what is removed because its time is over."""
