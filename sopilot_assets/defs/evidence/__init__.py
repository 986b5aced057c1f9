"""The evidence chain in Dagster: from labels to a dossier, one partition a study.

Reads scores, labels and registered studies; writes the study's folder and its dossier through `evidence`.
"""
