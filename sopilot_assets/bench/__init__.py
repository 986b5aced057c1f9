"""Measuring how often the product is right, and against what.

Reads labeled recordings; writes a home of its own and reports where it is told to.
"""
