"""YAML files that people write: read strictly, each fault by line and field; rendered from templates.

Reads what it is given; writes nothing.
"""
