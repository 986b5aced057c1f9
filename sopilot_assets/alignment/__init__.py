"""The step decoder and dynamic time warping: which step each clip of a recording shows, and how sure that is.

Reads embeddings and references; writes alignments and calibrations where its caller says.
"""
