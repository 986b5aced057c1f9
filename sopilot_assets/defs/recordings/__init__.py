"""Recordings in Dagster: from the capture folder to the score, and scoring again."""
