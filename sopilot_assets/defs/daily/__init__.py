"""The daily report in Dagster: one partition a day.

Reads the ledgers; writes ``reports/``.
"""
