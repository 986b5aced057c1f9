"""Scores recorded work against a standard operating procedure, as partitioned Dagster assets."""

__version__ = "0.2.0"
