"""An existing installation of the old system: its database read, its reports reproduced.

Reads the database and reports of the old system; writes imported rows into ledgers of their own.
"""
