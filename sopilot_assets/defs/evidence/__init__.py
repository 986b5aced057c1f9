"""The evidence chain in Dagster: from labels to a dossier, one partition a study."""
