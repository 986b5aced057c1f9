"""References in Dagster: what the golds of each task say."""
