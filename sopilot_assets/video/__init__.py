"""Video files: probing, reading at true times, salvaging and writing.

Reads videos; writes only the ones it is asked to make.
"""
