"""Faults on purpose: `kills` (from a dropped recording to a dossier) and the long campaign (`__main__`)."""
