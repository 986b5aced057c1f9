"""Alerts in Dagster: a sensor that looks at runs, checks and what is overdue, and sends what it notes.

Reads the event log, the ledgers and the disk; writes ``alerts/``.
"""
