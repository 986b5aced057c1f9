"""Erasing one person: what belongs to them, removed wherever it lies, so that what stays still verifies.

Reads the whole home; writes its files, ledgers but chains, dossiers, and the databases of Dagster and the
desk. What stays is the code of the person, hashes and numbers: no picture, no file name.
"""
