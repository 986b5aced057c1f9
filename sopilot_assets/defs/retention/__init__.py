"""Retention in Dagster: what is removed every night because its time is over.

Removes finished runs, logs, proxies, unfinished files and videos of trainees, and merges ledgers; never
scores, labels, studies, dossiers or golds.
"""
