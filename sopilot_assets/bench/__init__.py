"""Measuring how often the product is right, and against what."""
