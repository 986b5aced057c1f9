"""The parts of Dagster that are not public, each in one module with a test that says what to look at when a
new version changes them. Nothing else in the package imports ``dagster._*``.
"""
