"""Faces and regions that are covered before anybody sees them."""
