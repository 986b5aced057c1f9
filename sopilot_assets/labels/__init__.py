"""What people say about recordings: label events, sheets, agreement between raters.

Reads recordings and their scores; writes the ledger ``labels`` and sheets.
"""
