"""The web page: Dagster's own server behind a guard of requests.

Reads Dagster's instance; writes nothing itself.
"""
