"""Results out to other programs in Dagster: a sensor that sends what they do not hold yet.

Reads the ledgers of scores and recordings; writes ``outbox/``.
"""
