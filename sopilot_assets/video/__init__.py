"""Video files: probing, reading at true times and writing.

Reads videos; writes only the ones it is asked to make.
"""
