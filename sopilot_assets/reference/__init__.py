"""What the golds of a task say: steps, their looks, their durations, their borders.

Reads embeddings and ``steps.csv``; writes references where its caller says.
"""
