"""Erasing one person."""
