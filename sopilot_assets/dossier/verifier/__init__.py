"""Recomputes a dossier from its rows with nothing but the standard library.

These modules import only each other and the standard library. `bundle` joins them into the one file
``verify.py`` that lies in every dossier; ``sopilot dossier verify`` runs them as they are here.
"""
