"""Rendered recordings of a filter change, with exact labels."""
