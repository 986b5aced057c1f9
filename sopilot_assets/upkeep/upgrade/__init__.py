"""A home brought to the format of this version, and taken back: what would change, and changing it.

Reads everything in a home; writes the files that a migration changes, ``sopilot-home.json``, and below
``upgrades/`` what they were before.
"""
