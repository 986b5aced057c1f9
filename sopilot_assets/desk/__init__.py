"""`desk`: the web app for people on the floor: uploads, steps of golds, results, what people say of them.

Reads what the other rooms read, and writes only through their functions, into the same ledgers and chains. Of
its own it keeps accounts, sessions, tokens and whose turn it is to label what, in ``desk/desk.sqlite`` below
the home. It knows nothing of Dagster.
"""

from sopilot_assets.desk.app import create_app

__all__ = ["create_app"]
