"""Recordings in Dagster: from the capture folder to the score, scoring again, and repeats.

The sensor reads the capture folder and registers partitions; the assets read and write the home through
`stations`, a row or a file for each recording.
"""
