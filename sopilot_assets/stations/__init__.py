"""What a batch of recordings passes, from intake to the score: one module for each asset, named as the asset.

Reads videos, tasks and the ledgers of the stations before; each writes its own files and its own ledger.
"""
