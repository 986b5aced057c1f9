"""The upgrade of a home as the command line runs it: all migrations in order, Dagster's databases among them.

Reads and writes through `upkeep.upgrade` only.
"""
