"""The evidence dossier of a study: collected, rendered, hashed, signed, verified.

Reads what its caller hands over; writes ``dossiers/`` and ``keys/``.
"""
