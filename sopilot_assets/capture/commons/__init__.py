"""Seed footage from a MediaWiki site: freely licensed videos, with their attribution."""
