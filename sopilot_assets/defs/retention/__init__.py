"""Retention in Dagster: what is removed every night because its time is over.

Removes finished runs, logs, proxies, uploads, unfinished files and videos of trainees, ends erasures of
persons that were begun, and merges ledgers; otherwise never scores, labels, studies, dossiers or golds.
"""
