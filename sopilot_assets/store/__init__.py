"""The home folder: its layout, atomic publication, ledgers and their merging, homes that machines share.

Publishes files and appends rows for all the others.
"""
