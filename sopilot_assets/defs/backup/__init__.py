"""Backups and drills in Dagster.

Reads the whole home; writes only the repository that the settings name, and what the drill needs for a while.
"""
