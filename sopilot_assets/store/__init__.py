"""The home folder: its layout, atomic publication, ledgers and their merging, homes that machines share.

Reads and writes whatever the others name; every file of a home is published here.
"""
