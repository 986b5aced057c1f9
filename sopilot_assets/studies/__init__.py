"""Pre-registered evaluation: protocol, splits, detectors, policies, gates, what to label next.

Reads study files and tables of cases; writes registrations and the ledger of looks.
"""
