"""Campaigns in Dagster: one run a cycle, launched by one schedule, and one summary at the end.

Reads the plan of the active campaign and the runs of its cycles; writes ``campaigns/`` and the ledgers
of campaigns through `upkeep.campaign`.
"""
