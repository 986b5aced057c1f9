"""References in Dagster: what the golds of each task say.

Reads embeddings and ``steps.csv``; writes ``references/`` through `stations`.
"""
