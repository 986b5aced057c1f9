"""Evidence dossiers: collected, rendered, hashed, signed, and verified by a stranger."""
