"""The evidence dossier of a study: collected, rendered, hashed, signed, verified."""
