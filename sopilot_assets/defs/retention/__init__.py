"""Retention in Dagster: what is removed every night because its time is over.

Removes finished runs, logs, proxies and unfinished files, and merges ledgers; never scores, labels, studies,
dossiers or recordings.
"""
