"""What a clip looks like: one protocol, four models, and the files they are made from.

Reads videos and ``models/``; writes embeddings where its caller says.
"""
