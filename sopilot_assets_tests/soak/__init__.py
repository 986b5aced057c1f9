"""Faults on purpose: `kills` (from a drop to a dossier), `upgrade_kills`, the long campaign (`__main__`)."""
