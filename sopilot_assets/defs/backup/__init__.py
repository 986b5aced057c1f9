"""Backups and drills in Dagster."""
