"""The pages of the desk, a module each: ``ROUTES`` are its addresses, each with whom it is for."""
