"""Campaigns in Dagster: one run a cycle, and one summary at the end."""
